//! Dates as Kasm prints them: UTC without a zone, and more than one way to say
//! that there is none.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::profile::TimeStyle;

/// `2026-09-10 12:52:49.000000`.
pub(crate) fn plain(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A date that may be missing, and then is the text `None`.
pub(crate) fn or_none_text(at: Option<Timestamp>) -> Value {
    Value::String(at.map_or_else(|| "None".to_owned(), plain))
}

/// A date that may be missing, and then is null.
pub(crate) fn or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::String(plain(at)))
}

/// The server's own clock, in the style the profile asks for.
pub(crate) fn current(now: Timestamp, style: TimeStyle) -> String {
    match style {
        TimeStyle::Plain => plain(now),
        TimeStyle::Iso => now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
    }
}

/// A later moment; the end of time if there is none.
pub(crate) fn after(at: Timestamp, time: Duration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// How much of the way from `since` to `until` is behind us, 0 to 100.
pub(crate) fn percent(since: Timestamp, until: Timestamp, now: Timestamp) -> u8 {
    let whole = until.duration_since(since).as_millis();
    let done = now.duration_since(since).as_millis();
    if whole <= 0 {
        return 100;
    }
    u8::try_from((done * 100 / whole).clamp(0, 100)).unwrap_or(100)
}
