//! Lenient reading of Kasm's JSON: any field may be missing, of a neighbouring type, or the
//! string `"None"`. Nothing here fails; what cannot be read is absent.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A text that says something: not empty, not `"None"`.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(s) if !s.is_empty() && s != "None" => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

pub(super) fn number(value: &Value, key: &str) -> Option<f64> {
    match value.get(key)? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn integer(value: &Value, key: &str) -> Option<u64> {
    number(value, key).filter(|n| *n >= 0.0).map(|n| n as u64)
}

pub(super) fn boolean(value: &Value, key: &str) -> Option<bool> {
    match value.get(key)? {
        Value::Bool(b) => Some(*b),
        Value::String(s) => s.to_ascii_lowercase().parse().ok(),
        Value::Number(n) => n.as_f64().map(|n| n != 0.0),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn id<I: FromStr>(value: &Value, key: &str) -> Option<I> {
    value.get(key)?.as_str()?.parse().ok()
}

/// A point in time. Kasm writes UTC without a zone, with a space; some answers are ISO with `Z`.
pub(super) fn date(value: &Value, key: &str) -> Option<Timestamp> {
    let text = value.get(key)?.as_str()?;
    if text.ends_with('Z') || text.contains('+') {
        return text.parse().ok();
    }
    let local: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_in_every_form_on_record() {
        let v = json!({
            "plain": "2026-09-10 12:52:49.000000", "iso": "2026-09-10T12:52:49Z",
            "none": "None", "null": null, "odd": "soon", "short": "2026-09-10 12:52:49",
        });
        let expected: Timestamp = "2026-09-10T12:52:49Z".parse().unwrap();
        for key in ["plain", "iso", "short"] {
            assert_eq!(date(&v, key), Some(expected), "{key}");
        }
        for key in ["none", "null", "odd", "absent"] {
            assert_eq!(date(&v, key), None, "{key}");
        }
    }

    #[test]
    fn neighbouring_types_are_read() {
        let v = json!({"s": "2.5", "b": "True", "n": 3, "neg": -1});
        assert_eq!(number(&v, "s"), Some(2.5));
        assert_eq!(boolean(&v, "b"), Some(true));
        assert_eq!(integer(&v, "n"), Some(3));
        assert_eq!(integer(&v, "neg"), None);
        assert_eq!(text(&v, "n").as_deref(), Some("3"));
    }
}
