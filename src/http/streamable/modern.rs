//! Revision 2026-07-28: rmcp's transport serves it, and this file closes its gaps.
//!
//! A complete `tools/call`, the most frequent request, is parsed here and goes to the handler directly: rmcp's
//! transport parses and serialises each message several times, a sixth of the whole call. Invalid requests
//! still go to rmcp, so that one place refuses them.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::ServerHandler;
use rmcp::model::{
    ClientCapabilities, ClientRequest, ErrorCode, GetMeta, Implementation, InitializeRequestParams,
    JsonRpcMessage, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
};
use serde_json::Value;

use super::{PROTOCOL_VERSION, accepts, legacy};
use crate::http::Mcp;
use crate::http::problem::RpcError;
use crate::mcp::message;

const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
/// Marks an argument that is also sent as a header (SEP-2243).
const SENT_AS_HEADER: &str = "x-mcp-header";

pub(super) async fn post<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    mut parts: Parts,
    mut body: Bytes,
) -> Response {
    let streams = accepts(&parts.headers, "text/event-stream");
    if streams || accepts(&parts.headers, "application/json") {
        if let Some(call) = complete_call(&mcp.handler, &parts.headers, &body) {
            let id = call.id.clone();
            let (answers, unheard) = legacy::start_alone(mcp, nobody(), parts, call);
            return legacy::respond(id, answers, unheard, streams, status_of).await;
        }
        body = message::mended(&body).map_or(body, Bytes::from);
        // rmcp requires both types by name; ranges such as `*/*` include them.
        let both = HeaderValue::from_static("application/json, text/event-stream");
        parts.headers.insert(ACCEPT, both);
    }
    let answer = mcp
        .modern
        .handle(Request::from_parts(parts, Full::new(body)))
        .await;
    let answer = answer.map(Body::new);
    if answer.status().is_success() || is_json(&answer) {
        answer
    } else {
        as_rpc_error(answer).await
    }
}

/// A `tools/call` for a known tool whose headers match its body.
fn complete_call<H: ServerHandler>(
    handler: &H,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<JsonRpcRequest<ClientRequest>> {
    let revision = ProtocolVersion::V_2026_07_28;
    if only(headers, PROTOCOL_VERSION)? != revision.as_str().as_bytes()
        || only(headers, METHOD)? != b"tools/call"
    {
        return None;
    }
    let request = message::parse_call(body)?;
    let ClientRequest::CallToolRequest(call) = &request.request else {
        return None;
    };
    if only(headers, NAME)? != call.params.name.as_bytes() {
        return None;
    }
    let tool = handler.get_tool(&call.params.name)?;
    if sends_headers(tool.input_schema.get("properties")) {
        return None;
    }
    let meta = request.request.get_meta();
    let complete = meta.missing_required_keys(&revision).is_empty();
    let agrees = meta.protocol_version() == Some(revision);
    (complete && agrees).then_some(request)
}

/// A header that occurs exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

fn sends_headers(properties: Option<&Value>) -> bool {
    let properties = properties.and_then(Value::as_object);
    properties.is_some_and(|properties| {
        properties.values().any(|schema| {
            schema.get(SENT_AS_HEADER).is_some() || sends_headers(schema.get("properties"))
        })
    })
}

/// The client info of a client without a handshake. Its capabilities are in each request.
fn nobody() -> InitializeRequestParams {
    InitializeRequestParams::new(ClientCapabilities::default(), Implementation::default())
        .with_protocol_version(ProtocolVersion::V_2026_07_28)
}

/// The HTTP status that the specification assigns to some errors.
fn status_of(answer: &ServerJsonRpcMessage) -> StatusCode {
    let JsonRpcMessage::Error(error) = answer else {
        return StatusCode::OK;
    };
    match error.error.code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

fn is_json(answer: &Response) -> bool {
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// rmcp's transport refuses in plain text, which JSON-RPC clients cannot parse.
async fn as_rpc_error(answer: Response) -> Response {
    let status = answer.status();
    let text = answer
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The body was JSON with the right content type: what rmcp could not parse is an invalid request.
    let status = if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        StatusCode::BAD_REQUEST
    } else {
        status
    };
    let code = if status.is_server_error() {
        ErrorCode::INTERNAL_ERROR
    } else {
        ErrorCode::INVALID_REQUEST
    };
    RpcError::new(status, code, text).into_response()
}
