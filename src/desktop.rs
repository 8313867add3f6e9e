//! A desktop as an agent uses it: actions in the coordinates of the picture it saw, turned into what hands
//! do; and a look that waits until the screen has settled.

mod action;
mod frame;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use action::{Action, ActionKind, BadAction, Button, Step};
pub use frame::{BadFrame, FrameId};

use crate::kasm::plane::rfb::{Desktop, RfbError, Screen};

/// Time between two looks while the screen settles.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long nothing has to change.
const QUIET: Duration = Duration::from_millis(250);
/// While the screen settles, a change no larger than this is a cursor that blinks, pixels.
const CURSOR: (u16, u16) = (24, 40);
/// A bar this wide and high is the cursor of a text field; anything wider is news.
const BAR: (u16, u16) = (3, 40);

/// A look at a screen that was given time to settle.
#[derive(Debug)]
pub struct Settled {
    /// What is there.
    pub screen: Screen,
    /// Whether it stopped changing in time.
    pub quiet: bool,
}

/// Looks until nothing but a cursor changes any more, for at most `patience`.
///
/// # Errors
/// As [`RfbError`] tells.
pub async fn settle(desktop: &Desktop, patience: Duration) -> Result<Settled, RfbError> {
    let end = Instant::now() + patience;
    let mut screen = desktop.look().await?;
    let mut since = Instant::now();
    loop {
        if since.elapsed() >= QUIET {
            return Ok(Settled {
                screen,
                quiet: true,
            });
        }
        if Instant::now() >= end {
            return Ok(Settled {
                screen,
                quiet: false,
            });
        }
        sleep(BETWEEN_LOOKS).await;
        let next = desktop.look().await?;
        if differs(&screen, &next, CURSOR) {
            since = Instant::now();
        }
        screen = next;
    }
}

/// Whether more than the bar of a text field's cursor differs.
#[must_use]
pub fn has_changed(before: &Screen, after: &Screen) -> bool {
    differs(before, after, BAR)
}

/// Whether more differs than fits into `small`, pixels.
fn differs(before: &Screen, after: &Screen, small: (u16, u16)) -> bool {
    if (before.width(), before.height()) != (after.width(), after.height()) {
        return true;
    }
    let difference = before.difference(after);
    difference
        .is_some_and(|(left, top, right, bottom)| right - left > small.0 || bottom - top > small.1)
}
