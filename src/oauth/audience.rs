//! The audience of a token. Servers and clients write one resource in several ways.

use data_encoding::HEXLOWER_PERMISSIVE;
use reqwest::Url;

/// An audience in the form that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audience(String);

impl Audience {
    /// A web address in normal form; any other text unchanged, because its meaning is unknown.
    pub(super) fn new(text: &str) -> Self {
        Self(normal_form(text).unwrap_or_else(|| text.to_owned()))
    }

    /// The path of this audience below another one. None: it is not below that.
    pub(super) fn path_below(&self, base: &Self) -> Option<&str> {
        let base = base.0.strip_suffix('/').unwrap_or(&base.0);
        let path = self.0.strip_prefix(base)?;
        (path.is_empty() || path.starts_with('/')).then_some(path)
    }
}

/// The normal form of RFC 3986, section 6.2: letter case of scheme and host, the default port, dot segments, needless
/// percent-encoding, and one slash at the end.
fn normal_form(text: &str) -> Option<String> {
    // The URL parser repairs invalid input: it reads backslashes as slashes, adds missing ones and drops line
    // breaks.
    let (_, rest) = text.split_once("://")?;
    let odd = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    if rest.starts_with('/') || text.contains(odd) {
        return None;
    }
    let mut url: Url = text.parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let path = decode_unreserved(url.path());
    url.set_path(path.strip_suffix('/').unwrap_or(&path));
    Some(url.into())
}

/// Decodes characters that need no encoding, and writes the digits of the others in upper case.
fn decode_unreserved(path: &str) -> String {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // A `%` at the end, or in the middle of a character, has no digits and stays as it is.
        let (digits, rest) = part.split_at_checked(2).unwrap_or(("", part));
        let byte = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
        match byte.as_deref() {
            Ok([byte]) if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => {
                decoded.push(char::from(*byte));
            }
            _ => {
                decoded.push('%');
                decoded.push_str(&digits.to_ascii_uppercase());
            }
        }
        decoded.push_str(rest);
    }
    decoded
}
