//! The revisions with a handshake, served from our sessions, and bare JSON-RPC without a session.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use futures::stream::StreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, ErrorCode, GetExtensions,
    Implementation, InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, ProtocolVersion,
    ServerJsonRpcMessage, ServerResult,
};

use super::answer::{answer_object, json_object, respond_to_call, respond_to_direct};
use super::{PROTOCOL_VERSION, SESSION_ID, accepts_event_stream};
use crate::caller::Caller;
use crate::http::problem::HttpProblem;
use crate::http::rpc_error::RpcError;
use crate::http::sse;
use crate::http::state::HttpState;
use crate::mcp::direct::{DirectClient, DirectOutcome, DirectRequest};
use crate::mcp::dispatch::{DuplicateId, NoStreaming, StartedCall};
use crate::mcp::envelope::ClientMessage;
use crate::mcp::sessions::{McpSession, TooManySessions};

pub(super) async fn post_legacy(
    state: &HttpState,
    caller: &Caller,
    parts: Parts,
    message: ClientMessage,
) -> Result<Response, RpcError> {
    let has_session = parts.headers.contains_key(SESSION_ID);
    if message.method.as_deref() == Some("initialize") {
        return match read_message(message)? {
            JsonRpcMessage::Request(request) => {
                open_new_session(state, caller, parts, request).await
            }
            JsonRpcMessage::Response(_)
            | JsonRpcMessage::Notification(_)
            | JsonRpcMessage::Error(_) => Err(RpcError::invalid_request(
                "invalid_message",
                "initialize is a request: it needs an id",
            )),
        };
    }
    if has_session {
        check_version(&parts.headers)?;
        let session = session_of(state, caller, &parts.headers)?;
        return answer_in_session(state, caller, &session, parts, read_message(message)?).await;
    }
    // A client names the revision of its handshake here, so it has lost its session and must initialize
    // again. Bare JSON-RPC has no such header.
    if parts.headers.contains_key(PROTOCOL_VERSION) {
        return Err(session_missing());
    }
    match read_message(message)? {
        JsonRpcMessage::Request(request) => {
            Ok(answer_sessionless(state, caller, parts, request).await)
        }
        JsonRpcMessage::Notification(_) => Ok(StatusCode::ACCEPTED.into_response()),
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => Err(RpcError::invalid_request(
            "answer_unexpected",
            "there is no session: no call waits for this answer",
        )),
    }
}

/// Bare JSON-RPC: nothing but the answer.
async fn answer_sessionless(
    state: &HttpState,
    caller: &Caller,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> Response {
    let direct = DirectRequest {
        request,
        caller: caller.clone(),
        origin: parts.extensions.get().cloned(),
        client: DirectClient::Bare,
    };
    match state.mcp.answer_directly(direct) {
        Ok(DirectOutcome::Answered(answer)) => answer_object(answer),
        Ok(DirectOutcome::Running(call)) => respond_to_direct(call, false).await,
        Ok(DirectOutcome::NeedsService(request)) => {
            let call = call_sessionless(state, parts, *request);
            let answer = call.wait_for_answer().await;
            json_object(&answer)
        }
        // Only sessions compare ids.
        Err(DuplicateId) => RpcError::from(HttpProblem::internal_error()).into_response(),
    }
}

/// `GET` with a session: the stream for what belongs to no request.
pub(super) fn open_session_stream(
    state: &HttpState,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Response, RpcError> {
    check_version(headers)?;
    let session = session_of(state, caller, headers)?;
    let held = session.hold_stream();
    let ended = session.ended.clone();
    let notices = state.mcp.notices_of(&session, caller);
    let events = notices
        .take_until(ended.cancelled_owned())
        .map(move |message| {
            let _while_open = &held;
            sse::message_event(&message)
        });
    Ok(sse::event_stream_response(events))
}

pub(super) fn session_id(headers: &HeaderMap) -> Result<&str, RpcError> {
    let id = headers.get(SESSION_ID).and_then(|id| id.to_str().ok());
    id.ok_or_else(session_missing)
}

fn session_missing() -> RpcError {
    RpcError::invalid_request(
        "session_missing",
        "the Mcp-Session-Id header is missing: initialize first",
    )
}

pub(super) fn session_of(
    state: &HttpState,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Arc<McpSession>, RpcError> {
    let session = state
        .mcp
        .mcp_sessions()
        .find_session(session_id(headers)?, caller);
    session.ok_or_else(RpcError::session_not_found)
}

/// The header is optional before 2025-06-18; an unknown version is refused.
fn check_version(headers: &HeaderMap) -> Result<(), RpcError> {
    let Some(version) = headers.get(PROTOCOL_VERSION) else {
        return Ok(());
    };
    let version = version.to_str().unwrap_or_default();
    if ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .any(|known| known.as_str() == version)
    {
        return Ok(());
    }
    let version: String = version.chars().take(32).collect();
    Err(RpcError::invalid_request(
        "protocol_version_unknown",
        format!("the MCP-Protocol-Version `{version}` is not supported"),
    ))
}

/// The message of an envelope, in the types of the protocol.
///
/// # Errors
/// It is none of MCP.
pub(in crate::http) fn read_message(
    message: ClientMessage,
) -> Result<ClientJsonRpcMessage, RpcError> {
    let id = message.id.clone();
    message.into_inner().ok_or_else(|| {
        let detail = "the body is not a JSON-RPC message of MCP";
        RpcError::invalid_request("invalid_message", detail).answering(id)
    })
}

async fn open_new_session(
    state: &HttpState,
    caller: &Caller,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> Result<Response, RpcError> {
    let id = Some(request.id.clone());
    let ClientRequest::InitializeRequest(initialize) = &request.request else {
        let error = RpcError::invalid_request("invalid_params", "initialize: bad parameters");
        return Err(error.with_rpc_code(ErrorCode::INVALID_PARAMS).answering(id));
    };
    let mut client = initialize.params.clone();
    // `_meta` is about this one request. The session keeps what holds for all of them.
    client.meta = None;
    let call = start_sessionless(state, client.clone(), parts, request);
    let answer = call.wait_for_answer().await;
    let JsonRpcMessage::Response(response) = &*answer else {
        // A refused handshake opens no session.
        return Ok(json_object(&answer));
    };
    if let ServerResult::InitializeResult(result) = &response.result {
        // The negotiated revision, which may be another one than the client asked for.
        client.protocol_version = result.protocol_version.clone();
    }
    let session = state.mcp.mcp_sessions().open_session(caller, client);
    let session =
        session.map_err(|error| RpcError::from(HttpProblem::from(error)).answering(id))?;
    let mut response = json_object(&answer);
    if let Ok(value) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION_ID, value);
    }
    Ok(response)
}

impl From<TooManySessions> for HttpProblem {
    fn from(error: TooManySessions) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, "too_many_sessions", error.to_string())
    }
}

async fn answer_in_session(
    state: &HttpState,
    caller: &Caller,
    session: &Arc<McpSession>,
    parts: Parts,
    message: ClientJsonRpcMessage,
) -> Result<Response, RpcError> {
    let JsonRpcMessage::Request(request) = message else {
        state.mcp.accept_message(session, message);
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let takes_streams = accepts_event_stream(&parts.headers);
    let id = request.id.clone();
    let duplicate = |error: DuplicateId| {
        RpcError::invalid_request("duplicate_id", error.to_string()).answering(Some(id.clone()))
    };
    let direct = DirectRequest {
        request,
        caller: caller.clone(),
        origin: parts.extensions.get().cloned(),
        client: DirectClient::Session {
            session: session.clone(),
            reads_stream: takes_streams,
        },
    };
    let mut request = match state.mcp.answer_directly(direct).map_err(duplicate)? {
        DirectOutcome::Answered(answer) => return Ok(answer_object(answer)),
        DirectOutcome::Running(call) => return Ok(respond_to_direct(call, takes_streams).await),
        DirectOutcome::NeedsService(request) => *request,
    };
    request.request.extensions_mut().insert(parts);
    // This client reads one JSON object, so a question before the answer would never reach it.
    if !takes_streams {
        request.request.extensions_mut().insert(NoStreaming);
    }
    let call = state.mcp.call_in_session(session, request);
    let call = call.map_err(duplicate)?;
    // In these revisions an error of JSON-RPC is an ordinary answer to the HTTP request.
    let status = |_: &ServerJsonRpcMessage| StatusCode::OK;
    Ok(respond_to_call(call, takes_streams, status).await)
}

/// Starts to answer a request that belongs to no session.
pub(super) fn call_sessionless(
    state: &HttpState,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> StartedCall {
    // Bare JSON-RPC names no revision. It gets the newest one that has no required members in each request.
    let client = InitializeRequestParams::new(
        ClientCapabilities::default(),
        Implementation::new("unknown", ""),
    )
    .with_protocol_version(ProtocolVersion::V_2025_11_25);
    start_sessionless(state, client, parts, request)
}

fn start_sessionless(
    state: &HttpState,
    client: InitializeRequestParams,
    parts: Parts,
    mut request: JsonRpcRequest<ClientRequest>,
) -> StartedCall {
    request.request.extensions_mut().insert(parts);
    state.mcp.call_sessionless(client, request)
}
