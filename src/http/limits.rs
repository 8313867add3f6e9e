//! Rate limits per address and per caller, and the answers beyond them.
//!
//! Before authentication the address counts, after it the caller. Both are remembered in maps with a size limit;
//! an address or a caller that does not fit into its map shares one limit with all others that do not.

mod body_timeout;
mod layers;
mod limit_state;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Extensions;

use super::identity::ByLink;
use crate::bounded_map::BoundedMap;
use crate::caller::{Caller, RequestInfo};
use crate::metrics::ServerMetrics;
use crate::rate::{Rate, RateWait};
pub(super) use body_timeout::{BodyTooSlow, time_body};
pub(super) use layers::{LimitRefusal, count_for_address, count_for_caller, hold_stream_place};
pub(super) use limit_state::{AddressState, CallerState, ConnectionPlace, StreamPlace};

/// The most addresses and callers that are remembered.
const ADDRESSES_MAX: usize = 65_536;
const CALLERS_MAX: usize = 65_536;
/// How often idle entries are removed.
const FORGET: Duration = Duration::from_secs(30);

/// The rate limits and maxima.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Requests of one address, with any credential.
    pub per_address: Rate,
    /// Failed authentications of one address.
    pub failures: Rate,
    /// Requests of one caller whose credential sets no rate.
    pub per_caller: Rate,
    /// The most open notification streams.
    pub streams_max: usize,
    /// The most open notification streams of one caller.
    pub streams_per_caller_max: usize,
    /// The most open connections of one address.
    pub connections_per_address_max: usize,
    /// How long the pauses of a small body may last in total; a larger one has more time.
    pub body_pause: Duration,
}

impl RequestLimits {
    /// No limits, for servers that only this machine can reach.
    #[must_use]
    pub fn without_limits() -> Self {
        let rate = Rate {
            per_minute: NonZeroU32::MAX,
            burst: NonZeroU32::MAX,
        };
        Self {
            per_address: rate,
            failures: rate,
            per_caller: rate,
            streams_max: usize::MAX,
            streams_per_caller_max: usize::MAX,
            connections_per_address_max: usize::MAX,
            body_pause: Duration::from_secs(60),
        }
    }
}

/// The unit that limits count: an IPv4 address, or an IPv6 /64 network, which is one customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum IpPrefix {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for IpPrefix {
    fn from(address: IpAddr) -> Self {
        // On a dual-stack socket an IPv4 client appears as `::ffff:192.0.2.1`.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The state of all limits.
#[derive(Debug)]
pub(super) struct RequestLimiter {
    limits: RequestLimits,
    metrics: ServerMetrics,
    addresses: BoundedMap<IpPrefix, AddressState>,
    callers: BoundedMap<(Arc<str>, u32), CallerState>,
    /// Shared by addresses that do not fit into their map, and by callers that do not fit into theirs.
    overflow: (Arc<AddressState>, Arc<CallerState>),
    streams: Arc<AtomicUsize>,
}

impl RequestLimiter {
    pub(super) fn new(limits: RequestLimits, metrics: ServerMetrics) -> Self {
        let overflow = (
            Arc::new(AddressState::new(&limits, &metrics)),
            Arc::new(CallerState::new(limits.per_caller)),
        );
        Self {
            limits,
            metrics,
            addresses: BoundedMap::new(ADDRESSES_MAX),
            callers: BoundedMap::new(CALLERS_MAX),
            overflow,
            streams: Arc::default(),
        }
    }

    /// Calls [`BoundedMap::evict_idle`] from time to time, until the task is dropped.
    pub(super) async fn forget_forever(&self) {
        loop {
            tokio::time::sleep(FORGET).await;
            self.addresses.evict_idle();
            self.callers.evict_idle();
        }
    }

    /// Counts a connection until the returned value is dropped. None: the address has too many.
    pub(super) fn take_connection(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let address_state = self.address_state(address);
        // The overflow stands for many addresses: one number for all of them would shut them out.
        let max = if Arc::ptr_eq(&address_state, &self.overflow.0) {
            usize::MAX
        } else {
            self.limits.connections_per_address_max
        };
        let place = ConnectionPlace::take_place(address_state, max);
        if place.is_none() {
            self.metrics.count_refusal("connections");
        }
        place
    }

    /// The number of open event streams.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn address_state(&self, address: IpAddr) -> Arc<AddressState> {
        let made = || AddressState::new(&self.limits, &self.metrics);
        let known = self.addresses.get_or_insert(address.into(), made);
        known.unwrap_or_else(|| self.overflow.0.clone())
    }

    /// The state of the address of a request. None: it came over no connection.
    fn address_state_of(&self, extensions: &Extensions) -> Option<Arc<AddressState>> {
        let address = extensions.get::<RequestInfo>()?.address?;
        Some(self.address_state(address))
    }

    fn caller_state(&self, caller: &Caller) -> Arc<CallerState> {
        let rate = self.rate_of(caller);
        // The rate is part of the key: a token whose rate the operator changed gets a new bucket at once.
        let key = (caller.owner_key().clone(), rate.per_minute.get());
        let known = self.callers.get_or_insert(key, || CallerState::new(rate));
        known.unwrap_or_else(|| self.overflow.1.clone())
    }

    fn rate_of(&self, caller: &Caller) -> Rate {
        let usual = self.limits.per_caller;
        match caller.rate {
            Some(own) => Rate {
                per_minute: own,
                // The usual burst could be many minutes of a small rate.
                burst: usual.burst.min(own),
            },
            None => usual,
        }
    }

    /// Counts a request of an authenticated caller.
    ///
    /// # Errors
    /// A rate is exceeded, or the address had so many failed authentications that a valid token might be a
    /// guess.
    pub(super) fn admit_caller(
        &self,
        extensions: &Extensions,
        caller: &Caller,
    ) -> Result<Arc<CallerState>, LimitRefusal> {
        let address_state = extensions.get::<Arc<AddressState>>();
        // A link has 256 random bits, so a lock against guessing does not apply. Its holder is often another
        // program than the caller, so it does not make the caller known at this address.
        let address_state = address_state.filter(|_| extensions.get::<ByLink>().is_none());
        if let Some(address_state) = address_state {
            match address_state.locked_for() {
                Some(wait) if !address_state.knows_caller(caller) => {
                    return Err(LimitRefusal::Failures(wait));
                }
                // Remembered before any lock, so a caller that shares the address with an attacker keeps its
                // access.
                Some(_) | None => address_state.remember_caller(caller),
            }
        }
        let caller_state = self.caller_state(caller);
        match caller_state.count_request() {
            Ok(()) => Ok(caller_state),
            Err(wait) => Err(LimitRefusal::Caller(wait)),
        }
    }

    /// Counts an event stream of `caller_state` until the place is dropped.
    ///
    /// # Errors
    /// There are too many.
    fn open_stream(&self, caller_state: &Arc<CallerState>) -> Result<StreamPlace, LimitRefusal> {
        let own_max = self.limits.streams_per_caller_max;
        let place = StreamPlace::take_place(
            caller_state,
            own_max,
            &self.streams,
            self.limits.streams_max,
        );
        place.ok_or(LimitRefusal::Streams)
    }
}

/// Adds one unless `max` is reached.
fn take_one(count: &AtomicUsize, max: usize) -> bool {
    // One atomic step: two requests at the same time cannot both take the last place.
    let more = |open: usize| (open < max).then(|| open + 1);
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

/// When to retry if a maximum is reached.
const PLACE_PAUSE: RateWait = RateWait(Duration::from_secs(5));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_network() {
        let place = |text: &str| IpPrefix::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2"));
        assert_ne!(place("2001:db8:0:1::1"), place("2001:db8:0:2::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
    }
}
