//! Limits the concurrent calls of each caller. A call over the limit waits briefly for its turn.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::error::{ErrorType, ToolError};
use crate::bounded_map::KeyedSemaphores;

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many callers are remembered before idle ones are removed.
const CALLERS_MAX: usize = 10_000;

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
}
