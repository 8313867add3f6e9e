//! `/health`, `/healthz` and `/readyz`: public, so they reveal almost nothing.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::auth::Authenticator;
use super::limits::Visitor;

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Probes what this server depends on.
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
}

pub(super) fn routes(health: Arc<Health>, auth: Arc<Authenticator>) -> Router {
    Router::new()
        .route("/health", get(detail))
        .with_state(Shared { health, auth })
}

/// For supervisors, which may poll it often.
pub(super) fn open_routes() -> Router {
    Router::new()
        .route("/healthz", get(ok))
        .route("/readyz", get(ok))
}

/// Status and version; with a token also whether Kasm can be reached.
async fn detail(
    State(shared): State<Shared>,
    visitor: Option<Extension<Arc<Visitor>>>,
    headers: HeaderMap,
) -> Response {
    let mut body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    if is_known(&shared.auth, visitor, &headers).await {
        body["kasm"] = match (shared.health.upstream)().await {
            Ok(()) => json!({ "reachable": true }),
            Err(reason) => json!({ "reachable": false, "reason": reason }),
        };
    }
    Json(body).into_response()
}

/// An invalid token counts as a failed authentication, and no token is tried beyond that limit: this must not
/// become a place to guess tokens.
async fn is_known(
    auth: &Authenticator,
    visitor: Option<Extension<Arc<Visitor>>>,
    headers: &HeaderMap,
) -> bool {
    let is_locked = |visitor: &Extension<Arc<Visitor>>| visitor.locked().is_some();
    if visitor.as_ref().is_some_and(is_locked) {
        return false;
    }
    let is_known = auth.authenticate(headers).await.is_ok();
    if let Some(visitor) = visitor
        && !is_known
        && headers.contains_key(AUTHORIZATION)
    {
        visitor.failed();
    }
    is_known
}

/// A stopping server accepts no connections, so a server that answers is alive and ready.
async fn ok() -> &'static str {
    "ok\n"
}
