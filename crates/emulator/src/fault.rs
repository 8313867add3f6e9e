//! Faults on demand: what goes wrong, on which endpoint, and at which call.

use std::time::Duration;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status with a short JSON error; nothing happens.
    Status(u16),
    /// Status 500 with a page meant for people; nothing happens.
    HtmlError,
    /// A business failure with this text; nothing happens.
    ErrorMessage(String),
    /// A business failure: no host has room.
    NoResources,
    /// A business failure: no licence seat is left.
    LicenceLimit,
    /// A business failure: the host could not make the container.
    UnableToCreate,
    /// The call is looked at this much later.
    Latency(Duration),
    /// The header and half of the body come at once, the rest this much later.
    SlowBody(Duration),
    /// The connection ends without an answer; nothing happens.
    ConnectionReset,
    /// The effect happens at once, the answer comes this much later.
    TimeoutAfterEffect(Duration),
    /// The effect happens, the answer is cut off in the middle of the JSON.
    InvalidJson,
    /// The refusal for want of a permission; nothing happens.
    Forbidden,
}

/// What is wrong with a desktop, from the next connection or picture on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesktopFault {
    /// Update requests are never answered.
    Silent,
    /// Half of an update, and nothing more.
    Stalled,
    /// Half of an update, and the rest byte by byte with long pauses.
    Trickling,
    /// Half of an update, and the connection ends.
    Cut,
    /// A compressed rectangle is announced to be longer than what comes.
    WrongLength,
    /// Updates without end, asked for or not.
    EndlessRectangles,
    /// A rectangle beyond the edge of the screen.
    OutsideScreen,
    /// A compressed rectangle that is none.
    BadCompression,
    /// A compressed rectangle with a kind of tile that does not exist.
    BadTile,
    /// A compressed rectangle of one pixel that unpacks to 64 MiB.
    Bomb,
    /// A message of a type that does not exist.
    UnknownMessage,
    /// A clipboard of 4 GiB, of which little comes.
    HugeClipboard,
    /// A screen of 65,535 by 65,535 pixels is announced.
    HugeScreen,
    /// A name of 4 GiB is announced, of which nothing comes.
    LongName,
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    endpoint: String,
    skip: usize,
    left: usize,
    fault: Fault,
}

impl FaultPlan {
    /// Plans a fault for `count` calls, after letting `skip` calls pass.
    pub(crate) fn add(&mut self, endpoint: &str, skip: usize, count: usize, fault: Fault) {
        self.0.push(Planned {
            endpoint: endpoint.to_owned(),
            skip,
            left: count,
            fault,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the call that just came in. Each call counts once for
    /// every plan that names it, and the oldest plan that is due wins.
    pub(crate) fn take(&mut self, endpoint: &str) -> Option<Fault> {
        let mut found = None;
        for planned in self.0.iter_mut().filter(|p| p.endpoint == endpoint) {
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if found.is_none() && planned.left > 0 {
                planned.left -= 1;
                found = Some(planned.fault.clone());
            }
        }
        self.0.retain(|p| p.left > 0);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultPlan};

    #[test]
    fn fault_plans_are_used_in_order() {
        let mut plan = FaultPlan::default();
        plan.add("get_kasms", 0, 2, Fault::HtmlError);
        plan.add("get_kasms", 3, 1, Fault::NoResources);
        assert_eq!(plan.take("get_images"), None);
        assert_eq!(plan.take("get_kasms"), Some(Fault::HtmlError));
        assert_eq!(plan.take("get_kasms"), Some(Fault::HtmlError));
        assert_eq!(plan.take("get_kasms"), None);
        assert_eq!(plan.take("get_kasms"), Some(Fault::NoResources));
        assert_eq!(plan.take("get_kasms"), None);
    }
}
