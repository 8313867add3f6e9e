//! A server that is ready to be served: its routes, and its work in the background.

use std::sync::Arc;

use axum::Router;
use tokio::task::JoinSet;

use super::exposition::MetricsExposition;
use super::router;
use super::state::HttpState;

/// Routes, their state, and the work that goes on beside requests. [`super::serve::serve_http`] serves it.
#[derive(Debug)]
pub struct HttpApp {
    pub(super) router: Router,
    pub(super) state: Arc<HttpState>,
    /// Ends with the server: a dropped set stops its tasks.
    tasks: JoinSet<()>,
}

impl HttpApp {
    /// A server of `state`. Call it inside a tokio runtime: the work in the background begins here.
    #[must_use]
    pub fn new(state: HttpState) -> Self {
        let state = Arc::new(state);
        let mut tasks = JoinSet::new();
        let sessions = state.mcp.mcp_sessions().clone();
        tasks.spawn(async move { sessions.end_idle_forever().await });
        let limiter = state.limiter.clone();
        tasks.spawn(async move { limiter.forget_forever().await });
        // A token that the operator removes from the file must stop working without a restart.
        if let Some(tokens) = state.auth.token_file() {
            tasks.spawn(async move { tokens.watch_file().await });
        }
        Self {
            router: router::build_router(&state),
            state,
            tasks,
        }
    }

    /// The metrics, for an address of their own.
    #[must_use]
    pub fn metrics_exposition(&self) -> MetricsExposition {
        self.state.exposition()
    }

    /// Stops the work in the background, and closes the record of calls.
    pub(super) async fn close_background(mut self) {
        self.tasks.shutdown().await;
        if let Some(audit) = &self.state.audit {
            audit.close().await;
        }
    }
}
