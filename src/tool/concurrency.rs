//! Limits the concurrent calls of each caller, and the rate of costly ones. A call over the limit waits briefly
//! for its turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::error::{ErrorType, ToolError};
use crate::bounded_map::{BoundedMap, Evict, KeyedSemaphores};
use crate::rate::{LastUse, Rate, TokenBucket};

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many callers are remembered before idle ones are removed.
const CALLERS_MAX: usize = 10_000;

/// The rate limit of costly calls, per caller.
#[derive(Debug)]
pub struct CostlyCallRates {
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

impl CostlyCallRates {
    /// One `rate` for every caller.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            callers: BoundedMap::new(CALLERS_MAX),
            others: CallerRate::new(rate),
        }
    }

    /// Counts a call of `tool`.
    ///
    /// # Errors
    /// `rate_limited`: the rate is exceeded.
    pub fn count_call(&self, caller: &Arc<str>, tool: &str) -> Result<(), ToolError> {
        let count = self
            .callers
            .get_or_insert(caller.clone(), || CallerRate::new(self.rate));
        let count = count.as_deref().unwrap_or(&self.others);
        count.used.renew();
        match count.bucket.take_one() {
            Ok(_) => Ok(()),
            Err(wait) => Err(ToolError {
                error_type: ErrorType::RateLimited,
                code: "too_many_costly_calls",
                message: format!(
                    "`{tool}` is a costly tool, and this token may call costly tools {} times a minute",
                    self.rate.per_minute
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

/// One semaphore per caller.
#[derive(Debug)]
pub struct ConcurrencyGate(KeyedSemaphores<Arc<str>>);

impl ConcurrencyGate {
    /// A gate for `at_a_time` concurrent calls per caller.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self(KeyedSemaphores::new(CALLERS_MAX, at_a_time))
    }

    /// Waits for a turn, which ends when the permit is dropped.
    ///
    /// # Errors
    /// `rate_limited`: no turn became free in time.
    pub async fn wait_for_place(
        &self,
        caller: &Arc<str>,
    ) -> Result<OwnedSemaphorePermit, ToolError> {
        let places = self.0.of_key(caller.clone());
        // Nearly every call finds a place at once and needs no timer.
        if let Ok(permit) = places.clone().try_acquire_owned() {
            return Ok(permit);
        }
        match tokio::time::timeout(PATIENCE, places.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed, so this is the end of the wait.
            Ok(Err(_)) | Err(_) => Err(ToolError::new(
                ErrorType::RateLimited,
                format!(
                    "{} calls of this token are running already",
                    self.0.permits()
                ),
                "wait for some of them to finish, then call again",
            )
            .with_code("too_many_calls")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn call_over_limit_is_too_many_calls_unless_a_place_frees() {
        let gate = ConcurrencyGate::new(2);
        let (caller, other) = ("one".into(), "other".into());
        let first = gate.wait_for_place(&caller).await.unwrap();
        let _second = gate.wait_for_place(&caller).await.unwrap();
        let error = gate.wait_for_place(&caller).await.unwrap_err();
        assert_eq!(error.error_type, ErrorType::RateLimited);
        assert_eq!(error.code, "too_many_calls");
        let _others = gate.wait_for_place(&other).await.unwrap();
        let (third, ()) = tokio::join!(gate.wait_for_place(&caller), async { drop(first) });
        assert!(third.is_ok(), "the place that became free");
    }

    #[test]
    fn costly_tools_of_a_caller_share_one_rate() {
        let costly = CostlyCallRates::new("1/2".parse().unwrap());
        let (caller, other) = ("one".into(), "other".into());
        costly.count_call(&caller, "burn_coal").unwrap();
        costly.count_call(&caller, "burn_oil").unwrap();
        let error = costly.count_call(&caller, "burn_coal").unwrap_err();
        assert_eq!(error.error_type, ErrorType::RateLimited);
        assert_eq!(error.code, "too_many_costly_calls");
        assert!(error.retry_after.is_some());
        costly.count_call(&other, "burn_coal").unwrap();
    }
}
