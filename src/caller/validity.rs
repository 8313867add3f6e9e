//! How long a credential is valid.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// How often a wait for the expiry checks the clock.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// How long a credential is valid; work ends with its credential.
#[derive(Clone, Debug, Default)]
pub struct Validity {
    /// Cancelled when the credential is revoked.
    pub revoked: CancellationToken,
    /// Its expiry.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether it is invalid now.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended_at(Timestamp::now())
    }

    /// Whether it is revoked, or expires at `now` or before.
    #[must_use]
    pub fn has_ended_at(&self, now: Timestamp) -> bool {
        self.revoked.is_cancelled() || self.until.is_some_and(|until| until <= now)
    }

    /// Waits until it becomes invalid.
    pub async fn wait_for_end(&self) {
        loop {
            let pause = match self.until {
                Some(until) => {
                    let left = until.duration_since(Timestamp::now());
                    // A negative span cannot be converted. It means that the expiry has passed, which the
                    // check below finds.
                    let left = Duration::try_from(left).unwrap_or_default();
                    // Checked again and again, because the clock can be set.
                    left.min(CLOCK_LOOK)
                }
                None => return self.revoked.cancelled().await,
            };
            if self.has_ended() {
                return;
            }
            let waited = tokio::time::timeout(pause, self.revoked.cancelled()).await;
            if waited.is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_ends_at_its_time_or_when_revoked() {
        let until = Timestamp::UNIX_EPOCH + Duration::from_secs(100);
        let validity = Validity {
            until: Some(until),
            ..Validity::default()
        };
        assert!(!validity.has_ended_at(until - Duration::from_millis(1)));
        assert!(validity.has_ended_at(until));
        assert!(!Validity::default().has_ended_at(Timestamp::MAX));
        validity.revoked.cancel();
        assert!(validity.has_ended_at(Timestamp::UNIX_EPOCH));
    }

    #[tokio::test]
    async fn wait_for_validity_end_returns_when_revoked() {
        let validity = |until| Validity {
            until: Some(until),
            ..Validity::default()
        };
        validity(Timestamp::UNIX_EPOCH).wait_for_end().await;
        let taken_back = validity(Timestamp::MAX);
        let mut wait = std::pin::pin!(taken_back.wait_for_end());
        assert!(futures::poll!(&mut wait).is_pending(), "it is good still");
        taken_back.revoked.cancel();
        wait.await;
    }
}
