//! `/health`, `/healthz` and `/readyz`: open to everybody, so they tell next to nothing.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::auth::Authenticator;

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Asks what this server depends on whether it is there.
pub struct Health {
    upstream: Probe,
}

impl Health {
    /// `upstream` fails with a reason that is safe to show.
    pub fn new(
        upstream: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            upstream: Box::new(upstream),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Health")
    }
}

#[derive(Clone)]
struct Shared {
    health: Arc<Health>,
    auth: Arc<Authenticator>,
    stopping: CancellationToken,
}

pub(super) fn routes(
    health: Arc<Health>,
    auth: Arc<Authenticator>,
    stopping: CancellationToken,
) -> Router {
    Router::new()
        .route("/health", get(detail))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .with_state(Shared {
            health,
            auth,
            stopping,
        })
}

/// Status and version; with a token also whether Kasm can be reached.
async fn detail(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let status = if shared.stopping.is_cancelled() {
        "stopping"
    } else {
        "ok"
    };
    let mut body = json!({ "status": status, "version": env!("CARGO_PKG_VERSION") });
    if shared.auth.authenticate(&headers).is_ok() {
        body["kasm"] = match (shared.health.upstream)().await {
            Ok(()) => json!({ "reachable": true }),
            Err(reason) => json!({ "reachable": false, "reason": reason }),
        };
    }
    Json(body).into_response()
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Not ready while stopping, so that a balancer sends nothing more.
async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.stopping.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
