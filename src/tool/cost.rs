//! Classes of costly calls. A provider defines them; each has its own rate per caller.

use std::sync::Arc;

use super::error::{ErrorType, ToolError};
use crate::bounded_map::{BoundedMap, Evict};
use crate::rate::{LastUse, Rate, TokenBucket};

/// How many callers are remembered before idle ones are removed.
const CALLERS_MAX: usize = 10_000;

/// A class of costly calls. All tools of a class share one rate.
#[derive(Debug, PartialEq, Eq)]
pub struct CostClass {
    /// The name, in metrics: `costly_tools`.
    pub name: &'static str,
    /// What a tool of it is: `a costly tool`.
    pub member: &'static str,
    /// What is limited, behind "this token may": `call costly tools`.
    pub limited: &'static str,
    /// The code of the refusal.
    pub code: &'static str,
}

/// The rate limit of a class, per caller.
#[derive(Debug)]
pub(super) struct CostRates {
    class: &'static CostClass,
    rate: Rate,
    callers: BoundedMap<Arc<str>, CallerRate>,
    /// Shared by the callers for whom the map has no place.
    others: CallerRate,
}

#[derive(Debug)]
struct CallerRate {
    bucket: TokenBucket,
    used: LastUse,
}

impl CostRates {
    /// One `rate` for every caller.
    pub(super) fn new(class: &'static CostClass, rate: Rate) -> Self {
        Self {
            class,
            rate,
            callers: BoundedMap::new(CALLERS_MAX),
            others: CallerRate::new(rate),
        }
    }

    pub(super) fn limits_class(&self, class: &CostClass) -> bool {
        std::ptr::eq(self.class, class) || self.class == class
    }

    /// Counts a call of `tool`.
    ///
    /// # Errors
    /// `rate_limited`: the rate is exceeded.
    pub(super) fn count_call(&self, caller: &Arc<str>, tool: &str) -> Result<(), ToolError> {
        let count = self
            .callers
            .get_or_insert(caller.clone(), || CallerRate::new(self.rate));
        let count = count.as_deref().unwrap_or(&self.others);
        count.used.renew();
        match count.bucket.take_one() {
            Ok(_) => Ok(()),
            Err(wait) => Err(ToolError {
                error_type: ErrorType::RateLimited,
                code: self.class.code,
                message: format!(
                    "`{tool}` is {}, and this token may {} {} times a minute",
                    self.class.member, self.class.limited, self.rate.per_minute
                ),
                hint: format!("wait {} s, then call again", wait.whole_seconds()),
                has_acted: false,
                retry_after: Some(wait.whole_seconds()),
            }),
        }
    }
}

impl CallerRate {
    fn new(rate: Rate) -> Self {
        Self {
            bucket: TokenBucket::new(rate),
            used: LastUse::now(),
        }
    }
}

impl Evict for CallerRate {
    fn is_idle(&self) -> bool {
        self.used.elapsed() > self.bucket.rate().refill_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COAL: CostClass = CostClass {
        name: "burning",
        member: "a tool that burns",
        limited: "burn something",
        code: "too_much_smoke",
    };

    #[test]
    fn tools_of_a_class_share_the_rate_of_a_caller() {
        let costly = CostRates::new(&COAL, "1/2".parse().unwrap());
        let (caller, other) = ("one".into(), "other".into());
        costly.count_call(&caller, "burn_coal").unwrap();
        costly.count_call(&caller, "burn_oil").unwrap();
        let error = costly.count_call(&caller, "burn_coal").unwrap_err();
        assert_eq!(error.error_type, ErrorType::RateLimited);
        assert_eq!(error.code, "too_much_smoke");
        assert!(error.retry_after.is_some());
        costly.count_call(&other, "burn_coal").unwrap();
    }
}
