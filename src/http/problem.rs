//! Failures of the HTTP layer, in no form yet, and as problem details (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::rest;
use crate::tool::ToolError;

/// Marks an answer as a refusal, with the limit that was reached, for what is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct LimitReached(pub(super) &'static str);

/// Why a request came to nothing.
#[derive(Debug)]
pub struct HttpProblem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<u64>,
    // Boxed, because the problem is the error of many results, and each of them is as large as it.
    challenge: Option<Box<HeaderValue>>,
    limit: Option<&'static str>,
}

impl HttpProblem {
    /// `code` is the kind, the same for each occurrence and in each form; `detail` says what to do.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after: None,
            challenge: None,
            limit: None,
        }
    }

    /// A request that cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// A defect of this server.
    #[must_use]
    pub fn internal_error() -> Self {
        let detail = "the request failed unexpectedly; it is in the server's log under the x-request-id of this answer";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The same problem, and after how many seconds it may be over.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same problem with a challenge (`WWW-Authenticate`).
    #[must_use]
    pub fn with_challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(Box::new(challenge));
        self
    }

    /// The same problem as one of a limit, by the name it is counted under.
    #[must_use]
    pub fn limited_by(mut self, limit: &'static str) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// One sentence for the client: what is wrong and what to do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// After how many seconds it may be over.
    #[must_use]
    pub fn seconds_to_wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// Whether a limit was reached.
    #[must_use]
    pub fn is_of_a_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// Writes the headers that all forms share, `Retry-After` and `WWW-Authenticate`, and the mark for the
    /// metrics.
    pub(super) fn put_headers(&self, response: &mut Response) {
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = &self.challenge {
            let challenge = HeaderValue::clone(challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(limit) = self.limit {
            response.extensions_mut().insert(LimitReached(limit));
        }
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        // RFC 9457, section 3.1.3: the title is the same for each occurrence of a problem. The code is, too.
        let body = json!({
            "title": self.code.replace('_', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        let mut response = (self.status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        self.put_headers(&mut response);
        response
    }
}

impl From<ToolError> for HttpProblem {
    fn from(error: ToolError) -> Self {
        let status = rest::status_of(error.error_type);
        let detail = format!("{}; {}", error.message, error.hint);
        Self {
            retry_after: error.retry_after,
            ..Self::new(status, error.code, detail)
        }
    }
}
