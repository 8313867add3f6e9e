//! Percent-encoding (RFC 3986): unreserved characters stay, everything else becomes `%XX`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// All but letters, digits, `-`, `.`, `_` and `~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same without the slash.
const IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// One part of a URL, or a value after RFC 8187.
#[must_use]
pub fn encode_part(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// A path: its slashes stay.
#[must_use]
pub fn encode_path(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, IN_PATH)
}

#[cfg(test)]
mod tests {
    #[test]
    fn percent_encoding_keeps_unreserved_characters_only() {
        let text = "/a b/%~._-ä?#&\"";
        assert_eq!(
            super::encode_path(text).to_string(),
            "/a%20b/%25~._-%C3%A4%3F%23%26%22"
        );
        assert!(
            super::encode_part(text)
                .to_string()
                .starts_with("%2Fa%20b%2F")
        );
    }
}
