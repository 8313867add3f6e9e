//! Failures as JSON-RPC errors, where a JSON-RPC client waits for one.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rmcp::model::{ErrorCode, RequestId};
use serde_json::{Value, json};

use super::problem::HttpProblem;

/// One of the codes -32000 to -32099, which JSON-RPC leaves to servers.
const RATE_LIMITED: ErrorCode = ErrorCode(-32029);

/// A problem as the answer to a JSON-RPC message. `data.code` of the error is the code of the problem.
#[derive(Debug)]
pub struct RpcError {
    problem: Box<HttpProblem>,
    code: ErrorCode,
    id: Option<RequestId>,
}

impl RpcError {
    /// The same error, as the answer to a request.
    #[must_use]
    pub fn answering(mut self, id: Option<RequestId>) -> Self {
        self.id = id;
        self
    }

    /// The same error with a code of JSON-RPC that does not follow from the status.
    #[must_use]
    pub fn with_rpc_code(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// The body cannot be parsed.
    pub fn parse_error(message: impl std::fmt::Display) -> Self {
        let detail = format!("the body is not JSON: {message}");
        let problem = HttpProblem::new(StatusCode::BAD_REQUEST, "malformed_json", detail);
        Self::from(problem).with_rpc_code(ErrorCode::PARSE_ERROR)
    }

    /// The request cannot be accepted.
    pub fn invalid_request(code: &'static str, detail: impl Into<String>) -> Self {
        HttpProblem::new(StatusCode::BAD_REQUEST, code, detail).into()
    }

    /// There is no such session, or it belongs to another caller. MCP clients initialize again on this 404.
    #[must_use]
    pub fn session_not_found() -> Self {
        let detail = "session not found: it ended or never was; initialize again";
        HttpProblem::new(StatusCode::NOT_FOUND, "session_unknown", detail).into()
    }

    /// The JSON-RPC message.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // JSON-RPC 2.0, section 5: the id is null if that of the request could not be read.
        let id = self.id.as_ref();
        let id = id.and_then(|id| serde_json::to_value(id).ok());
        let mut data = json!({ "code": self.problem.code() });
        if let Some(seconds) = self.problem.seconds_to_wait() {
            data["retry_after_seconds"] = seconds.into();
        }
        let error = json!({ "code": self.code.0, "message": self.problem.detail(), "data": data });
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

impl From<HttpProblem> for RpcError {
    fn from(problem: HttpProblem) -> Self {
        let code = if problem.is_of_a_limit() {
            RATE_LIMITED
        } else if problem.status().is_server_error() {
            ErrorCode::INTERNAL_ERROR
        } else {
            ErrorCode::INVALID_REQUEST
        };
        Self {
            problem: Box::new(problem),
            code,
            id: None,
        }
    }
}

impl IntoResponse for RpcError {
    fn into_response(self) -> Response {
        let mut response = (self.problem.status(), Json(self.to_json())).into_response();
        self.problem.put_headers(&mut response);
        response
    }
}
