//! How much one address and one caller may ask for, and what they are told beyond it.
//!
//! Before authentication the address counts, after it the caller. All of it is remembered in books that
//! are never fuller than they may be; whoever finds no place in one shares a limit with others like that.

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

/// Addresses that are remembered, and callers.
const ADDRESSES_MAX: usize = 65_536;
const CALLERS_MAX: usize = 65_536;
/// How often what does not matter any more is forgotten.
const FORGET: Duration = Duration::from_secs(30);

/// How much may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Requests of one address, whoever asks.
    pub per_address: Rate,
    /// Wrong credentials from one address.
    pub failures: Rate,
    /// Requests of one caller whose credential names no rate of its own.
    pub per_caller: Rate,
    /// Open event streams in all.
    pub streams_max: usize,
    /// Open event streams of one caller.
    pub streams_per_caller_max: usize,
    /// Open connections of one address.
    pub connections_per_address_max: usize,
    /// How long a body may pause in all, if it is small; a larger one has more time.
    pub body_pause: Duration,
}

impl RequestLimits {
    /// As good as none, for servers that nobody else can reach.
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

/// Where a limit is counted: an IPv4 address, or the network that one IPv6 customer has.
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

/// What all requests are held against.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: RequestLimits,
    metrics: Metrics,
    visitors: Book<Place, Visitor>,
    accounts: Book<(Arc<str>, u32), Account>,
    /// For those who find no place in the books.
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

    /// Calls [`Book::forget`] from time to time, until the task is dropped.
    pub(super) async fn forget_forever(&self) {
        loop {
            tokio::time::sleep(FORGET).await;
            self.visitors.forget();
            self.accounts.forget();
        }
    }

    /// Counts a connection until the place is dropped. None: the address has too many.
    pub(super) fn connect(&self, address: IpAddr) -> Option<ConnectionPlace> {
        let visitor = self.visitor(address);
        // The crowd is many addresses, for which one number would be no limit but a wall.
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

    /// How many event streams are open.
    pub(super) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn visitor(&self, address: IpAddr) -> Arc<Visitor> {
        let made = || Visitor::new(&self.limits, &self.metrics);
        let known = self.visitors.entry(address.into(), made);
        known.unwrap_or_else(|| self.crowd.0.clone())
    }

    /// Who comes from the address of a request. None: it came over no connection.
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

    /// Counts a request of a caller whose credential is right.
    ///
    /// # Errors
    /// It is too soon, or so many wrong credentials came from there that a right one might be a guess.
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

    /// Counts an event stream of `account` until the place is dropped.
    ///
    /// # Errors
    /// There are too many.
    fn open_stream(&self, account: &Arc<Account>) -> Result<StreamPlace, Refusal> {
        let own_max = self.limits.streams_per_caller_max;
        let place = StreamPlace::take(account, own_max, &self.streams, self.limits.streams_max);
        place.ok_or(Refusal::Streams)
    }
}

/// Adds one unless `max` are there.
fn take_one(count: &AtomicUsize, max: usize) -> bool {
    let more = |open: usize| (open < max).then(|| open + 1);
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
        .is_ok()
}

/// A pause after which a place may be free.
const PLACE_PAUSE: Wait = Wait(Duration::from_secs(5));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_of_ipv6_addresses_is_per_network() {
        let place = |text: &str| Place::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2"));
        assert_ne!(place("2001:db8:0:1::1"), place("2001:db8:0:2::1"));
        assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
        assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
    }
}
