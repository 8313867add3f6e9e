//! `/health`, `/healthz` and `/readyz`: public, so they reveal almost nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;

use super::auth::Authenticator;
use super::limits::AddressState;
use super::state::HttpState;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/health", get(health_detail))
}

/// For supervisors, which may poll it often.
pub(super) fn open_routes() -> Router {
    Router::new()
        .route("/healthz", get(answer_ok))
        .route("/readyz", get(answer_ok))
}

/// Status and version; with a token also whether the system of each provider can be reached.
async fn health_detail(
    State(state): State<Arc<HttpState>>,
    address_state: Option<Extension<Arc<AddressState>>>,
    headers: HeaderMap,
) -> Response {
    let mut body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    if is_known(&state.auth, address_state, &headers).await {
        for (provider, health) in state.registry.check_health().await {
            body[provider] = match health {
                Ok(()) => json!({ "reachable": true }),
                Err(reason) => json!({ "reachable": false, "reason": reason }),
            };
        }
    }
    Json(body).into_response()
}

/// An invalid token counts as a failed authentication, and no token is tried beyond that limit: this must not
/// become a place to guess tokens.
async fn is_known(
    auth: &Authenticator,
    address_state: Option<Extension<Arc<AddressState>>>,
    headers: &HeaderMap,
) -> bool {
    let is_locked =
        |address_state: &Extension<Arc<AddressState>>| address_state.locked_for().is_some();
    if address_state.as_ref().is_some_and(is_locked) {
        return false;
    }
    let is_known = auth.authenticate_headers(headers).await.is_ok();
    // Supervisors poll without a token, which is no attempt to guess one.
    if let Some(address_state) = address_state
        && !is_known
        && headers.contains_key(AUTHORIZATION)
    {
        address_state.count_failure();
    }
    is_known
}

/// A stopping server accepts no connections, so a server that answers is alive and ready.
async fn answer_ok() -> &'static str {
    "ok\n"
}
