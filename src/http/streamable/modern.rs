//! Revision 2026-07-28: rmcp serves it; what rmcp leaves undone is done around it.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::ServerHandler;
use rmcp::model::ErrorCode;

use super::accepts;
use crate::http::Mcp;
use crate::http::problem::RpcError;

pub(super) async fn post<H: ServerHandler + Clone + Sync>(
    mcp: &Mcp<H>,
    mut parts: Parts,
    body: Bytes,
) -> Response {
    // rmcp wants both types named; ranges such as `*/*` name them too.
    if accepts(&parts.headers, "application/json") || accepts(&parts.headers, "text/event-stream") {
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

fn is_json(answer: &Response) -> bool {
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// rmcp's transport refuses in plain text, which JSON-RPC clients cannot read.
async fn as_rpc_error(answer: Response) -> Response {
    let status = answer.status();
    let text = answer
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // The body was JSON and declared as such: what rmcp could not read is not a valid request.
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
