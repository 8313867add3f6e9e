//! The time of day, which tests can set.
//!
//! Code with a date takes the time from here, or as an argument. Code that only waits uses tokio's clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

/// A clock to read. The default is the system's; clones of a manual one show the same time.
#[derive(Clone, Debug, Default)]
pub struct WallClock(TimeSource);

#[derive(Clone, Debug, Default)]
enum TimeSource {
    #[default]
    System,
    Manual(ManualClock),
}

impl WallClock {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            TimeSource::System => Timestamp::now(),
            TimeSource::Manual(clock) => *clock.lock_time(),
        }
    }
}

/// A clock that stands still until it is advanced. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Advances the clock. It stops at the latest possible time.
    pub fn advance_by(&self, by: Duration) {
        let mut time = self.lock_time();
        *time = time.checked_add(by).unwrap_or(Timestamp::MAX);
    }

    /// The clock for code that only reads it.
    #[must_use]
    pub fn wall_clock(&self) -> WallClock {
        WallClock(TimeSource::Manual(self.clone()))
    }

    fn lock_time(&self) -> MutexGuard<'_, Timestamp> {
        self.0.lock()
    }
}
