//! The revisions with a handshake, served from our sessions, and bare JSON-RPC without a session.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use rmcp::ServerHandler;
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, ErrorCode, GetExtensions,
    Implementation, InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, ProtocolVersion,
    RequestId, ServerJsonRpcMessage, ServerResult,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{PROTOCOL_VERSION, SESSION_ID, accepts, caller_of};
use crate::http::problem::RpcError;
use crate::http::{Mcp, sse};
use crate::mcp::message;
use crate::mcp::peek::Message;
use crate::mcp::sessions::exchange::{self, AnswerOnly, DuplicateId};
use crate::mcp::sessions::{OUTBOX_MESSAGES, Session};

/// An answer that takes longer becomes an event stream, whose comments keep proxies and clients from timing
/// out.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// The initial buffer, enough for most answers.
const ANSWER_BYTES: usize = 2_048;
/// LSP's code for a request that its client cancelled.
const REQUEST_CANCELLED: ErrorCode = ErrorCode(-32800);

pub(super) async fn post<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    parts: Parts,
    message: &Message<'_>,
    body: &[u8],
) -> Result<Response, RpcError> {
    let has_session = parts.headers.contains_key(SESSION_ID);
    if message.method.as_deref() == Some("initialize") {
        return match parse(body)? {
            JsonRpcMessage::Request(request) => initialize(mcp, parts, request).await,
            JsonRpcMessage::Response(_)
            | JsonRpcMessage::Notification(_)
            | JsonRpcMessage::Error(_) => Err(RpcError::invalid_request(
                "initialize must be a request: it needs an id",
            )),
        };
    }
    if has_session {
        check_version(&parts.headers)?;
        let session = session_of(mcp, &parts)?;
        return in_session(mcp, &session, parts, parse(body)?).await;
    }
    // Clients name the revision of their handshake.
    if parts.headers.contains_key(PROTOCOL_VERSION) {
        return Err(RpcError::invalid_request(
            "the Mcp-Session-Id header is missing: send initialize first",
        ));
    }
    match parse(body)? {
        JsonRpcMessage::Request(request) => Ok(json(&*alone(mcp, parts, request).await)),
        JsonRpcMessage::Notification(_) => Ok(StatusCode::ACCEPTED.into_response()),
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => Err(RpcError::invalid_request(
            "this answer needs a session: no request is waiting for it",
        )),
    }
}

/// `GET` with a session: its notification stream.
pub(super) fn get<H: ServerHandler>(mcp: &Mcp<H>, request: &Request) -> Result<Response, RpcError> {
    check_version(request.headers())?;
    let id = session_id(request.headers())?;
    let caller = caller_of(request.extensions())?;
    let session = mcp
        .sessions
        .get(id, caller)
        .ok_or_else(RpcError::session_not_found)?;
    let held = session.hold_stream();
    let ended = session.ended.clone();
    let notices = mcp.notices_of(&session, caller);
    let events = notices
        .take_until(ended.cancelled_owned())
        .map(move |event| {
            let _while_open = &held;
            event
        });
    Ok(sse::respond(events))
}

pub(super) fn session_id(headers: &HeaderMap) -> Result<&str, RpcError> {
    let id = headers.get(SESSION_ID).and_then(|id| id.to_str().ok());
    id.ok_or_else(|| {
        RpcError::invalid_request("the Mcp-Session-Id header is missing: send initialize first")
    })
}

fn session_of<H: ServerHandler>(mcp: &Mcp<H>, parts: &Parts) -> Result<Arc<Session>, RpcError> {
    let session = mcp
        .sessions
        .get(session_id(&parts.headers)?, caller_of(&parts.extensions)?);
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
    Err(RpcError::invalid_request(format!(
        "the MCP-Protocol-Version `{version}` is not supported"
    )))
}

pub(in crate::http) fn parse(body: &[u8]) -> Result<ClientJsonRpcMessage, RpcError> {
    message::parse(body).map_err(|_| RpcError::invalid_request("the body must be an MCP message"))
}

/// Whether the body is a complete `initialize` request.
pub(super) fn is_handshake(body: &[u8]) -> bool {
    matches!(
        parse(body),
        Ok(JsonRpcMessage::Request(JsonRpcRequest {
            request: ClientRequest::InitializeRequest(_),
            ..
        }))
    )
}

async fn initialize<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> Result<Response, RpcError> {
    let id = request.id.clone();
    let ClientRequest::InitializeRequest(initialize) = &request.request else {
        let error = RpcError::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::INVALID_PARAMS,
            "initialize: invalid parameters",
        );
        return Err(error.answering(id));
    };
    let mut client = initialize.params.clone();
    client.meta = None;
    let caller = caller_of(&parts.extensions)?.clone();
    let answer = run_alone(mcp, client.clone(), parts, request).await;
    let JsonRpcMessage::Response(response) = &*answer else {
        return Ok(json(&answer));
    };
    if let ServerResult::InitializeResult(result) = &response.result {
        client.protocol_version = result.protocol_version.clone();
    }
    let session = mcp.sessions.open(&caller, client).map_err(|error| {
        RpcError::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::INVALID_REQUEST,
            error.to_string(),
        )
        .answering(id)
    })?;
    let mut response = json(&answer);
    if let Ok(value) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION_ID, value);
    }
    Ok(response)
}

async fn in_session<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    session: &Arc<Session>,
    parts: Parts,
    message: ClientJsonRpcMessage,
) -> Result<Response, RpcError> {
    let JsonRpcMessage::Request(mut request) = message else {
        exchange::accept(session, message);
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let streams = accepts(&parts.headers, "text/event-stream");
    let id = request.id.clone();
    request.request.extensions_mut().insert(parts);
    if !streams {
        request.request.extensions_mut().insert(AnswerOnly);
    }
    let (outbox, answers) = mpsc::channel(OUTBOX_MESSAGES);
    let call = exchange::start(session, mcp.handler.clone(), request, outbox).map_err(
        |error: DuplicateId| RpcError::invalid_request(error.to_string()).answering(id.clone()),
    )?;
    // Without its client, the answer of a request could not be delivered: revisions before 2026-07-28 allow a
    // stream to be resumed, but this server does not support that.
    let unheard = Unheard(Some(call));
    let status = |_: &ServerJsonRpcMessage| StatusCode::OK;
    Ok(respond(id, answers, unheard, streams, status).await)
}

/// One JSON object if the answer comes soon and no message precedes it, or if the client does not accept event
/// streams; otherwise a stream. An object has the `status` of the answer.
pub(super) async fn respond(
    id: RequestId,
    mut answers: Answers,
    mut unheard: Unheard,
    streams: bool,
    status: impl Fn(&ServerJsonRpcMessage) -> StatusCode,
) -> Response {
    if !streams {
        let answer = answer_alone(id, answers, unheard).await;
        return json_as(status(&answer), &answer);
    }
    match tokio::time::timeout(QUIET_MAX, answers.recv()).await {
        Ok(first) => {
            let first = first.unwrap_or_else(|| cancelled(id));
            if is_answer(&first) {
                unheard.answered();
                return json_as(status(&first), &first);
            }
            stream_of(Some(first), answers, unheard)
        }
        Err(_elapsed) => stream_of(None, answers, unheard),
    }
}

/// The answer alone; earlier messages are dropped.
async fn answer_alone(
    id: RequestId,
    mut answers: Answers,
    mut unheard: Unheard,
) -> Box<ServerJsonRpcMessage> {
    let answer = loop {
        match answers.recv().await {
            Some(message) if is_answer(&message) => break Some(message),
            Some(_) => {}
            None => break None,
        }
    };
    unheard.answered();
    answer.unwrap_or_else(|| cancelled(id))
}

/// A message as one JSON object.
fn json(message: &ServerJsonRpcMessage) -> Response {
    json_as(StatusCode::OK, message)
}

fn json_as(status: StatusCode, message: &ServerJsonRpcMessage) -> Response {
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    match serde_json::to_writer(&mut body, message) {
        Ok(()) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            RpcError::new(status, ErrorCode::INTERNAL_ERROR, error.to_string()).into_response()
        }
    }
}

/// The messages of one request as events, the answer last.
fn stream_of(
    first: Option<Box<ServerJsonRpcMessage>>,
    answers: Answers,
    mut unheard: Unheard,
) -> Response {
    let messages = stream::iter(first).chain(ReceiverStream::new(answers));
    sse::respond(messages.map(move |message| {
        if is_answer(&message) {
            unheard.answered();
        }
        sse::message(&message)
    }))
}

/// The messages of one request, the answer last.
pub(super) type Answers = mpsc::Receiver<Box<ServerJsonRpcMessage>>;

/// Cancels a call when it is dropped before its answer was sent.
pub(super) struct Unheard(Option<CancellationToken>);

impl Unheard {
    fn answered(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.cancel();
        }
    }
}

/// Answers a request without a session, as one JSON object.
pub(super) async fn alone<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> Box<ServerJsonRpcMessage> {
    let client = InitializeRequestParams::new(
        ClientCapabilities::default(),
        Implementation::new("unknown", ""),
    )
    .with_protocol_version(ProtocolVersion::V_2025_11_25);
    run_alone(mcp, client, parts, request).await
}

async fn run_alone<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    client: InitializeRequestParams,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
) -> Box<ServerJsonRpcMessage> {
    let id = request.id.clone();
    let (answers, unheard) = start_alone(mcp, client, parts, request);
    answer_alone(id, answers, unheard).await
}

/// Starts to answer a request without a session.
pub(super) fn start_alone<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    client: InitializeRequestParams,
    parts: Parts,
    mut request: JsonRpcRequest<ClientRequest>,
) -> (Answers, Unheard) {
    request.request.extensions_mut().insert(parts);
    let (outbox, answers) = mpsc::channel(OUTBOX_MESSAGES);
    let call = exchange::start_alone(mcp.handler.clone(), client, request, outbox);
    (answers, Unheard(Some(call)))
}

pub(super) fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
    )
}

fn cancelled(id: RequestId) -> Box<ServerJsonRpcMessage> {
    let error = rmcp::ErrorData::new(REQUEST_CANCELLED, "the request was cancelled", None);
    Box::new(JsonRpcMessage::error(error, Some(id)))
}
