//! The metrics as a monitoring system reads them.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::limits::RequestLimiter;
use crate::mcp::sessions::McpSessions;
use crate::metrics::{MEDIA_TYPE, ServerMetrics};

/// The metrics, and the places whose sizes are read at each scrape.
#[derive(Clone, Debug)]
pub struct MetricsExposition {
    pub(super) metrics: ServerMetrics,
    pub(super) sessions: Arc<McpSessions>,
    pub(super) limiter: Arc<RequestLimiter>,
}

impl MetricsExposition {
    /// All metrics in the text form of OpenMetrics.
    pub(super) fn as_response(&self) -> Response {
        let text = self
            .metrics
            .exposition_text(self.sessions.session_count(), self.limiter.open_streams());
        ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    }
}
