//! Parsing of the `Origin` header: web pages, and programs with a browser inside.

use std::str::FromStr;

use url::{Host, Origin, Url};

/// The origin of a web page: scheme, host and port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    scheme: String,
    host: Host<String>,
    port: u16,
}

/// An accepted origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// A web page. Scheme, host and port are compared.
    Web(WebOrigin),
    /// Any other origin: an extension, a desktop program, `null`. Only the texts are compared, because no rule
    /// says which spellings mean one program.
    Exact(String),
}

/// The text is not a valid origin.
#[derive(Debug, thiserror::Error)]
#[error("expected an origin")]
pub struct InvalidOrigin;

impl WebOrigin {
    /// Its host, an IPv6 address in brackets.
    #[must_use]
    pub fn host_name(&self) -> String {
        self.host.to_string()
    }
}

impl FromStr for WebOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        // The URL parser repairs invalid input: it reads backslashes as slashes, adds missing ones and drops
        // line breaks.
        let (_, rest) = text.split_once("://").ok_or(InvalidOrigin)?;
        let odd = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
        if rest.starts_with('/') || text.contains(odd) {
            return Err(InvalidOrigin);
        }
        let url: Url = text.parse().map_err(|_| InvalidOrigin)?;
        // An origin has no user and no password (RFC 6454, section 7).
        let has_user = !url.username().is_empty() || url.password().is_some();
        match url.origin() {
            Origin::Tuple(scheme, host, port)
                if matches!(url.scheme(), "http" | "https") && !has_user =>
            {
                Ok(Self { scheme, host, port })
            }
            Origin::Tuple(..) | Origin::Opaque(_) => Err(InvalidOrigin),
        }
    }
}

impl AllowedOrigin {
    /// Whether this entry matches the header; `web` is the header as the origin of a web page, if it is one.
    pub(super) fn matches_header(&self, header: &str, web: Option<&WebOrigin>) -> bool {
        match self {
            Self::Web(allowed) => web == Some(allowed),
            Self::Exact(allowed) => allowed == header,
        }
    }

    /// Whether it is `null`, which any page in a sandboxed frame can send.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Exact(text) if text == "null")
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if let Ok(web) = text.parse() {
            return Ok(Self::Web(web));
        }
        if matches!(text, "null" | "file://") || is_of_program(text) {
            return Ok(Self::Exact(text.to_owned()));
        }
        Err(InvalidOrigin)
    }
}

/// Whether a program may send this: `scheme://host` without path, user or wildcard, which no request has.
fn is_of_program(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return false;
    };
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let in_host = |c: char| c.is_ascii_alphanumeric() || "-._~%:[]".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(in_scheme)
        // A text of these schemes that failed above is a mistake of the operator, not the origin of a
        // program.
        && !["http", "https", "file"].contains(&scheme.to_ascii_lowercase().as_str())
        && !host.is_empty()
        && host.chars().all(in_host)
}
