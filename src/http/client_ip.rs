//! The client address of a request: the peer of its connection, or the address that a trusted proxy names.
//!
//! An address that a client writes itself is never used: of a list, the last address that is not a trusted
//! proxy's is the one that the last trusted proxy saw.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::FORWARDED;
use http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most proxies in a row that are followed.
const HOPS_MAX: usize = 32;

/// The peer of a connection. The accept loop adds it to each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// An address range, such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyRange(IpNet);

impl FromStr for ProxyRange {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // ipnet does not read an address without a prefix length. Such an address stands for itself.
        let one = text.parse::<IpAddr>().map(IpNet::from);
        one.or_else(|_| text.parse()).map(Self)
    }
}

/// The proxies whose forwarding headers are used.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<ProxyRange>);

impl TrustedProxies {
    /// The proxies with addresses in `ranges`.
    #[must_use]
    pub fn new(ranges: Vec<ProxyRange>) -> Self {
        Self(ranges)
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn include_address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.0.contains(&address))
    }

    /// The client address of a request. None: it came over no connection.
    pub(super) fn client_address(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Option<IpAddr> {
        let peer = extensions.get::<PeerAddress>()?.0;
        if !self.include_address(peer) {
            return Some(peer);
        }
        let usual = self.last_untrusted(peer, forwarded_for_entries(headers));
        let standard = self.last_untrusted(peer, forwarded_entries(headers));
        Some(match (usual, standard) {
            (Some(one), Some(other)) if one == other => one,
            // A proxy writes one of the two headers and may forward the other one as the client forged it.
            (Some(_), Some(_)) | (None, None) => peer,
            (Some(one), None) | (None, Some(one)) => one,
        })
    }

    /// Reads the addresses, nearest first. It stops at an invalid entry, because everything beyond it is
    /// unverified.
    fn last_untrusted<'a>(
        &self,
        peer: IpAddr,
        nearest_first: impl Iterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let mut nearest_first = nearest_first.take(HOPS_MAX).peekable();
        nearest_first.peek()?;
        let mut last = peer;
        for node in nearest_first {
            let Some(address) = address_of_node(node) else {
                // RFC 7239, section 6, also allows `unknown` and `_names`, which are no addresses.
                break;
            };
            last = address;
            if !self.include_address(address) {
                break;
            }
        }
        Some(last)
    }
}

/// The entries of `X-Forwarded-For`, the nearest first.
fn forwarded_for_entries(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    header_entries(headers, X_FORWARDED_FOR)
}

/// The `for` of each entry of `Forwarded` (RFC 7239), the nearest first.
fn forwarded_entries(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    header_entries(headers, FORWARDED).map(|entry| {
        let mut pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
        let node = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        node.map_or("", |(_, node)| node)
    })
}

fn header_entries(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    // An entry that is not text is invalid.
    let values = headers.get_all(name).into_iter();
    let values = values.map(|value| value.to_str().unwrap_or_default());
    // Several lines of a header are one list (RFC 9110, section 5.3). Each proxy appends, so the end is
    // nearest.
    values.rev().flat_map(|value| value.rsplit(','))
}

/// An address as proxies write it: with a port or without, quoted or not.
fn address_of_node(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    // IPv6 addresses have brackets in `Forwarded`, and everywhere in front of a port.
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    let address = address.or_else(|_| node.parse::<SocketAddr>().map(|node| node.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let ranges = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"];
        let proxies = TrustedProxies::new(ranges.map(|range| range.parse().unwrap()).to_vec());
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress(peer.parse().unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        proxies
            .client_address(&extensions, &map)
            .unwrap()
            .to_string()
    }

    #[test]
    fn client_address_header_from_untrusted_peer_is_ignored() {
        let claims = [
            (X_FORWARDED_FOR, "203.0.113.5"),
            (FORWARDED, "for=203.0.113.5"),
        ];
        assert_eq!(client("198.51.100.1", &claims), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn client_address_is_the_last_untrusted_one() {
        let one = |list| client("10.0.0.1", &[(X_FORWARDED_FOR, list)]);
        assert_eq!(one("203.0.113.5"), "203.0.113.5");
        assert_eq!(one("1.1.1.1, 203.0.113.5"), "203.0.113.5");
        assert_eq!(one("1.1.1.1, 203.0.113.5, 10.2.3.4"), "203.0.113.5");
        assert_eq!(one("203.0.113.5:4711,192.0.2.7"), "203.0.113.5");
        assert_eq!(one("10.2.3.4"), "10.2.3.4");
        assert_eq!(one("::ffff:203.0.113.5"), "203.0.113.5");
        // The search ends at the sender of an invalid entry.
        assert_eq!(one("203.0.113.5, unknown, 10.2.3.4"), "10.2.3.4");
        assert_eq!(one(""), "10.0.0.1");
        let two = [
            (X_FORWARDED_FOR, "1.1.1.1"),
            (X_FORWARDED_FOR, "203.0.113.5"),
        ];
        assert_eq!(client("10.0.0.1", &two), "203.0.113.5");
    }

    #[test]
    fn client_address_is_read_from_forwarded_header() {
        let one = |value| client("fd00::1", &[(FORWARDED, value)]);
        assert_eq!(
            one("for=1.1.1.1, For=203.0.113.5;proto=https"),
            "203.0.113.5"
        );
        assert_eq!(
            one(r#"proto=https;for="[2001:db8::5]:4711""#),
            "2001:db8::5"
        );
        assert_eq!(one(r#"for="[2001:db8::5]", for=10.9.9.9"#), "2001:db8::5");
        assert_eq!(one("for=_hidden"), "fd00::1");
        assert_eq!(one("proto=https"), "fd00::1");
    }

    #[test]
    fn client_address_headers_that_disagree_are_ignored() {
        let both = |other| {
            let headers = [(X_FORWARDED_FOR, "203.0.113.5"), (FORWARDED, other)];
            client("10.0.0.1", &headers)
        };
        assert_eq!(both("for=203.0.113.5"), "203.0.113.5");
        assert_eq!(both("for=1.1.1.1"), "10.0.0.1");
    }
}
