//! Host and Origin checks: a web page must not reach this server through its visitor's browser.
//!
//! DNS rebinding lets a page call a server on the visitor's machine or network under the page's
//! own name. The MCP transport demands the Origin check (revision 2025-11-25: 403).

mod origin;

use axum::extract::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};

use super::problem::HttpProblem;
pub use origin::{AllowedOrigin, WebOrigin};

/// The accepted host names. This machine's own names are always accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHosts {
    /// Any name: clients need a token, and a server cannot know all of its names.
    Any,
    /// These, in lower case, without port.
    Named(Vec<String>),
}

impl AllowedHosts {
    /// Accepts these names; a port in them is ignored.
    #[must_use]
    pub fn with_names(names: impl IntoIterator<Item = String>) -> Self {
        let bare = |name: String| match name.parse::<Authority>() {
            Ok(authority) => authority.host().to_ascii_lowercase(),
            Err(_) => name.to_ascii_lowercase(),
        };
        Self::Named(names.into_iter().map(bare).collect())
    }
}

/// The rules.
#[derive(Clone, Debug)]
pub struct OriginGuard {
    /// The accepted host names.
    pub hosts: AllowedHosts,
    /// The accepted origins.
    pub origins: Vec<AllowedOrigin>,
    /// Whether pages from this machine are accepted, because only this machine can connect.
    pub local_origins: bool,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
enum GuardRefusal {
    Host,
    Origin,
}

impl OriginGuard {
    /// Whether this `Origin` is accepted.
    #[must_use]
    pub fn admits_origin(&self, origin: &str) -> bool {
        let web = origin.parse::<WebOrigin>().ok();
        let web = web.as_ref();
        let is_named = |allowed: &AllowedOrigin| allowed.matches_header(origin, web);
        self.origins.iter().any(is_named)
            || (self.local_origins && web.is_some_and(|web| is_local(&web.host_name())))
    }

    fn check_request(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), GuardRefusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host
                .to_str()
                .ok()
                .and_then(|host| host.parse::<Authority>().ok()),
            // RFC 9112, section 3.2: a request with two Host lines is invalid.
            (Some(_), Some(_)) => None,
            // A target in absolute form names the host as well (RFC 9112, section 3.2.2).
            (None, _) => uri.authority().cloned(),
        };
        let host = host.ok_or(GuardRefusal::Host)?.host().to_ascii_lowercase();
        let known = match &self.hosts {
            AllowedHosts::Any => true,
            AllowedHosts::Named(names) => is_local(&host) || names.contains(&host),
        };
        if !known {
            return Err(GuardRefusal::Host);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            // Most programs send no Origin.
            (None, _) => Ok(()),
            (Some(origin), None)
                if origin
                    .to_str()
                    .is_ok_and(|origin| self.admits_origin(origin)) =>
            {
                Ok(())
            }
            // Two Origin lines are refused as well: a browser sends one, so the other one was added on the
            // way.
            (Some(_), _) => Err(GuardRefusal::Origin),
        }
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    // RFC 6761, section 6.3: names that end with `.localhost` are this machine too.
    bare == "localhost"
        || bare.ends_with(".localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Refuses a request that breaks the rules.
///
/// # Errors
/// The problem for its client.
pub(super) fn check_host_and_origin(
    guard: &OriginGuard,
    request: &Request,
) -> Result<(), HttpProblem> {
    let Err(refusal) = guard.check_request(request.uri(), request.headers()) else {
        return Ok(());
    };
    let (code, detail, remedy) = match refusal {
        GuardRefusal::Host => (
            "host_not_allowed",
            "the Host header names none of this server's names",
            "MCP_ALLOWED_HOSTS",
        ),
        GuardRefusal::Origin => (
            "origin_not_allowed",
            "pages from this Origin may not call",
            "MCP_ALLOWED_ORIGINS",
        ),
    };
    tracing::warn!(
        host = ?request.headers().get(HOST),
        origin = ?request.headers().get(ORIGIN),
        "refused: {detail}"
    );
    let detail = format!("{detail}; the operator can allow it with {remedy}");
    Err(HttpProblem::new(StatusCode::FORBIDDEN, code, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> OriginGuard {
        OriginGuard {
            hosts: AllowedHosts::with_names(["MCP.example.org:8443".to_owned()]),
            origins: vec!["https://app.example.org".parse().unwrap()],
            local_origins: true,
        }
    }

    fn check(host: &[&str], origin: &[&str]) -> Result<(), GuardRefusal> {
        let mut headers = HeaderMap::new();
        for value in host {
            headers.append(HOST, value.parse().unwrap());
        }
        for value in origin {
            headers.append(ORIGIN, value.parse().unwrap());
        }
        guard().check_request(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn host_check_allows_configured_and_local_hosts_only() {
        for host in [
            "mcp.example.org",
            "mcp.example.org:80",
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
        ] {
            assert_eq!(check(&[host], &[]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "mcp.example.org.evil.example",
            "127.0.0.1.evil.example",
            "a b",
        ] {
            assert_eq!(check(&[host], &[]), Err(GuardRefusal::Host), "{host}");
        }
        assert_eq!(check(&[], &[]), Err(GuardRefusal::Host));
        assert_eq!(
            check(&["localhost", "evil.example"], &[]),
            Err(GuardRefusal::Host)
        );
    }

    #[test]
    fn origin_check_allows_configured_and_local_origins_only() {
        for origin in [
            "https://app.example.org",
            "https://app.example.org:443",
            "http://localhost:3000",
        ] {
            assert_eq!(check(&["localhost"], &[origin]), Ok(()), "{origin}");
        }
        for origin in [
            "http://app.example.org",
            "https://app.example.org:444",
            "https://app.example.org.evil.example",
            "https://app.example.org@evil.example",
            "null",
            "file://",
        ] {
            assert_eq!(
                check(&["localhost"], &[origin]),
                Err(GuardRefusal::Origin),
                "{origin}"
            );
        }
        let twice = ["http://localhost:3000", "https://evil.example"];
        assert_eq!(check(&["localhost"], &twice), Err(GuardRefusal::Origin));
    }
}
