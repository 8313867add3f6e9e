//! Revision 2026-07-28: rmcp's transport serves it, and this file closes its gaps.
//!
//! A complete `tools/call`, the most frequent request, is parsed here and goes to the handler directly: rmcp's
//! transport parses and serialises each message several times, a sixth of the whole call. Invalid requests
//! still go to rmcp, so that one place refuses them.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::model::{
    ClientCapabilities, ClientRequest, ErrorCode, GetExtensions, GetMeta, Implementation,
    InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
};
use tracing::Instrument as _;

use super::answer::{accepts_type, answer_object, respond_to_call, respond_to_direct};
use super::{PROTOCOL_VERSION, accepts_event_stream};
use crate::caller::Caller;
use crate::http::body::answer_where_parsed;
use crate::http::problem::HttpProblem;
use crate::http::rpc_error::RpcError;
use crate::http::state::HttpState;
use crate::mcp::direct::{DirectClient, DirectOutcome, DirectRequest};
use crate::mcp::dispatch::{Dispatcher, DuplicateId};
use crate::mcp::envelope::ClientMessage;

const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

pub(super) async fn post_modern(
    state: &Arc<HttpState>,
    caller: &Caller,
    mut parts: Parts,
    message: ClientMessage,
) -> Response {
    let takes_streams = accepts_event_stream(&parts.headers);
    let bytes = message.bytes.clone();
    if takes_streams || accepts_type(&parts.headers, "application/json") {
        let is_complete =
            |call: &&JsonRpcRequest<ClientRequest>| is_complete(&state.mcp, &parts.headers, call);
        if message.frequent_request().filter(is_complete).is_some()
            && let Some(JsonRpcMessage::Request(call)) = message.into_inner()
        {
            return answer_complete(state, caller, parts, call, takes_streams).await;
        }
        // rmcp wants both types named; ranges such as `*/*` name them too.
        let both = HeaderValue::from_static("application/json, text/event-stream");
        parts.headers.insert(ACCEPT, both);
    }
    let (size, state) = (bytes.len(), state.clone());
    let request = Request::from_parts(parts, Full::new(bytes));
    // The future may run on another thread, which does not know the span of this request.
    let answer = async move { state.mcp.answer_modern(request).await }.in_current_span();
    let answer = match answer_where_parsed(size, answer).await {
        Ok(answer) => answer.map(Body::new),
        Err(problem) => return RpcError::from(problem).into_response(),
    };
    if answer.status().is_success() || is_json(&answer) {
        answer
    } else {
        as_rpc_error(answer).await
    }
}

/// Answers a request that has everything that it needs.
async fn answer_complete(
    state: &HttpState,
    caller: &Caller,
    parts: Parts,
    request: JsonRpcRequest<ClientRequest>,
    takes_streams: bool,
) -> Response {
    let direct = DirectRequest {
        request,
        caller: caller.clone(),
        origin: parts.extensions.get().cloned(),
        client: DirectClient::Modern,
    };
    match state.mcp.answer_directly(direct) {
        Ok(DirectOutcome::Answered(answer)) => answer_object(answer),
        Ok(DirectOutcome::Running(call)) => respond_to_direct(call, takes_streams).await,
        Ok(DirectOutcome::NeedsService(mut request)) => {
            request.request.extensions_mut().insert(parts);
            let call = state.mcp.call_sessionless(anonymous_client(), *request);
            respond_to_call(call, takes_streams, status_of).await
        }
        // Only sessions compare ids.
        Err(DuplicateId) => RpcError::from(HttpProblem::internal_error()).into_response(),
    }
}

/// Whether the headers of a request say what its body says.
fn headers_fit(headers: &HeaderMap, method: &str, name: Option<&str>) -> bool {
    let says = |header, wanted: &str| only_value(headers, header) == Some(wanted.as_bytes());
    says(PROTOCOL_VERSION, ProtocolVersion::V_2026_07_28.as_str())
        && says(METHOD, method)
        && match name {
            Some(name) => says(NAME, name),
            None => !headers.contains_key(NAME),
        }
}

/// Whether a `tools/call` is for a tool that there is, or the request is a `tools/list`, and its headers say what
/// its body says.
fn is_complete(
    mcp: &Dispatcher,
    headers: &HeaderMap,
    request: &JsonRpcRequest<ClientRequest>,
) -> bool {
    let revision = ProtocolVersion::V_2026_07_28;
    let is_plain = if let ClientRequest::CallToolRequest(call) = &request.request {
        let name = &call.params.name;
        // rmcp compares such headers with their arguments, so a tool that has some takes its way.
        headers_fit(headers, "tools/call", Some(name)) && mcp.sends_headers(name) == Some(false)
    } else {
        matches!(request.request, ClientRequest::ListToolsRequest(_))
            && headers_fit(headers, "tools/list", None)
    };
    let meta = request.request.get_meta();
    is_plain
        && meta.missing_required_keys(&revision).is_empty()
        && meta.protocol_version() == Some(revision)
}

/// A header that occurs exactly once.
fn only_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

/// A client without a handshake, as rmcp wants one. Its capabilities are in each request.
fn anonymous_client() -> InitializeRequestParams {
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
    RpcError::from(HttpProblem::new(status, "request_refused", text)).into_response()
}
