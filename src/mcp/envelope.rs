//! A POST body, read once: what it is, what decides where it goes, and the message itself.
//!
//! A complete `tools/call`, which nearly every body is, is read in one pass. Of other messages only the parts
//! that decide the way are read first, and rmcp's types where this server answers itself.

mod head;

use std::fmt;

use bytes::Bytes;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, GetMeta, JsonRpcMessage, JsonRpcRequest, RequestId,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::message;
use head::{Head, REVISION};

/// The first revision without sessions and handshake.
pub const FIRST_MODERN_REVISION: &str = "2026-07-28";
/// How many messages one batch may have. More are not even read.
pub const BATCH_MESSAGES_MAX: usize = 64;

const TOOLS_CALL: &str = "tools/call";
const TOOLS_LIST: &str = "tools/list";
const INITIALIZE: &str = "initialize";

/// A body: one message, or a batch.
#[derive(Debug)]
pub enum Envelope {
    /// One message.
    Message(Box<ClientMessage>),
    /// A JSON-RPC batch (revision 2025-03-26), as many messages as there may be.
    Batch(Vec<Result<ClientMessage, UnreadableBody>>),
}

/// Why a body holds no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnreadableBody {
    /// It is not JSON.
    Malformed(String),
    /// It is JSON, but no JSON-RPC message.
    Invalid(&'static str),
    /// It is a batch of no messages, or of too many.
    BatchSize,
}

/// A message: the parts that decide where it goes, its text, and itself as far as it was read.
#[derive(Debug)]
pub struct ClientMessage {
    /// The method, for requests and notifications.
    pub method: Option<String>,
    /// Its id, if it is a good one.
    pub id: Option<RequestId>,
    /// The tool that it calls.
    pub tool: Option<String>,
    /// Whether `_meta` names a revision, as requests since 2026-07-28 do.
    pub has_revision: bool,
    /// Its text, with params that stand for an object as one.
    pub bytes: Bytes,
    read: Option<ClientJsonRpcMessage>,
}

impl Envelope {
    /// Reads a body.
    ///
    /// # Errors
    /// It holds no message.
    pub fn read_body(bytes: Bytes) -> Result<Self, UnreadableBody> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return read_batch(&bytes).map(Self::Batch);
        }
        Ok(Self::Message(Box::new(ClientMessage::read_body(bytes)?)))
    }

    /// The tools that are called.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Message(message) => (Some(&**message), &[][..]),
            Self::Batch(messages) => (None, &messages[..]),
        };
        let messages = one.into_iter().chain(many.iter().flatten());
        messages.filter_map(|message| message.tool.as_deref())
    }
}

impl ClientMessage {
    /// Reads one message.
    ///
    /// # Errors
    /// It is none.
    pub fn read_body(bytes: Bytes) -> Result<Self, UnreadableBody> {
        if let Some(call) = message::parse_call(&bytes) {
            return Ok(Self::of_call(call, bytes));
        }
        if let Some(list) = message::parse_list(&bytes) {
            return Ok(Self::of_list(list, bytes));
        }
        let mut message = Self::read_head(&bytes)?;
        // A complete `initialize` is a handshake whatever `_meta` says, so it has to be known whether it is.
        if !message.has_revision || message.method.as_deref() == Some(INITIALIZE) {
            message.read = message::parse_message(&bytes).ok();
            // A header may still send it to rmcp's transport, which refuses it by its text.
            message.bytes = bytes;
        } else {
            // rmcp's transport reads it.
            message.bytes = message::mended_body(&bytes).map_or(bytes, Bytes::from);
        }
        Ok(message)
    }

    fn of_list(list: JsonRpcRequest<ClientRequest>, bytes: Bytes) -> Self {
        Self {
            method: Some(TOOLS_LIST.to_owned()),
            tool: None,
            ..Self::of_call(list, bytes)
        }
    }

    fn of_call(call: JsonRpcRequest<ClientRequest>, bytes: Bytes) -> Self {
        let tool = if let ClientRequest::CallToolRequest(call) = &call.request {
            Some(call.params.name.to_string())
        } else {
            None
        };
        let revision = call.request.get_meta().0.0.get(REVISION);
        Self {
            method: Some(TOOLS_CALL.to_owned()),
            id: Some(call.id.clone()),
            tool,
            has_revision: revision.is_some_and(|revision| !revision.is_null()),
            bytes,
            read: Some(JsonRpcMessage::Request(call)),
        }
    }

    /// What decides where a message goes.
    fn read_head(bytes: &[u8]) -> Result<Self, UnreadableBody> {
        // serde would read a list as a struct too, member by member.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(unless_malformed(bytes, "the body must be a JSON object"));
        }
        let head: Head<'_> = match serde_json::from_slice(bytes) {
            Ok(head) => head,
            Err(error) if error.is_data() => {
                return Err(unless_malformed(
                    bytes,
                    "the body is not a JSON-RPC message",
                ));
            }
            Err(error) => return Err(UnreadableBody::Malformed(error.to_string())),
        };
        if head.jsonrpc.is_none_or(|version| version.0 != "2.0") {
            return Err(UnreadableBody::Invalid(
                "the member `jsonrpc` is not \"2.0\"",
            ));
        }
        let method = head.method.map(|method| method.0.into_owned());
        // `name` is also a member of `prompts/get`, which needs no scope of a tool.
        let calls = method.as_deref() == Some(TOOLS_CALL);
        // An id of a wrong type becomes none, and the error then has the id null (JSON-RPC 2.0, section 5).
        let id = head.id.and_then(|id| serde_json::from_str(id.get()).ok());
        Ok(Self {
            method,
            id,
            tool: head.params.name.filter(|_| calls),
            has_revision: head.params.has_revision,
            bytes: Bytes::new(),
            read: None,
        })
    }

    /// The request, if it is a complete `tools/call` or `tools/list`.
    #[must_use]
    pub fn frequent_request(&self) -> Option<&JsonRpcRequest<ClientRequest>> {
        let Some(JsonRpcMessage::Request(request)) = &self.read else {
            return None;
        };
        let is_frequent = matches!(
            request.request,
            ClientRequest::CallToolRequest(_) | ClientRequest::ListToolsRequest(_)
        );
        is_frequent.then_some(request)
    }

    /// Whether it is an `initialize` with everything that it needs.
    #[must_use]
    pub fn is_handshake(&self) -> bool {
        matches!(
            &self.read,
            Some(JsonRpcMessage::Request(JsonRpcRequest {
                request: ClientRequest::InitializeRequest(_),
                ..
            }))
        )
    }

    /// The message itself. None: it is none of MCP.
    ///
    /// A message that names a revision was not read so far, because rmcp's transport reads its text. On HTTP+SSE
    /// a client probes with one (`server/discover`), and no such transport stands behind it.
    #[must_use]
    pub fn into_inner(self) -> Option<ClientJsonRpcMessage> {
        let unread = || message::parse_message(&self.bytes).ok();
        self.read.or_else(unread)
    }
}

fn read_batch(bytes: &Bytes) -> Result<Vec<Result<ClientMessage, UnreadableBody>>, UnreadableBody> {
    let BatchEntries(entries) = serde_json::from_slice(bytes)
        .map_err(|error| UnreadableBody::Malformed(error.to_string()))?;
    if entries.is_empty() || entries.len() > BATCH_MESSAGES_MAX {
        return Err(UnreadableBody::BatchSize);
    }
    // The entries share the memory of the body; nothing is copied.
    let read = |entry: &RawValue| ClientMessage::read_body(bytes.slice_ref(entry.get().as_bytes()));
    Ok(entries.into_iter().map(read).collect())
}

/// The entries of a list as text, and not more than one beyond what a batch may have: a body of a million
/// empty entries would take many times its size.
struct BatchEntries<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for BatchEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = BatchEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= BATCH_MESSAGES_MAX {
                    match list.next_element()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(BatchEntries(entries)),
                    }
                }
                // serde_json refuses a list that is not read to its end, and the caller wants to report its
                // size.
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(BatchEntries(entries))
            }
        }

        list.deserialize_seq(EntriesVisitor)
    }
}

/// `why`, unless the body is not even JSON.
fn unless_malformed(body: &[u8], why: &'static str) -> UnreadableBody {
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => UnreadableBody::Invalid(why),
        Err(error) => UnreadableBody::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str) -> Result<Envelope, UnreadableBody> {
        Envelope::read_body(Bytes::from_static(body.as_bytes()))
    }

    fn message(body: &str) -> ClientMessage {
        match Envelope::read_body(Bytes::from(body.to_owned())) {
            Ok(Envelope::Message(message)) => *message,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn bodies_are_told_apart() {
        for body in ["{", "", "[1,", "nope", "\u{0}"] {
            assert!(
                matches!(read(body), Err(UnreadableBody::Malformed(_))),
                "{body}"
            );
        }
        for body in [
            "3",
            r#"{"method":"ping","id":1}"#,
            r#"{"jsonrpc":"2.0","method":1}"#,
        ] {
            assert!(
                matches!(read(body), Err(UnreadableBody::Invalid(_))),
                "{body}"
            );
        }
        assert!(matches!(read(" [] "), Err(UnreadableBody::BatchSize)));
        let long = format!("[{}1]", "1,".repeat(BATCH_MESSAGES_MAX));
        let long = Envelope::read_body(Bytes::from(long));
        assert!(matches!(long, Err(UnreadableBody::BatchSize)));
    }

    #[test]
    fn one_read_tells_all_that_decides() {
        let modern = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{
            "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );
        assert!(modern.has_revision && modern.tool.is_none());
        assert_eq!(modern.id, Some(RequestId::Number(1)));
        assert_eq!(modern.method.as_deref(), Some("tools/list"));
        let legacy = message(
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","_meta":{"progressToken":1}}}"#,
        );
        assert!(!legacy.has_revision && legacy.frequent_request().is_some());
        assert_eq!(legacy.tool.as_deref(), Some("x"));
        // Params that do not fit: the tool is known all the same.
        let incomplete = message(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x","arguments":3,"_meta":{
            "io.modelcontextprotocol/protocolVersion":7}}}"#,
        );
        assert!(incomplete.has_revision && incomplete.frequent_request().is_none());
        assert_eq!(incomplete.tool.as_deref(), Some("x"));
        let other =
            message(r#"{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"x"}}"#);
        assert_eq!(other.tool, None);
    }

    #[test]
    fn params_of_any_form_are_read() {
        for params in [
            "3",
            "-3",
            "2.5",
            "true",
            "\"x\"",
            "null",
            "[1,{}]",
            "{}",
            r#"{"name":5}"#,
            r#"{"_meta":[1]}"#,
            r#"{"_meta":null}"#,
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":null}}"#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}"#);
            assert!(!message(&body).has_revision, "{params}");
        }
    }

    #[test]
    fn entries_of_a_batch_are_read_each() {
        let Ok(Envelope::Batch(entries)) = read(
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}, 5,
                {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b"}}]"#,
        ) else {
            panic!("no batch")
        };
        assert!(matches!(entries[1], Err(UnreadableBody::Invalid(_))));
        let batch = Envelope::Batch(entries);
        assert_eq!(batch.tool_names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
