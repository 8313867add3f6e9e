//! What a monitoring system reads.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::limits::RequestLimiter;
use crate::mcp::sessions::McpSessions;
use crate::metrics::{MEDIA_TYPE, ServerMetrics};

/// What is counted, here and elsewhere.
#[derive(Clone, Debug)]
pub struct MetricsExposition {
    pub(super) metrics: ServerMetrics,
    pub(super) sessions: Arc<McpSessions>,
    pub(super) limiter: Arc<RequestLimiter>,
}

impl MetricsExposition {
    /// All of it, as an answer.
    pub(super) fn as_response(&self) -> Response {
        let text = self
            .metrics
            .exposition_text(self.sessions.session_count(), self.limiter.open_streams());
        ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    }
}
