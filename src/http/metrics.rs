//! `GET /metrics`: for administrators of all realms, or without a token at its own address.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{Extensions, StatusCode};
use tokio::net::TcpListener;

use super::challenge::insufficient_scope;
use super::exposition::MetricsExposition;
use super::identity::Authenticated;
use super::problem::HttpProblem;
use super::state::HttpState;
use crate::caller::{Credential, Grants, Level, Scope};

/// The route behind authentication.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/metrics", get(to_admins))
}

async fn to_admins(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    request: Extensions,
) -> Result<Response, HttpProblem> {
    // The metrics are about the tools of all realms.
    let realms = state.registry.all_realms().into_iter();
    let needed: Grants = realms
        .map(|realm| Scope::new(realm, Level::Admin))
        .collect();
    if needed.granted_scopes().all(|scope| caller.has_scope(scope)) {
        return Ok(state.exposition().as_response());
    }
    // Only an OAuth client can get more scope by itself, so only it gets a challenge.
    if caller.credential == Credential::OAuth {
        return Err(insufficient_scope(request.get(), &needed));
    }
    let detail = format!("this needs a token with the scope {needed}");
    Err(HttpProblem::new(
        StatusCode::FORBIDDEN,
        "insufficient_scope",
        detail,
    ))
}

/// Serves metrics without a token at `listener`, an address that only the monitoring system can reach.
///
/// # Errors
/// The listener failed.
pub async fn serve_metrics(
    listener: TcpListener,
    exposition: MetricsExposition,
) -> std::io::Result<()> {
    // None of the layers stands in front: the operator has bound this to a private address.
    let answer = async |State(exposition): State<MetricsExposition>| exposition.as_response();
    let router = Router::new().route("/metrics", get(answer));
    axum::serve(listener, router.with_state(exposition)).await
}
