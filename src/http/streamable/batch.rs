//! JSON-RPC batches, which only revision 2025-03-26 allows.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::StatusCode;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{JsonRpcMessage, ServerJsonRpcMessage};
use serde_json::Value;

use super::{PROTOCOL_VERSION, SESSION_ID, caller_of, legacy};
use crate::http::Mcp;
use crate::http::limits::{Account, Refusal};
use crate::http::problem::RpcError;
use crate::mcp::sessions::exchange;

/// The only revision with batches.
const REVISION: &str = "2025-03-26";
/// The most messages of one batch.
const MESSAGES_MAX: usize = 64;

pub(super) async fn post<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    parts: Parts,
    body: &[u8],
) -> Result<Response, RpcError> {
    let version = parts
        .headers
        .get(PROTOCOL_VERSION)
        .and_then(|version| version.to_str().ok());
    if version.is_some_and(|version| version != REVISION) {
        return Err(RpcError::invalid_request(
            "only revision 2025-03-26 has batches: send one message",
        ));
    }
    let entries: Vec<Value> = serde_json::from_slice(body).map_err(RpcError::parse_error)?;
    if entries.is_empty() || entries.len() > MESSAGES_MAX {
        return Err(RpcError::invalid_request(format!(
            "a batch has 1 to {MESSAGES_MAX} messages"
        )));
    }
    if let Some(account) = parts.extensions.get::<Arc<Account>>() {
        account.batch(entries.len()).map_err(Refusal::to_rpc)?;
    }
    let session = match parts.headers.get(SESSION_ID) {
        None => None,
        Some(_) => {
            let id = legacy::session_id(&parts.headers)?;
            let session = mcp.sessions.get(id, caller_of(&parts.extensions)?);
            Some(session.ok_or_else(RpcError::session_not_found)?)
        }
    };
    let answers = join_all(entries.iter().map(|entry| async {
        match read(entry) {
            // `initialize` must not be part of a batch.
            Ok(JsonRpcMessage::Request(_))
                if entry.get("method").is_some_and(|m| m == "initialize") =>
            {
                Some(Entry::Refused(RpcError::invalid_request(
                    "initialize must not be in a batch",
                )))
            }
            Ok(JsonRpcMessage::Request(request)) => Some(Entry::Answered(
                legacy::alone(mcp, parts.clone(), request).await,
            )),
            Ok(other) => {
                if let Some(session) = &session {
                    exchange::accept(session, other);
                }
                None
            }
            Err(error) => Some(Entry::Refused(error)),
        }
    }))
    .await;
    let answers: Vec<Value> = answers
        .into_iter()
        .flatten()
        .filter_map(Entry::into_json)
        .collect();
    if answers.is_empty() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    Ok(Json(answers).into_response())
}

enum Entry {
    Answered(Box<ServerJsonRpcMessage>),
    Refused(RpcError),
}

impl Entry {
    fn into_json(self) -> Option<Value> {
        match self {
            Self::Answered(answer) => serde_json::to_value(answer).ok(),
            Self::Refused(error) => Some(error.to_json()),
        }
    }
}

fn read(entry: &Value) -> Result<rmcp::model::ClientJsonRpcMessage, RpcError> {
    legacy::parse(entry.to_string().as_bytes())
}
