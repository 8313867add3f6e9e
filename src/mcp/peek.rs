//! A cheap look at a POST body: what it is, before it is parsed as a whole.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The first revision without sessions and handshake.
pub const FIRST_MODERN_REVISION: &str = "2026-07-28";

/// What a body holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Not JSON.
    Malformed(String),
    /// JSON, but no JSON-RPC message.
    Invalid(&'static str),
    /// A JSON-RPC batch (revision 2025-03-26).
    Batch,
    /// One message.
    Message(Message<'a>),
}

/// The parts of a message that decide where it goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The method, for requests and notifications.
    pub method: Option<Cow<'a, str>>,
    /// Whether it has an id.
    pub has_id: bool,
    /// Whether `_meta` names a protocol version, as modern requests do.
    pub has_revision: bool,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    id: Option<IgnoredAny>,
    params: Option<Params>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Params {
    Named {
        #[serde(rename = "_meta")]
        meta: Option<Meta>,
    },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Meta {
    Named {
        #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
        revision: Option<IgnoredAny>,
    },
    Other(IgnoredAny),
}

/// Looks at a body.
#[must_use]
pub fn peek(body: &[u8]) -> Body<'_> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'[') => return whole(body, Body::Batch),
        Some(b'{') => {}
        _ => return whole(body, Body::Invalid("the body is no JSON object")),
    }
    let raw: Raw<'_> = match serde_json::from_slice(body) {
        Ok(raw) => raw,
        Err(error) if error.is_data() => {
            return whole(body, Body::Invalid("the body is no JSON-RPC message"));
        }
        Err(error) => return Body::Malformed(error.to_string()),
    };
    if raw.jsonrpc.as_deref() != Some("2.0") {
        return Body::Invalid("the member `jsonrpc` is not \"2.0\"");
    }
    let has_revision = match raw.params {
        Some(Params::Named {
            meta: Some(Meta::Named { revision }),
        }) => revision.is_some(),
        Some(Params::Named { .. } | Params::Other(_)) | None => false,
    };
    Body::Message(Message {
        method: raw.method,
        has_id: raw.id.is_some(),
        has_revision,
    })
}

/// `otherwise`, unless the body is not even JSON.
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
}
