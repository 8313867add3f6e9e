//! Answers as the bytes that are sent.

use bytes::Bytes;
use data_encoding::BASE64;
use rmcp::ErrorData;
use rmcp::model::RequestId;
use serde::Serialize;

use crate::mcp::error_data::request_cancelled;
use crate::tool::invocation::FinishedCall;

/// Room for what is around the parts of an answer.
const FRAME_BYTES: usize = 256;

/// One JSON-RPC message: the answer to a request.
#[derive(Clone, Debug)]
pub struct AnswerBytes(pub Bytes);

impl AnswerBytes {
    /// A result that is JSON already.
    pub(super) fn of_result(id: &RequestId, result: &[u8]) -> Self {
        let mut out = begin_message(id, result.len());
        out.extend_from_slice(b",\"result\":");
        out.extend_from_slice(result);
        end_message(out)
    }

    /// A result of rmcp's types.
    pub(super) fn of_value(id: &RequestId, result: &impl Serialize) -> Self {
        match serde_json::to_vec(result) {
            Ok(result) => Self::of_result(id, &result),
            Err(error) => Self::of_error(id, &ErrorData::internal_error(error.to_string(), None)),
        }
    }

    /// The result of a call: the reply form as structured content and as text, and its pictures. `meta` is JSON.
    pub(super) fn of_reply(id: &RequestId, finished: &FinishedCall, meta: Option<&[u8]>) -> Self {
        let reply = match serde_json::to_string(&finished.body) {
            Ok(reply) => reply,
            Err(error) => {
                return Self::of_error(id, &ErrorData::internal_error(error.to_string(), None));
            }
        };
        let pictures: usize = finished.pictures.iter().map(|one| one.bytes.len()).sum();
        // The text escapes each quotation mark, and base64 takes four bytes for three.
        let mut out = begin_message(id, reply.len() * 5 / 2 + pictures * 3 / 2);
        out.extend_from_slice(b",\"result\":{");
        if let Some(meta) = meta {
            // Only revision 2026-07-28 has these two members.
            out.extend_from_slice(b"\"resultType\":\"complete\",\"_meta\":");
            out.extend_from_slice(meta);
            out.push(b',');
        }
        out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
        // MCP asks for the structured content as text, too: older clients and some models read only the text.
        write_json(&mut out, &reply);
        out.push(b'}');
        for picture in &finished.pictures {
            out.extend_from_slice(b",{\"type\":\"image\",\"data\":\"");
            out.extend_from_slice(BASE64.encode(&picture.bytes).as_bytes());
            out.extend_from_slice(b"\",\"mimeType\":");
            write_json(&mut out, &picture.media_type);
            out.push(b'}');
        }
        out.extend_from_slice(b"],\"structuredContent\":");
        out.extend_from_slice(reply.as_bytes());
        // A failed tool is a result and no protocol error, so that the model sees it and can react.
        out.extend_from_slice(b",\"isError\":");
        write_json(&mut out, &finished.error.is_some());
        out.push(b'}');
        end_message(out)
    }

    pub(super) fn of_error(id: &RequestId, error: &ErrorData) -> Self {
        let mut out = begin_message(id, FRAME_BYTES);
        out.extend_from_slice(b",\"error\":");
        write_json(&mut out, error);
        end_message(out)
    }

    pub(super) fn of_cancelled(id: &RequestId) -> Self {
        Self::of_error(id, &request_cancelled())
    }
}

fn begin_message(id: &RequestId, room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(room + FRAME_BYTES);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    write_json(&mut out, id);
    out
}

fn end_message(mut out: Vec<u8>) -> AnswerBytes {
    out.push(b'}');
    AnswerBytes(out.into())
}

/// Writes a value that has no part which cannot be written: numbers, texts, and trees of them.
fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    if let Err(error) = serde_json::to_writer(out, value) {
        tracing::error!(%error, "a part of an answer cannot be written as JSON");
    }
}
