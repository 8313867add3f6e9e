//! Rate limits per address and per caller, and the answers beyond them.
//!
//! Before authentication the address is counted, after it the caller. The state is kept in bounded maps;
//! addresses and callers for which a map has no room share one limit.

mod account;
mod layers;
mod patience;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Extensions;

use crate::caller::{Caller, Origin};
use crate::metrics::Metrics;
use crate::rate::{Book, Rate, Wait};
pub(super) use account::{Account, ConnectionPlace, StreamPlace, Visitor};
pub(super) use layers::{Refusal, Refused, by_address, by_caller};
pub(super) use patience::{TooSlow, layer as patience};

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
    pub fn none() -> Self {
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
enum Place {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for Place {
    fn from(address: IpAddr) -> Self {
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
pub(super) struct Limiter {
    limits: RequestLimits,
    metrics: Metrics,
    visitors: Book<Place, Visitor>,
    accounts: Book<(Arc<str>, u32), Account>,
    /// Shared by the addresses and callers for which the maps have no room.
    crowd: (Arc<Visitor>, Arc<Account>),
    streams: Arc<AtomicUsize>,
}

impl Limiter {
    pub(super) fn new(limits: RequestLimits, metrics: Metrics) -> Self {
        let crowd = (
            Arc::new(Visitor::new(&limits, &metrics)),
            Arc::new(Account::new(limits.per_caller)),
        );
        Self {
            limits,
            metrics,
            visitors: Book::new(ADDRESSES_MAX),
            accounts: Book::new(CALLERS_MAX),
            crowd,
            streams: Arc::default(),
        }
    }

    /// Calls [`Book::forget`] periodically, until the task is dropped.
    pub(super) async fn forget_forever(&self) {
        loop {
            tokio::time::sleep(FORGET).await;
            self.visitors.forget();
            self.accounts.forget();
        }
    }

    /// Counts a connection until the returned value is dropped. None: the address has too many.
    pub(super) fn connect(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let visitor = self.visitor(address);
        // The overflow state stands for many addresses, so one maximum would lock them all out.
        let max = if Arc::ptr_eq(&visitor, &self.crowd.0) {
            usize::MAX
        } else {
            self.limits.connections_per_address_max
        };
        let place = ConnectionPlace::take(visitor, max);
        if place.is_none() {
            self.metrics.refusal("connections");
        }
        place
    }

    /// The number of open event streams.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn visitor(&self, address: IpAddr) -> Arc<Visitor> {
        let made = || Visitor::new(&self.limits, &self.metrics);
        let known = self.visitors.entry(address.into(), made);
        known.unwrap_or_else(|| self.crowd.0.clone())
    }

    /// The state of a request's address. None: it came over no connection.
    fn visitor_of(&self, extensions: &Extensions) -> Option<Arc<Visitor>> {
        let address = extensions.get::<Origin>()?.address?;
        Some(self.visitor(address))
    }

    fn account(&self, caller: &Caller) -> Arc<Account> {
        let rate = self.rate_of(caller);
        let key = (caller.owner().clone(), rate.per_minute.get());
        let known = self.accounts.entry(key, || Account::new(rate));
        known.unwrap_or_else(|| self.crowd.1.clone())
    }

    fn rate_of(&self, caller: &Caller) -> Rate {
        let usual = self.limits.per_caller;
        match caller.rate {
            Some(own) => Rate {
                per_minute: own,
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
    pub(super) fn admit(
        &self,
        extensions: &Extensions,
        caller: &Caller,
    ) -> Result<Arc<Account>, Refusal> {
        if let Some(visitor) = extensions.get::<Arc<Visitor>>() {
            match visitor.locked() {
                Some(wait) if !visitor.knows(caller) => {
                    return Err(Refusal::Failures(wait));
                }
                Some(_) | None => visitor.remember(caller),
            }
        }
        let account = self.account(caller);
        match account.request() {
            Ok(()) => Ok(account),
            Err(wait) => Err(Refusal::Caller(wait)),
        }
    }

    /// Counts an event stream of `account` until the returned value is dropped.
    ///
    /// # Errors
    /// Too many streams are open.
    fn open_stream(&self, account: &Arc<Account>) -> Result<StreamPlace, Refusal> {
        let own_max = self.limits.streams_per_caller_max;
        let place = StreamPlace::take(account, own_max, &self.streams, self.limits.streams_max);
        place.ok_or(Refusal::Streams)
    }
}

/// Adds one unless `max` is reached.
fn take_one(count: &AtomicUsize, max: usize) -> bool {
    let more = |open: usize| (open < max).then(|| open + 1);
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

/// When to retry if a maximum is reached.
const PLACE_PAUSE: Wait = Wait(Duration::from_secs(5));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_network() {
        let place = |text: &str| Place::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2"));
        assert_ne!(place("2001:db8:0:1::1"), place("2001:db8:0:2::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
    }
}
