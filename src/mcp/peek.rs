//! Classifies a POST body before it is fully parsed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The first revision without sessions and handshake.
pub const FIRST_MODERN_REVISION: &str = "2026-07-28";

/// The kind of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Not JSON.
    Malformed(String),
    /// JSON, but not a JSON-RPC message.
    Invalid(&'static str),
    /// A JSON-RPC batch (revision 2025-03-26).
    Batch,
    /// One message.
    Message(Message<'a>),
}

/// The members of a message that decide how it is handled.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The method, if it is a request or a notification.
    pub method: Option<Cow<'a, str>>,
    /// Whether the message has an id.
    pub has_id: bool,
    /// Whether `_meta` names a protocol version, as requests of 2026-07-28 do.
    pub has_revision: bool,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    id: Option<IgnoredAny>,
    #[serde(default, rename = "params", deserialize_with = "names_revision")]
    has_revision: bool,
}

/// Borrowed unless it has escapes; plain `Option<Cow<str>>` would always be copied.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn names_revision<'de, D: Deserializer<'de>>(params: D) -> Result<bool, D::Error> {
    Reach(&["_meta", "io.modelcontextprotocol/protocolVersion"]).deserialize(params)
}

/// Whether these nested members lead to a value that is not null.
struct Reach(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Reach {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<bool, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reach {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<bool, A::Error> {
        let mut reached = self.0.is_empty();
        while let Some(Text(key)) = object.next_key()? {
            match self.0 {
                [first, rest @ ..] if *first == key => {
                    reached = object.next_value_seed(Self(rest))?;
                }
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(reached)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.0.is_empty())
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(self.0.is_empty())
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(self.0.is_empty())
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(self.0.is_empty())
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(self.0.is_empty())
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(self.0.is_empty())
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// Classifies a body.
#[must_use]
pub fn peek(body: &[u8]) -> Body<'_> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'[') => return whole(body, Body::Batch),
        Some(b'{') => {}
        _ => {
            return whole(
                body,
                Body::Invalid("the request body must be a JSON object"),
            );
        }
    }
    let raw: Raw<'_> = match serde_json::from_slice(body) {
        Ok(raw) => raw,
        Err(error) if error.is_data() => {
            return whole(body, Body::Invalid("the body must be a JSON-RPC message"));
        }
        Err(error) => return Body::Malformed(error.to_string()),
    };
    if raw.jsonrpc.is_none_or(|version| version.0 != "2.0") {
        return Body::Invalid("the member `jsonrpc` must be \"2.0\"");
    }
    Body::Message(Message {
        method: raw.method.map(|method| method.0),
        has_id: raw.id.is_some(),
        has_revision: raw.has_revision,
    })
}

/// Returns `otherwise`, or the JSON error if the body is not JSON.
fn whole<'a>(body: &[u8], otherwise: Body<'a>) -> Body<'a> {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => otherwise,
        Err(error) => Body::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_apart() {
        assert!(matches!(peek(b"{"), Body::Malformed(_)));
        assert!(matches!(peek(b""), Body::Malformed(_)));
        assert!(matches!(peek(b"[1,"), Body::Malformed(_)));
        assert!(matches!(peek(b"nope"), Body::Malformed(_)));
        assert_eq!(peek(b" [] "), Body::Batch);
        assert!(matches!(peek(b"3"), Body::Invalid(_)));
        assert!(matches!(
            peek(br#"{"method":"ping","id":1}"#),
            Body::Invalid(_)
        ));
        assert!(matches!(
            peek(br#"{"jsonrpc":"2.0","method":1}"#),
            Body::Invalid(_)
        ));
    }

    #[test]
    fn a_modern_request_names_its_revision() {
        let modern = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let Body::Message(message) = peek(modern) else {
            panic!("no message")
        };
        assert!(message.has_revision && message.has_id);
        assert_eq!(message.method.as_deref(), Some("tools/list"));
        let legacy = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":1}}}"#;
        let Body::Message(message) = peek(legacy) else {
            panic!("no message")
        };
        assert!(!message.has_revision);
    }

    #[test]
    fn params_of_any_form_are_looked_at() {
        for params in [
            "3",
            "-3",
            "2.5",
            "true",
            "\"x\"",
            "null",
            "[1,{}]",
            "{}",
            r#"{"_meta":[1]}"#,
            r#"{"_meta":null}"#,
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":null}}"#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
            let Body::Message(message) = peek(body.as_bytes()) else {
                panic!("{params}")
            };
            assert!(!message.has_revision, "{params}");
        }
    }
}
