//! JSON-RPC batches, which only revision 2025-03-26 allows.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::StatusCode;
use http::request::Parts;
use rmcp::model::{JsonRpcMessage, ServerJsonRpcMessage};
use serde_json::Value;

use super::{PROTOCOL_VERSION, SESSION_ID, legacy};
use crate::caller::Caller;
use crate::http::limits::CallerState;
use crate::http::problem::HttpProblem;
use crate::http::rpc_error::RpcError;
use crate::http::state::HttpState;
use crate::mcp::envelope::{ClientMessage, UnreadableBody};

/// The only revision with batches.
const REVISION: &str = "2025-03-26";

pub(super) async fn post_batch(
    state: &HttpState,
    caller: &Caller,
    parts: Parts,
    messages: Vec<Result<ClientMessage, UnreadableBody>>,
) -> Result<Response, RpcError> {
    let version = parts
        .headers
        .get(PROTOCOL_VERSION)
        .and_then(|version| version.to_str().ok());
    if version.is_some_and(|version| version != REVISION) {
        return Err(RpcError::invalid_request(
            "batch_not_supported",
            "batches exist in revision 2025-03-26 only: send one message",
        ));
    }
    // The HTTP request was counted as one. The other messages must not be free.
    if let Some(caller_state) = parts.extensions.get::<Arc<CallerState>>() {
        caller_state
            .count_batch(messages.len())
            .map_err(HttpProblem::from)?;
    }
    let session = match parts.headers.get(SESSION_ID) {
        None => None,
        Some(_) => Some(legacy::session_of(state, caller, &parts.headers)?),
    };
    let parts = &parts;
    // All at once. The registry limits the calls of a caller, so a batch gains nothing over single messages.
    let answers = join_all(messages.into_iter().map(|message| async {
        match read_entry(message) {
            Ok(JsonRpcMessage::Request(request)) => {
                // Outside the session: the answers form one array, so a call cannot ask the client in
                // between.
                let answer = legacy::call_sessionless(state, parts.clone(), request);
                Some(BatchEntry::Answered(answer.wait_for_answer().await))
            }
            Ok(other) => {
                if let Some(session) = &session {
                    state.mcp.accept_message(session, other);
                }
                None
            }
            Err(error) => Some(BatchEntry::Refused(error)),
        }
    }))
    .await;
    let answers = answers.into_iter().flatten();
    let answers: Vec<Value> = answers.filter_map(BatchEntry::into_json).collect();
    // A batch of notifications has no answer, and JSON-RPC 2.0, section 6, forbids an empty array.
    if answers.is_empty() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Ok(Json(answers).into_response())
}

fn read_entry(
    message: Result<ClientMessage, UnreadableBody>,
) -> Result<rmcp::model::ClientJsonRpcMessage, RpcError> {
    let message = message?;
    if message.method.as_deref() == Some("initialize") {
        return Err(RpcError::invalid_request(
            "initialize_in_batch",
            "initialize must not be in a batch",
        ));
    }
    legacy::read_message(message)
}

enum BatchEntry {
    Answered(Box<ServerJsonRpcMessage>),
    Refused(RpcError),
}

impl BatchEntry {
    fn into_json(self) -> Option<Value> {
        match self {
            Self::Answered(answer) => serde_json::to_value(answer).ok(),
            Self::Refused(error) => Some(error.to_json()),
        }
    }
}
