//! Retries, only for idempotent calls: a create, an exec or a stop that timed out may have taken effect, and
//! only its caller can check that.

use std::future::Future;
use std::time::Duration;

use super::error::{KasmError, Result};
use crate::random;

const FIRST_PAUSE_MS: u64 = 100;

/// Whether a call may be repeated after a failure that leaves its effect unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryPolicy {
    /// A read: at most this many retries.
    Upto(u32),
    /// Never.
    Never,
}

/// Runs `call` until it succeeds, fails permanently, or has used up its retries. Pauses double and are
/// jittered, so that callers that failed together do not retry together.
pub(super) async fn call_with_retries<T, F, Fut>(repeat: RetryPolicy, mut call: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut left = match repeat {
        RetryPolicy::Upto(times) => times,
        RetryPolicy::Never => 0,
    };
    let mut pause_ms = FIRST_PAUSE_MS;
    loop {
        match call().await {
            Err(error) if left > 0 && is_transient(&error) => {
                tracing::debug!(%error, left, "retrying a call to Kasm");
                tokio::time::sleep(jittered_pause(pause_ms)).await;
                left -= 1;
                pause_ms *= 2;
            }
            done => return done,
        }
    }
}

fn is_transient(error: &KasmError) -> bool {
    // Any other error is an answer of Kasm, which would be the same again.
    matches!(
        error,
        KasmError::Unavailable(_) | KasmError::TimedOut { .. }
    )
}

/// Between half and all of `pause_ms`.
fn jittered_pause(pause_ms: u64) -> Duration {
    let random = u32::from_ne_bytes(random::bytes());
    let half = pause_ms / 2;
    Duration::from_millis(half + u64::from(random) % (half + 1))
}
