//! The part of a file that a client requests (RFC 9110, section 14), and the count of delivered bytes.

use std::ops::Range;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, IF_RANGE, RANGE};

use crate::links::{LinkId, OpenLinks};

/// The part of a file that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RangeSelection {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// The part begins behind the end.
    OutOfRange,
}

/// Reads `Range`. One range is answered; several, other units and what cannot be read are not, and then the whole
/// file is sent, as the RFC wants. With `If-Range` the part is sent only if the client has the same version.
pub(super) fn select_range(
    headers: &HeaderMap,
    size: u64,
    etag: &str,
    date: Option<&str>,
) -> RangeSelection {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(RANGE) else {
        return RangeSelection::Whole;
    };
    if headers.contains_key(IF_RANGE) {
        let validator = text(IF_RANGE);
        // RFC 9110, section 13.1.5: with another validator the file has changed, and a part of it would not
        // fit.
        if validator != Some(etag) && (date.is_none() || validator != date) {
            return RangeSelection::Whole;
        }
    }
    parse_range(range, size).unwrap_or(RangeSelection::Whole)
}

fn parse_range(range: &str, size: u64) -> Option<RangeSelection> {
    let (first, last) = range
        .trim()
        .strip_prefix("bytes=")?
        .trim()
        .split_once('-')?;
    // A list of several ranges fails here at its comma, and the whole file is sent.
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that does not fit is beyond every file.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let part = match (first, last) {
        // `bytes=-500` means the last 500 bytes. A suffix longer than the file is the whole file.
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            // Invalid, not unsatisfiable: RFC 9110, section 14.1, lets the server ignore the header.
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    // Also `bytes=-0`: a suffix without bytes cannot be satisfied.
    let selection = if part.is_empty() {
        RangeSelection::OutOfRange
    } else {
        RangeSelection::Part(part)
    };
    Some(selection)
}

/// Counts what goes out over a link. It notes a part that broke off, too, when it is dropped.
#[derive(Debug)]
pub(super) struct DeliveryCount {
    pub(super) links: Arc<OpenLinks>,
    pub(super) id: LinkId,
    pub(super) version: String,
    pub(super) size: u64,
    /// The bytes of the part that have not gone out.
    pub(super) rest: Range<u64>,
    pub(super) start: u64,
}

impl DeliveryCount {
    /// `bytes` are about to go out. With the last ones the part is delivered: the client may come back before this
    /// server has finished with the request.
    pub(super) fn note_bytes(&mut self, bytes: usize) {
        self.rest.start += bytes as u64;
        if self.rest.is_empty() {
            self.note_delivered();
        }
    }

    fn note_delivered(&self) {
        let part = self.start..self.rest.start;
        self.links
            .note_delivered(self.id, &self.version, part, self.size);
    }
}

impl Drop for DeliveryCount {
    fn drop(&mut self) {
        self.note_delivered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(range: &str, if_range: Option<&str>) -> RangeSelection {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        if let Some(validator) = if_range {
            headers.insert(IF_RANGE, validator.parse().unwrap());
        }
        select_range(&headers, 100, "\"etag\"", Some("a date"))
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = |range: Range<u64>| RangeSelection::Part(range);
        for (range, expected) in [
            ("bytes=0-0", part(0..1)),
            ("bytes=10-", part(10..100)),
            ("bytes=90-200", part(90..100)),
            ("bytes=-1", part(99..100)),
            ("bytes=-200", part(0..100)),
            ("bytes=100-", RangeSelection::OutOfRange),
            ("bytes=-0", RangeSelection::OutOfRange),
            ("bytes=99999999999999999999-", RangeSelection::OutOfRange),
            ("bytes=5-4", RangeSelection::Whole),
            ("bytes=0-1,3-4", RangeSelection::Whole),
            ("bytes=+1-2", RangeSelection::Whole),
            ("items=0-1", RangeSelection::Whole),
            ("bytes=-", RangeSelection::Whole),
        ] {
            assert_eq!(selected(range, None), expected, "{range}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_sent() {
        for (validator, whole) in [("\"etag\"", false), ("a date", false), ("\"other\"", true)] {
            let is_whole = selected("bytes=1-", Some(validator)) == RangeSelection::Whole;
            assert_eq!(is_whole, whole, "{validator}");
        }
    }
}
