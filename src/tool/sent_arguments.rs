//! Reads `arguments` from the different forms of clients.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::JsonObject;

/// The `arguments` of a call as clients send them: an object, or `null`, an empty array, an empty text or an
/// object as JSON in a text.
#[derive(Debug, Default)]
pub struct SentArguments(pub JsonObject);

impl SentArguments {
    /// Reads them. None: the value does not represent an object.
    #[must_use]
    pub fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self(object)),
            Value::Null => Some(Self::default()),
            Value::String(text) if text.is_empty() => Some(Self::default()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                object_in(&value).map(Self)
            }
        }
    }
}

impl<'de> Deserialize<'de> for SentArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent = Self::from_value(Value::deserialize(deserializer)?);
        sent.ok_or_else(|| serde::de::Error::custom("`arguments` must be an object"))
    }
}

pub(super) fn json_in_text(value: &Value) -> Option<Value> {
    serde_json::from_str(value.as_str()?).ok()
}

/// The object that another form represents: JSON in a text, or an empty array, which languages without an
/// object type write for an empty object.
pub(super) fn object_in(value: &Value) -> Option<JsonObject> {
    let is_empty_list = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    if is_empty_list(value) {
        return Some(JsonObject::new());
    }
    match json_in_text(value)? {
        Value::Object(inside) => Some(inside),
        // One level only: JSON inside a text that is inside a text stays a text.
        inside @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => is_empty_list(&inside).then(JsonObject::new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sent_arguments_accept_empty_forms_and_json_strings() {
        for empty in [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!("{}"),
            json!("[]"),
        ] {
            assert_eq!(
                SentArguments::from_value(empty).unwrap().0,
                JsonObject::new()
            );
        }
        let sent = SentArguments::from_value(json!("{\"a\":1}")).unwrap().0;
        assert_eq!(Value::Object(sent), json!({ "a": 1 }));
        for other in [json!(3), json!(true), json!([1]), json!("x"), json!("3")] {
            assert!(
                SentArguments::from_value(other.clone()).is_none(),
                "{other}"
            );
        }
    }
}
