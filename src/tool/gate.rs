//! Limits the concurrent calls of each caller, and the rate of costly ones. A call over the limit waits briefly
//! for its turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{ErrorType, ToolError};
use crate::rate::{Book, Bucket, Kept, Rate, Used};

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many callers are remembered before idle ones are removed.
const CALLERS_MAX: usize = 10_000;

/// The rate limit of costly calls, per caller.
#[derive(Debug)]
pub struct Costly {
    rate: Rate,
    callers: Book<Arc<str>, Count>,
    /// Shared by the callers for which the map has no room.
    others: Count,
}

#[derive(Debug)]
struct Count {
    bucket: Bucket,
    used: Used,
}

impl Costly {
    /// One `rate` for every caller.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            callers: Book::new(CALLERS_MAX),
            others: Count::new(rate),
        }
    }

    /// Counts a call of `tool`.
    ///
    /// # Errors
    /// `rate_limited`: the rate is exceeded.
    pub fn count(&self, caller: &Arc<str>, tool: &str) -> Result<(), ToolError> {
        let count = self.callers.entry(caller.clone(), || Count::new(self.rate));
        let count = count.as_deref().unwrap_or(&self.others);
        count.used.again();
        match count.bucket.take() {
            Ok(_) => Ok(()),
            Err(wait) => Err(ToolError {
                error_type: ErrorType::RateLimited,
                code: "too_many_costly_calls",
                message: format!(
                    "`{tool}` is a costly tool, and this token may call costly tools {} times a minute",
                    self.rate.per_minute
                ),
                hint: format!("wait {} s, then call again", wait.seconds()),
                retry_after: Some(wait.seconds()),
            }),
        }
    }
}

impl Count {
    fn new(rate: Rate) -> Self {
        Self {
            bucket: Bucket::new(rate),
            used: Used::now(),
        }
    }
}

impl Kept for Count {
    fn is_as_new(&self) -> bool {
        self.used.ago() > self.bucket.rate().rest()
    }
}

/// One semaphore per caller.
#[derive(Debug)]
pub struct Gate {
    at_a_time: usize,
    callers: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Gate {
    /// A gate for `at_a_time` concurrent calls per caller.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self {
            at_a_time,
            callers: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for a turn, which ends when the permit is dropped.
    ///
    /// # Errors
    /// `rate_limited`: no turn became free in time.
    pub async fn enter(&self, caller: &Arc<str>) -> Result<OwnedSemaphorePermit, ToolError> {
        let places = self.places_of(caller);
        if let Ok(permit) = places.clone().try_acquire_owned() {
            return Ok(permit);
        }
        match tokio::time::timeout(PATIENCE, places.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ToolError::new(
                ErrorType::RateLimited,
                format!("this token already has {} running calls", self.at_a_time),
                "wait until some of them have finished, then call again",
            )
            .with_code("too_many_calls")),
        }
    }

    fn places_of(&self, caller: &Arc<str>) -> Arc<Semaphore> {
        let mut callers = self.callers.lock();
        if let Some(places) = callers.get(caller) {
            return places.clone();
        }
        if callers.len() >= CALLERS_MAX {
            callers.retain(|_, places| places.available_permits() < self.at_a_time);
        }
        callers
            .entry(caller.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.at_a_time)))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_beyond_the_limit_is_refused_if_no_place_becomes_free() {
        let gate = Gate::new(2);
        let (caller, other) = ("one".into(), "other".into());
        let first = gate.enter(&caller).await.unwrap();
        let _second = gate.enter(&caller).await.unwrap();
        let error = gate.enter(&caller).await.unwrap_err();
        assert_eq!(error.error_type, ErrorType::RateLimited);
        assert_eq!(error.code, "too_many_calls");
        let _others = gate.enter(&other).await.unwrap();
        let (third, ()) = tokio::join!(gate.enter(&caller), async { drop(first) });
        assert!(third.is_ok(), "the place that became free");
    }

    #[test]
    fn costly_calls_of_a_caller_share_one_limit() {
        let costly = Costly::new("1/2".parse().unwrap());
        let (caller, other) = ("one".into(), "other".into());
        costly.count(&caller, "burn_coal").unwrap();
        costly.count(&caller, "burn_oil").unwrap();
        let error = costly.count(&caller, "burn_coal").unwrap_err();
        assert_eq!(error.error_type, ErrorType::RateLimited);
        assert_eq!(error.code, "too_many_costly_calls");
        assert!(error.retry_after.is_some());
        costly.count(&other, "burn_coal").unwrap();
    }
}
