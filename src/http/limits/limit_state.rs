//! The state of an address and of a caller.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{RequestLimits, take_one};
use crate::bounded_map::Evict;
use crate::caller::Caller;
use crate::metrics::ServerMetrics;
use crate::rate::{LastUse, Rate, RateWait, TokenBucket};

/// How long an address is remembered after a successful authentication.
const KNOWN: Duration = Duration::from_secs(3_600);

/// The state of one address.
#[derive(Debug)]
pub(in crate::http) struct AddressState {
    metrics: ServerMetrics,
    pub(super) requests: TokenBucket,
    failures: TokenBucket,
    connections: AtomicUsize,
    epoch: Instant,
    /// Until when tokens are not checked, and until when failures count, in milliseconds since `epoch`.
    locked_until: AtomicU64,
    failed_until: AtomicU64,
    /// One bit for each of 64 groups of callers that authenticated from here before. While the address is
    /// locked, only they are admitted, so an attacker does not lock out callers that share the address.
    known: AtomicU64,
    used: LastUse,
}

impl AddressState {
    pub(super) fn new(limits: &RequestLimits, metrics: &ServerMetrics) -> Self {
        Self {
            metrics: metrics.clone(),
            requests: TokenBucket::new(limits.per_address),
            failures: TokenBucket::new(limits.failures),
            connections: AtomicUsize::new(0),
            epoch: Instant::now(),
            locked_until: AtomicU64::new(0),
            failed_until: AtomicU64::new(0),
            known: AtomicU64::new(0),
            used: LastUse::now(),
        }
    }

    /// Counts a request.
    pub(super) fn count_request(&self) -> Result<(), RateWait> {
        self.used.renew();
        self.requests.take_one().map(drop)
    }

    /// How long tokens are not checked, after too many failures.
    pub(in crate::http) fn locked_for(&self) -> Option<RateWait> {
        // The initial zero lies before any elapsed time, so an address that was never locked gives none.
        let until = Duration::from_millis(self.locked_until.load(Ordering::Relaxed));
        let left = until.checked_sub(self.epoch.elapsed())?;
        (!left.is_zero()).then_some(RateWait(left))
    }

    /// Counts a failed authentication.
    pub(in crate::http) fn count_failure(&self) {
        self.metrics.count_auth_failure();
        let rate = self.failures.rate();
        let pause = match self.failures.take_one() {
            // The last one of the burst locks the address until the bucket has one more: an attempt beyond it
            // would have to be compared with the real token before it could be refused.
            Ok(0) => Duration::from_secs(60) / rate.per_minute.get(),
            Ok(_) => Duration::ZERO,
            // Requests that were running when the lock began. They extend it until the bucket has one more.
            Err(wait) => wait.0,
        };
        let since = self.epoch.elapsed();
        let set = |until: &AtomicU64, time: Duration| {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            // The later of two ends: requests that fail at the same time must not shorten each other's lock.
            until.fetch_max(ms, Ordering::Relaxed);
        };
        // As long as the bucket is not full again, the address must not be forgotten: it would come back with a
        // full one.
        set(&self.failed_until, since + rate.refill_time());
        if !pause.is_zero() {
            set(&self.locked_until, since + pause);
        }
    }

    pub(super) fn remember_caller(&self, caller: &Caller) {
        let bit = bit_of(caller);
        // Read first: a write by each request would move the cache line between the cores.
        if self.known.load(Ordering::Relaxed) & bit == 0 {
            self.known.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn knows_caller(&self, caller: &Caller) -> bool {
        self.known.load(Ordering::Relaxed) & bit_of(caller) != 0
    }
}

fn bit_of(caller: &Caller) -> u64 {
    // 64 bits cannot grow, however many tokens are used here. Two callers may share a bit: then one admits
    // the other, which still needs its own token.
    let mut hasher = DefaultHasher::new();
    caller.owner_key().hash(&mut hasher);
    1 << (hasher.finish() % 64)
}

impl Evict for AddressState {
    fn is_idle(&self) -> bool {
        let failed_until = Duration::from_millis(self.failed_until.load(Ordering::Relaxed));
        let is_known = self.known.load(Ordering::Relaxed) != 0;
        // After this time the bucket is full again, as in a new entry. Only the known callers would be lost,
        // so they stay longer.
        let rest = self.requests.rate().refill_time();
        let rest = if is_known { rest.max(KNOWN) } else { rest };
        self.used.elapsed() > rest && self.epoch.elapsed() > failed_until
    }
}

/// A connection, counted for its address.
#[derive(Debug)]
pub(in crate::http) struct ConnectionPlace(Arc<AddressState>);

impl ConnectionPlace {
    pub(super) fn take_place(address_state: Arc<AddressState>, max: usize) -> Option<Self> {
        take_one(&address_state.connections, max).then(|| Self(address_state))
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The state of one caller, for all addresses.
#[derive(Debug)]
pub(in crate::http) struct CallerState {
    pub(in crate::http) requests: TokenBucket,
    streams: AtomicUsize,
    used: LastUse,
}

impl CallerState {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            requests: TokenBucket::new(rate),
            streams: AtomicUsize::new(0),
            used: LastUse::now(),
        }
    }

    /// Counts a request.
    pub(super) fn count_request(&self) -> Result<(), RateWait> {
        self.used.renew();
        self.requests.take_one().map(drop)
    }
}

impl Evict for CallerState {
    fn is_idle(&self) -> bool {
        self.used.elapsed() > self.requests.rate().refill_time()
    }
}

/// An event stream, counted for its caller and in total.
#[derive(Debug)]
pub(in crate::http) struct StreamPlace {
    caller_state: Arc<CallerState>,
    all: Arc<AtomicUsize>,
}

impl StreamPlace {
    pub(super) fn take_place(
        caller_state: &Arc<CallerState>,
        own_max: usize,
        all: &Arc<AtomicUsize>,
        all_max: usize,
    ) -> Option<Self> {
        if !take_one(&caller_state.streams, own_max) {
            return None;
        }
        if !take_one(all, all_max) {
            // The first place was taken and is returned, or the caller would lose it for good.
            caller_state.streams.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self {
            caller_state: caller_state.clone(),
            all: all.clone(),
        })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.caller_state.streams.fetch_sub(1, Ordering::Relaxed);
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}
