//! `/mcp`: Streamable HTTP in all its revisions, and bare JSON-RPC.
//!
//! Revision 2026-07-28 goes to rmcp as it is, after its few gaps are mended. The revisions before
//! it are served from our own sessions ([`crate::mcp::sessions`]). Neither needs the other.

mod answer;
mod batch;
mod legacy;
mod modern;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::header::ALLOW;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};

use super::body::{EmptyBody, parse_body, read_json};
use super::challenge::insufficient_scope;
use super::identity::Authenticated;
use super::problem::HttpProblem;
use super::rpc_error::RpcError;
use super::state::HttpState;
use super::tool_filter;
use crate::caller::{Caller, Credential, Grants};
use crate::mcp::envelope::{
    BATCH_MESSAGES_MAX, ClientMessage, Envelope, FIRST_MODERN_REVISION, UnreadableBody,
};
use crate::tool::registry::Registry;
use answer::accepts_type;
pub(super) use legacy::read_message;

pub(super) const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn routes() -> Router<Arc<HttpState>> {
    let paths = ["/mcp", "/mcp/"].into_iter().chain(tool_filter::PATHS);
    paths.fold(Router::new(), |routes, path| {
        let methods = MethodRouter::new()
            .post(post_message)
            .get(open_notification_stream)
            .delete(end_session);
        routes.route(path, methods)
    })
}

async fn post_message(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    request: Request,
) -> Result<Response, RpcError> {
    let max = state.settings.body_bytes_max;
    let (parts, bytes) = read_json(request, max, EmptyBody::Refused).await?;
    let envelope = parse_body(bytes, Envelope::read_body).await??;
    // Before any answer begins: a challenge needs the status 403, and a stream has sent 200.
    refuse_missing_scope(&state.registry, &caller, &parts.extensions, &envelope)?;
    match envelope {
        Envelope::Batch(messages) => batch::post_batch(&state, &caller, parts, messages).await,
        Envelope::Message(message) if is_modern(&parts.headers, &message) => {
            Ok(modern::post_modern(&state, &caller, parts, *message).await)
        }
        Envelope::Message(message) => legacy::post_legacy(&state, &caller, parts, *message).await,
    }
}

impl From<UnreadableBody> for RpcError {
    fn from(unreadable: UnreadableBody) -> Self {
        match unreadable {
            UnreadableBody::Malformed(why) => Self::parse_error(why),
            UnreadableBody::Invalid(why) => Self::invalid_request("invalid_message", why),
            UnreadableBody::BatchSize => Self::invalid_request(
                "batch_size",
                format!("a batch has 1 to {BATCH_MESSAGES_MAX} messages"),
            ),
        }
    }
}

/// Refuses calls that need more than the token has, if its client can ask the authorization server for
/// more. Other callers get the error of the tool.
///
/// # Errors
/// A scope is missing.
pub(super) fn refuse_missing_scope(
    registry: &Registry,
    caller: &Caller,
    request: &Extensions,
    envelope: &Envelope,
) -> Result<(), HttpProblem> {
    if caller.credential != Credential::OAuth {
        return Ok(());
    }
    let needed = envelope
        .tool_names()
        .filter_map(|tool| registry.missing_scope(tool, caller));
    // A batch may call several tools. The largest scope of each realm covers all of them.
    let needed: Grants = needed.collect();
    if needed.is_empty() {
        return Ok(());
    }
    Err(insufficient_scope(request.get(), &needed))
}

/// Requests of 2026-07-28 name it in `_meta`; a header or `server/discover` alone is such a request with a part
/// missing, and rmcp refuses it as the specification requires.
///
/// A complete `initialize` is a handshake whatever `_meta` says: some clients send one after
/// `server/discover`.
fn is_modern(headers: &HeaderMap, message: &ClientMessage) -> bool {
    let method = message.method.as_deref();
    if method == Some("initialize") {
        return message.has_revision && !message.is_handshake();
    }
    message.has_revision || method == Some("server/discover") || names_modern_revision(headers)
}

fn names_modern_revision(headers: &HeaderMap) -> bool {
    let named = headers
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok());
    // ISO dates sort as text.
    named.is_some_and(|named| named >= FIRST_MODERN_REVISION)
}

/// Whether a request has anything of Streamable HTTP in its headers.
pub(super) fn has_headers_of_streamable(headers: &HeaderMap) -> bool {
    let names = [SESSION_ID, PROTOCOL_VERSION, LAST_EVENT_ID];
    names.iter().any(|name| headers.contains_key(*name))
}

/// Whether the client takes event streams.
pub(super) fn accepts_event_stream(headers: &HeaderMap) -> bool {
    accepts_type(headers, "text/event-stream")
}

async fn open_notification_stream(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Response, RpcError> {
    if !accepts_event_stream(&headers) {
        let detail = "GET opens an event stream: send `Accept: text/event-stream`, or POST a JSON-RPC message";
        return Err(HttpProblem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail).into());
    }
    if names_modern_revision(&headers) {
        return Ok(not_in_modern());
    }
    legacy::open_session_stream(&state, &caller, &headers)
}

async fn end_session(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
) -> Result<Response, RpcError> {
    if names_modern_revision(&headers) {
        return Ok(not_in_modern());
    }
    let id = legacy::session_id(&headers)?;
    if state.mcp.mcp_sessions().close_session(id, &caller) {
        return Ok(StatusCode::OK.into_response());
    }
    Err(RpcError::session_not_found())
}

/// Revision 2026-07-28 has neither GET nor DELETE.
fn not_in_modern() -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let detail = "revision 2026-07-28 has no sessions: POST only";
    let refusal = RpcError::from(HttpProblem::new(status, "method_not_allowed", detail));
    let mut response = refusal.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    response
}
