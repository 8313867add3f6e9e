//! HTTP+SSE of revision 2024-11-05: a stream that names the URL to post to; posts are answered with 202.
//! Deprecated, but several clients use it when they are given only a URL.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::StatusCode;
use rmcp::ServerHandler;
use rmcp::model::{
    ClientCapabilities, ClientRequest, ErrorCode, GetExtensions, Implementation,
    InitializeRequestParams, JsonRpcMessage,
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::problem::RpcError;
use super::streamable::{caller_of, parse, read};
use super::{Mcp, oauth, sse};
use crate::caller::Caller;
use crate::mcp::peek::{Body, peek};
use crate::mcp::sessions::{OUTBOX_MESSAGES, Sessions, StreamGuard, exchange};

/// Opens the stream. Its first event names the URL for messages.
pub(super) async fn open<H: ServerHandler + Clone + Sync>(
    State(mcp): State<Arc<Mcp<H>>>,
    request: Request,
) -> Response {
    let caller = match caller_of(request.extensions()) {
        Ok(caller) => caller.clone(),
        Err(error) => return error.into_response(),
    };
    let client = InitializeRequestParams::new(
        ClientCapabilities::default(),
        Implementation::new("unknown", ""),
    );
    let session = match mcp.sessions.open(&caller, client) {
        Ok(session) => session,
        Err(error) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return RpcError::new(status, ErrorCode::INVALID_REQUEST, error.to_string())
                .into_response();
        }
    };
    let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
    session.attach(outbox, &caller.reach);
    let notices = mcp.notices_of(&session, &caller);
    let endpoint = format!("{}/messages?session_id={}", mcp.path_prefix, session.id);
    let open = OpenStream {
        sessions: mcp.sessions.clone(),
        caller,
        id: session.id.clone(),
        _held: session.hold_stream(),
    };
    let first = stream::iter([Event::default().event("endpoint").data(endpoint)]);
    let messages = ReceiverStream::new(messages).map(|message| sse::message(&message));
    let messages = stream::select(messages, notices);
    let ended = session.ended.clone().cancelled_owned();
    let events = first.chain(messages).take_until(ended);
    sse::respond(events.map(move |event| {
        let _while_open = &open;
        event
    }))
}

/// The session ends with its stream, because it has no other channel for answers.
struct OpenStream {
    sessions: Arc<Sessions>,
    caller: Caller,
    id: Arc<str>,
    _held: StreamGuard,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.sessions.close(&self.id, &self.caller);
    }
}

#[derive(Deserialize)]
pub(super) struct Address {
    #[serde(alias = "sessionId")]
    session_id: String,
}

/// Receives a message for a stream.
pub(super) async fn message<H: ServerHandler + Clone + Sync>(
    State(mcp): State<Arc<Mcp<H>>>,
    address: Result<Query<Address>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(address)) = address else {
        return RpcError::invalid_request("the session_id parameter is missing").into_response();
    };
    let (mut parts, body) = match read(request, mcp.body_bytes_max).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let session = match caller_of(&parts.extensions) {
        Ok(caller) => mcp.sessions.get(&address.session_id, caller),
        Err(error) => return error.into_response(),
    };
    let Some((session, outbox)) =
        session.and_then(|session| Some((session.clone(), session.outbox()?)))
    else {
        return RpcError::session_not_found().into_response();
    };
    if let Some(caller) = parts.extensions.get_mut::<Caller>() {
        *caller = session.narrow(caller);
        if let Some(refusal) = oauth::step_up(&mcp.auth, &mcp.registry, caller, &body) {
            return refusal;
        }
    }
    let message = match peek(&body) {
        Body::Malformed(why) => Err(RpcError::parse_error(why)),
        Body::Invalid(why) => Err(RpcError::invalid_request(why)),
        Body::Batch => Err(RpcError::invalid_request("send one message per request")),
        Body::Message(_) => parse(&body),
    };
    let mut message = match message {
        Ok(message) => message,
        Err(error) => return error.into_response(),
    };
    if let JsonRpcMessage::Request(request) = &mut message {
        if let ClientRequest::InitializeRequest(initialize) = &request.request {
            session.set_client(initialize.params.clone());
        }
        request.request.extensions_mut().insert(parts);
    }
    match message {
        JsonRpcMessage::Request(request) => {
            let id = request.id.clone();
            if let Err(error) = exchange::start(&session, mcp.handler.clone(), request, outbox) {
                return RpcError::invalid_request(error.to_string())
                    .answering(id)
                    .into_response();
            }
        }
        other @ (JsonRpcMessage::Response(_)
        | JsonRpcMessage::Notification(_)
        | JsonRpcMessage::Error(_)) => {
            exchange::accept(&session, other);
        }
    }
    StatusCode::ACCEPTED.into_response()
}
