//! Failures of the HTTP layer: problem details (RFC 9457), or JSON-RPC errors where a JSON-RPC
//! client waits for one.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use rmcp::model::{ErrorCode, RequestId};
use serde_json::{Value, json};

use super::limits::Refused;

/// A problem document.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl Problem {
    /// `title` is the kind, equal for each occurrence; `detail` names the next step.
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body =
            json!({ "title": self.title, "status": self.status.as_u16(), "detail": self.detail });
        let mut response = (self.status, Json(body)).into_response();
        let kind = http::HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// A JSON-RPC error with an HTTP status.
#[derive(Debug)]
pub struct RpcError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    id: Option<RequestId>,
    data: Option<Value>,
    refused: Option<(u64, Refused)>,
}

impl RpcError {
    /// An error that belongs to no request.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            id: None,
            data: None,
            refused: None,
        }
    }

    /// The body cannot be parsed.
    pub fn parse_error(message: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::PARSE_ERROR,
            format!("the body is not valid JSON: {message}"),
        )
    }

    /// The request is invalid.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, message)
    }

    /// The session does not exist, or belongs to another caller. Clients then initialize again.
    #[must_use]
    pub fn session_not_found() -> Self {
        let message = "session not found: it has ended or never existed; send initialize again";
        Self::new(StatusCode::NOT_FOUND, ErrorCode::INVALID_REQUEST, message)
    }

    /// The error as the answer to a request.
    #[must_use]
    pub fn answering(mut self, id: RequestId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds data for programs.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Adds the seconds until a retry makes sense, and the limit that was reached.
    pub(super) fn refused(mut self, seconds: u64, mark: Refused) -> Self {
        self.refused = Some((seconds, mark));
        self
    }

    /// The JSON-RPC message.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let id = self
            .id
            .as_ref()
            .and_then(|id| serde_json::to_value(id).ok())
            .unwrap_or(Value::Null);
        let mut error = json!({ "code": self.code.0, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

impl IntoResponse for RpcError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_json())).into_response();
        if let Some((seconds, mark)) = self.refused {
            response.extensions_mut().insert(mark);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
