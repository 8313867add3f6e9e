//! Limits of how often something may happen.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// So many a minute, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The average per minute.
    pub per_minute: NonZeroU32,
    /// How many are allowed at once after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// The time in which the whole burst is available again.
    #[must_use]
    pub fn refill_time(self) -> Duration {
        Duration::from_secs(60) * self.burst.get() / self.per_minute.get()
    }
}

/// The text is not a rate.
#[derive(Debug, thiserror::Error)]
#[error("expected requests per minute/burst, such as 600/60")]
pub struct NoRate;

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (per_minute, burst) = text.split_once('/').ok_or(NoRate)?;
        let number = |text: &str| text.trim().parse().map_err(|_| NoRate);
        Ok(Self {
            per_minute: number(per_minute)?,
            burst: number(burst)?,
        })
    }
}

/// The rate is exceeded; how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateWait(pub Duration);

impl RateWait {
    /// The wait in whole seconds, for `Retry-After`. At least one.
    #[must_use]
    pub fn whole_seconds(self) -> u64 {
        let whole = self.0.as_secs();
        // Rounded up: a client that waits too short a time is refused again.
        let more = u64::from(self.0.subsec_nanos() > 0);
        (whole + more).max(1)
    }
}

/// One limit, shared by all who use it.
#[derive(Debug)]
pub struct TokenBucket {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

impl TokenBucket {
    /// A limit with its whole burst available.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        Self {
            rate,
            limiter: RateLimiter::direct(quota).with_middleware(),
        }
    }

    /// Counts one. Returns how many more are allowed at once.
    ///
    /// # Errors
    /// The rate is exceeded. Nothing is counted then.
    pub fn take_one(&self) -> Result<u32, RateWait> {
        match self.limiter.check() {
            Ok(left) => Ok(left.remaining_burst_capacity()),
            Err(until) => Err(RateWait(
                until.wait_time_from(DefaultClock::default().now()),
            )),
        }
    }

    /// Counts `many` together; at most the burst.
    ///
    /// # Errors
    /// The rate is exceeded. Nothing is counted then.
    pub fn take_many(&self, many: NonZeroU32) -> Result<(), RateWait> {
        // More than the burst can never be taken at once, so a large number empties the bucket.
        match self.limiter.check_n(many.min(self.rate.burst)) {
            Ok(Err(until)) => Err(RateWait(
                until.wait_time_from(DefaultClock::default().now()),
            )),
            // `Err` is a number above the burst, which the minimum above excludes.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// The rate of the limit.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }
}

/// When something was used last. Cheap to set from many threads.
#[derive(Debug)]
pub struct LastUse {
    // An `Instant` cannot be stored atomically, so uses are counted in milliseconds from this one.
    epoch: Instant,
    ms: AtomicU64,
}

impl LastUse {
    /// Just now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            epoch: Instant::now(),
            ms: AtomicU64::new(0),
        }
    }

    /// Notes a use.
    pub fn renew(&self) {
        let ms = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ms.store(ms, Ordering::Relaxed);
    }

    /// The time since the last use.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let used = Duration::from_millis(self.ms.load(Ordering::Relaxed));
        self.epoch.elapsed().saturating_sub(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn rate_is_parsed_and_bad_text_refused() {
        let rate = rate(" 600 / 60");
        assert_eq!((rate.per_minute.get(), rate.burst.get()), (600, 60));
        assert_eq!(rate.refill_time(), Duration::from_secs(6));
        for text in [
            "",
            "600",
            "0/1",
            "1/0",
            "-1/2",
            "1/2/3",
            "a/b",
            "99999999999/1",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn empty_bucket_names_the_wait_in_whole_seconds() {
        let bucket = TokenBucket::new(rate("4/2"));
        assert_eq!(bucket.take_one(), Ok(1));
        assert_eq!(bucket.take_one(), Ok(0));
        let wait = bucket.take_one().unwrap_err();
        assert!(wait.0 > Duration::from_secs(14), "{wait:?}");
        assert_eq!(wait.whole_seconds(), 15);
        assert_eq!(RateWait(Duration::from_millis(1)).whole_seconds(), 1);
        assert_eq!(RateWait(Duration::ZERO).whole_seconds(), 1);
        assert_eq!(RateWait(Duration::from_millis(2_001)).whole_seconds(), 3);
    }

    #[test]
    fn bucket_takes_many_together() {
        let many = |count| NonZeroU32::new(count).unwrap();
        let bucket = TokenBucket::new(rate("4/3"));
        assert_eq!(bucket.take_many(many(100)), Ok(()));
        assert!(bucket.take_one().is_err());
        let bucket = TokenBucket::new(rate("4/3"));
        assert_eq!(bucket.take_many(many(2)), Ok(()));
        assert!(bucket.take_many(many(2)).is_err());
        assert_eq!(bucket.take_one(), Ok(0));
    }
}
