//! HTTP+SSE of revision 2024-11-05: a stream that names the address to post to, and answers 202
//! to what is posted there. Deprecated, but what several clients speak when they are given a URL
//! and nothing else.
//!
//! Nothing else knows of it but one line in `router.rs`.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::stream::{self, StreamExt};
use http::{Method, StatusCode};
use rmcp::model::{
    ClientCapabilities, ClientRequest, GetExtensions, Implementation, InitializeRequestParams,
    JsonRpcMessage,
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::body::{EmptyBody, parse_body, read_json};
use super::identity::Authenticated;
use super::problem::HttpProblem;
use super::rpc_error::RpcError;
use super::state::HttpState;
use super::{sse, streamable};
use crate::caller::Caller;
use crate::mcp::envelope::Envelope;
use crate::mcp::sessions::{OUTBOX_MESSAGES, StreamGuard};

/// The routes of Streamable HTTP, where a GET that has nothing of it opens a stream of this transport; and
/// the routes of this transport.
pub(super) fn with_legacy_sse(
    streamable: Router<Arc<HttpState>>,
    state: &Arc<HttpState>,
) -> (Router<Arc<HttpState>>, Router<Arc<HttpState>>) {
    let on_get = middleware::from_fn_with_state(state.clone(), open_instead);
    let own = Router::new()
        // Some clients are configured with no path at all.
        .route("/", get(open_stream))
        .route("/sse", get(open_stream))
        .route("/messages", post(receive_message))
        .route("/messages/", post(receive_message));
    (streamable.layer(on_get), own)
}

/// Opens a stream for a GET that is none of Streamable HTTP.
async fn open_instead(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_ours = request.method() == Method::GET
        && streamable::accepts_event_stream(headers)
        && !streamable::has_headers_of_streamable(headers);
    if is_ours {
        return open_stream(State(state), Authenticated(caller))
            .await
            .into_response();
    }
    next.run(request).await
}

/// Opens the stream. Its first event names the address for messages.
async fn open_stream(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
) -> Result<Response, RpcError> {
    let client = InitializeRequestParams::new(
        ClientCapabilities::default(),
        Implementation::new("unknown", ""),
    );
    // The session exists before the handshake, because the address for messages contains its id.
    let session = state.mcp.mcp_sessions().open_session(&caller, client);
    let session = session.map_err(HttpProblem::from)?;
    let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
    session.attach_stream(outbox, &caller.reach);
    let notices = state.mcp.notices_of(&session, &caller).map(Box::new);
    let prefix = &state.settings.path_prefix;
    let endpoint = format!("{prefix}/messages?session_id={}", session.id);
    let open = OpenSseStream {
        state: state.clone(),
        caller,
        id: session.id.clone(),
        _held: session.hold_stream(),
    };
    let first = stream::iter([Event::default().event("endpoint").data(endpoint)]);
    let messages = stream::select(ReceiverStream::new(messages), notices);
    let messages = messages.map(|message| sse::message_event(&message));
    // A drain and an idle session end the stream. Without this it would outlive its session.
    let ended = session.ended.clone().cancelled_owned();
    let events = first.chain(messages).take_until(ended);
    Ok(sse::event_stream_response(events.map(move |event| {
        let _while_open = &open;
        event
    })))
}

/// The session ends with its stream, because it has no other channel for answers.
struct OpenSseStream {
    state: Arc<HttpState>,
    caller: Caller,
    id: Arc<str>,
    _held: StreamGuard,
}

impl Drop for OpenSseStream {
    fn drop(&mut self) {
        self.state
            .mcp
            .mcp_sessions()
            .close_session(&self.id, &self.caller);
    }
}

#[derive(Deserialize)]
struct SessionQuery {
    #[serde(alias = "sessionId")]
    session_id: String,
}

/// Takes a message for a stream.
async fn receive_message(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    address: Result<Query<SessionQuery>, QueryRejection>,
    request: Request,
) -> Result<StatusCode, RpcError> {
    let Ok(Query(address)) = address else {
        let detail = "the session_id parameter is missing";
        return Err(RpcError::invalid_request("session_missing", detail));
    };
    let max = state.settings.body_bytes_max;
    let (mut parts, bytes) = read_json(request, max, EmptyBody::Refused).await?;
    let session = state
        .mcp
        .mcp_sessions()
        .find_session(&address.session_id, &caller);
    // A session of Streamable HTTP has no such stream, so it counts as unknown here.
    let session = session.and_then(|session| Some((session.clone(), session.current_outbox()?)));
    let (session, outbox) = session.ok_or_else(RpcError::session_not_found)?;
    // The path of the stream has chosen the tools. Messages are posted to a path that names none.
    let caller = session.narrow_caller(&caller);
    let envelope = parse_body(bytes, Envelope::read_body).await??;
    streamable::refuse_missing_scope(&state.registry, &caller, &parts.extensions, &envelope)?;
    let Envelope::Message(message) = envelope else {
        let detail = "one message at a time";
        return Err(RpcError::invalid_request("batch_not_supported", detail));
    };
    parts.extensions.insert(caller);
    match streamable::read_message(*message)? {
        JsonRpcMessage::Request(mut request) => {
            if let ClientRequest::InitializeRequest(initialize) = &request.request {
                session.set_client(initialize.params.clone());
            }
            request.request.extensions_mut().insert(parts);
            let id = request.id.clone();
            let started = state.mcp.call_on_stream(&session, request, outbox);
            started.map_err(|error| {
                RpcError::invalid_request("duplicate_id", error.to_string()).answering(Some(id))
            })?;
        }
        other @ (JsonRpcMessage::Response(_)
        | JsonRpcMessage::Notification(_)
        | JsonRpcMessage::Error(_)) => state.mcp.accept_message(&session, other),
    }
    Ok(StatusCode::ACCEPTED)
}
