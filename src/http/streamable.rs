//! `/mcp`: Streamable HTTP in all its revisions, bare JSON-RPC, and the GET of HTTP+SSE.
//!
//! Requests of revision 2026-07-28 go to rmcp, with corrections for its gaps. The earlier revisions are served
//! from our own sessions ([`crate::mcp::sessions`]).

mod batch;
mod legacy;
mod modern;

pub(super) use legacy::parse;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::ServerHandler;
use rmcp::model::ErrorCode;

use super::limits::TooSlow;
use super::problem::RpcError;
use super::{Mcp, legacy_sse, oauth};
use crate::caller::Caller;
use crate::mcp::peek::{Body, FIRST_MODERN_REVISION, Message, peek};

pub(super) const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn routes<H: ServerHandler + Clone + Sync>() -> MethodRouter<Arc<Mcp<H>>> {
    MethodRouter::new()
        .post(post::<H>)
        .get(get::<H>)
        .delete(delete::<H>)
}

async fn post<H: ServerHandler + Clone + Sync>(
    State(mcp): State<Arc<Mcp<H>>>,
    request: Request,
) -> Response {
    let (parts, body) = match read(request, mcp.body_bytes_max).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    if let Ok(caller) = caller_of(&parts.extensions)
        && let Some(refusal) = oauth::step_up(&mcp.auth, &mcp.registry, caller, &body)
    {
        return refusal;
    }
    let answer = match peek(&body) {
        Body::Malformed(why) => Err(RpcError::parse_error(why)),
        Body::Invalid(why) => Err(RpcError::invalid_request(why)),
        Body::Batch => batch::post(&mcp, parts, &body).await,
        Body::Message(message) if is_modern(&parts.headers, &message, &body) => {
            return modern::post(&mcp, parts, body).await;
        }
        Body::Message(message) => legacy::post(&mcp, parts, &message, &body).await,
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Reads the body within the limit. Other content types than JSON are refused, because a web page can send them
/// without a preflight request (CORS).
pub(super) async fn read(request: Request, bytes_max: usize) -> Result<(Parts, Bytes), RpcError> {
    let (parts, body) = request.into_parts();
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let message = "the Content-Type must be application/json";
        return Err(RpcError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::INVALID_REQUEST,
            message,
        ));
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            let message =
                format!("the body is larger than the {bytes_max} bytes of MCP_MAX_BODY_BYTES");
            Err(RpcError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::INVALID_REQUEST,
                message,
            ))
        }
        Err(error) if TooSlow::is_behind(&*error) => {
            let message = "the body was received too slowly";
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(RpcError::new(status, ErrorCode::INVALID_REQUEST, message))
        }
        Err(error) => Err(RpcError::invalid_request(format!(
            "the body could not be read: {error}"
        ))),
    }
}

/// Requests of 2026-07-28 name it in `_meta`; a header or `server/discover` alone is such a request with a part
/// missing, and rmcp refuses it as the specification requires.
///
/// A complete `initialize` is a handshake whatever `_meta` says: some clients send one after `server/discover`.
fn is_modern(headers: &HeaderMap, message: &Message<'_>, body: &[u8]) -> bool {
    let method = message.method.as_deref();
    if method == Some("initialize") {
        return message.has_revision && !legacy::is_handshake(body);
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

async fn get<H: ServerHandler + Clone + Sync>(
    State(mcp): State<Arc<Mcp<H>>>,
    request: Request,
) -> Response {
    let headers = request.headers();
    if !accepts(headers, "text/event-stream") {
        let message = "GET opens an event stream: send `Accept: text/event-stream`, or POST a JSON-RPC message";
        let refusal = RpcError::new(
            StatusCode::NOT_ACCEPTABLE,
            ErrorCode::INVALID_REQUEST,
            message,
        );
        return refusal.into_response();
    }
    let of_streamable = [SESSION_ID, PROTOCOL_VERSION, LAST_EVENT_ID];
    if !of_streamable.iter().any(|name| headers.contains_key(*name)) {
        return legacy_sse::open(State(mcp), request).await;
    }
    if names_modern_revision(headers) {
        return not_in_modern();
    }
    legacy::get(&mcp, &request).unwrap_or_else(IntoResponse::into_response)
}

async fn delete<H: ServerHandler + Clone + Sync>(
    State(mcp): State<Arc<Mcp<H>>>,
    request: Request,
) -> Response {
    if names_modern_revision(request.headers()) {
        return not_in_modern();
    }
    match legacy::session_id(request.headers()) {
        Err(error) => error.into_response(),
        Ok(id) => match caller_of(request.extensions()) {
            Ok(caller) if mcp.sessions.close(id, caller) => StatusCode::OK.into_response(),
            Ok(_) => RpcError::session_not_found().into_response(),
            Err(error) => error.into_response(),
        },
    }
}

/// Revision 2026-07-28 has neither GET nor DELETE.
fn not_in_modern() -> Response {
    let message = "revision 2026-07-28 has no sessions: use POST only";
    let refusal = RpcError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::INVALID_REQUEST,
        message,
    );
    let mut response = refusal.into_response();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// Whether a media type is accepted; a missing header accepts everything (RFC 9110).
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    if values.peek().is_none() {
        return true;
    }
    let kind = wanted.split('/').next().unwrap_or_default();
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let refused =
            parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let fits = range == "*/*"
            || range.eq_ignore_ascii_case(wanted)
            || range
                .strip_suffix("/*")
                .is_some_and(|range| range.eq_ignore_ascii_case(kind));
        fits && !refused
    })
}

/// The authenticated caller.
pub(super) fn caller_of(extensions: &http::Extensions) -> Result<&Caller, RpcError> {
    extensions.get::<Caller>().ok_or_else(|| {
        RpcError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::INTERNAL_ERROR,
            "the caller is unknown",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str, wanted: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        accepts(&headers, wanted)
    }

    #[test]
    fn accept_headers() {
        assert!(accepts(&HeaderMap::new(), "text/event-stream"));
        for value in [
            "*/*",
            "text/event-stream",
            "application/json, text/event-stream;q=0.5",
            "text/*",
        ] {
            assert!(accept(value, "text/event-stream"), "{value}");
        }
        for value in ["application/json", "text/html", "text/event-stream;q=0", ""] {
            assert!(!accept(value, "text/event-stream"), "{value}");
        }
    }
}
