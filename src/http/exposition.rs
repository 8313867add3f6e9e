//! What a monitoring system reads.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::limits::Limiter;
use crate::mcp::sessions::McpSessions;
use crate::metrics::{MEDIA_TYPE, Metrics};

/// What is counted, here and elsewhere.
#[derive(Clone, Debug)]
pub struct Exposition {
    pub(super) metrics: Metrics,
    pub(super) sessions: Arc<McpSessions>,
    pub(super) limiter: Arc<Limiter>,
}

impl Exposition {
    /// All of it, as an answer.
    pub(super) fn answer(&self) -> Response {
        let text = self
            .metrics
            .text(self.sessions.session_count(), self.limiter.open_streams());
        ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    }
}
