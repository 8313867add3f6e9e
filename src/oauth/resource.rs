//! The protected resources of this server (RFC 9728). Each entry point is one, because a client refuses
//! metadata whose resource differs from the URL that it was configured with.

use super::OAuthConfig;
use super::audience::Audience;

/// Where the metadata of a resource begins.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The usual entry point. Requests to other paths belong to its resource.
const USUAL: &str = "/mcp";

/// Whether MCP clients can connect at `path`, which is below the server's address.
#[must_use]
pub fn is_entry_point(path: &str) -> bool {
    let Some(narrow) = path.strip_prefix("/mcp/x/") else {
        let plain = path.strip_suffix('/').unwrap_or(path);
        return matches!(plain, "" | "/mcp" | "/mcp/readonly") || path == "/sse";
    };
    let narrow = narrow.strip_suffix('/').unwrap_or(narrow);
    let toolsets = narrow.strip_suffix("/readonly").unwrap_or(narrow);
    // The characters of toolset names. Quotes and separators would end the value in a header that holds it.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_,%.-".contains(&byte);
    !toolsets.is_empty() && toolsets.bytes().all(is_plain)
}

impl OAuthConfig {
    /// The address of the server: its usual resource without `/mcp`.
    fn base(&self) -> &str {
        self.resource.strip_suffix(USUAL).unwrap_or(&self.resource)
    }

    /// The resource at an entry point. The one at the root has no slash, as clients write it.
    #[must_use]
    pub fn resource_at(&self, entry_point: &str) -> String {
        match entry_point {
            "/" => self.base().to_owned(),
            path => format!("{}{path}", self.base()),
        }
    }

    /// Where the metadata of the resource is that a request to `path` is for, absolute. Below the address of
    /// the server, so that a proxy which passes our paths on passes it on, too.
    #[must_use]
    pub fn metadata_url(&self, path: &str) -> String {
        let path = if is_entry_point(path) { path } else { USUAL };
        let path = if path == "/" { "" } else { path };
        format!("{}{WELL_KNOWN}{path}", self.base())
    }

    /// Whether a token for `audience` is for this server. Without configured audiences, a token for the
    /// server's address or for any of its resources is accepted at all of them, because they are one server.
    #[must_use]
    pub fn accepts_audience(&self, audience: &str) -> bool {
        let audience = Audience::new(audience);
        if !self.audiences.is_empty() {
            let mut named = self.audiences.iter();
            return named.any(|named| Audience::new(named) == audience);
        }
        let path = audience.path_below(&Audience::new(self.base()));
        // The normal form has removed one slash at the end; with a second one, the path is another one.
        let path = path.filter(|path| *path == "/" || !path.ends_with('/'));
        path.is_some_and(is_entry_point)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn config(audiences: &[&str]) -> OAuthConfig {
        OAuthConfig {
            issuers: Vec::new(),
            audiences: audiences.iter().map(|it| (*it).to_owned()).collect(),
            user_claim: None,
            realms: [].into(),
            clock_skew: Duration::ZERO,
            resource: "https://mcp.example.org/desk/mcp".to_owned(),
        }
    }

    #[test]
    fn each_entry_point_is_a_resource_with_a_place_of_its_own() {
        let config = config(&[]);
        for (path, resource) in [
            ("/mcp", "/mcp"),
            ("/mcp/", "/mcp/"),
            ("/", ""),
            ("/sse", "/sse"),
            ("/mcp/readonly", "/mcp/readonly"),
            ("/mcp/x/files,exec/readonly", "/mcp/x/files,exec/readonly"),
        ] {
            let base = "https://mcp.example.org/desk";
            assert_eq!(config.resource_at(path), format!("{base}{resource}"));
            assert_eq!(
                config.metadata_url(path),
                format!("{base}{WELL_KNOWN}{resource}")
            );
        }
        let usual = config.metadata_url("/mcp");
        for path in [
            "/messages",
            "/tools/call",
            "/mcp/x/",
            "/mcp/x/a\"b",
            "/mcp/x/a/b",
        ] {
            assert_eq!(config.metadata_url(path), usual, "{path}");
        }
    }

    #[test]
    fn a_token_is_for_this_server_or_for_another() {
        let any = config(&[]);
        for audience in ["", "/", "/mcp", "/mcp/", "/sse", "/mcp/x/files"] {
            let audience = format!("https://mcp.example.org/desk{audience}");
            assert!(any.accepts_audience(&audience), "{audience}");
        }
        for audience in [
            "",
            "https://mcp.example.org",
            "https://mcp.example.org/mcp",
            "https://mcp.example.org/desktop/mcp",
            "https://mcp.example.org/desk/other",
            "https://mcp.example.org.evil.example/desk/mcp",
        ] {
            assert!(!any.accepts_audience(audience), "{audience}");
        }
        let named = config(&["api://kasm"]);
        assert!(named.accepts_audience("api://kasm"));
        assert!(!named.accepts_audience("https://mcp.example.org/desk/mcp"));
    }
}
