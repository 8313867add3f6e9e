//! The metadata of this server's protected resources (RFC 9728): where clients get tokens.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

use super::challenge::{USUAL_LEVEL, scope_names};
use super::problem::HttpProblem;
use super::state::HttpState;
use crate::caller::Grants;
use crate::oauth::{OAuthConfig, WELL_KNOWN, is_entry_point};

/// A document for each entry point, at the place that the RFC derives from its address; none without an
/// authorization server. Open to every page of every origin: it is public.
pub(super) fn routes(state: &Arc<HttpState>) -> Router {
    if state.auth.oauth_verifier().is_none() {
        return Router::new();
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers([HeaderName::from_static("mcp-protocol-version")]);
    Router::new()
        .route(WELL_KNOWN, get(describe_root))
        .route(&format!("{WELL_KNOWN}/"), get(describe_root))
        .route(&format!("{WELL_KNOWN}/{{*path}}"), get(describe_resource))
        .layer(cors)
        .with_state(state.clone())
}

async fn describe_root(State(state): State<Arc<HttpState>>) -> Result<Json<Value>, HttpProblem> {
    metadata_answer(&state, "/")
}

/// The RFC puts the well-known part in front of the whole path, which a proxy's prefix is part of; challenges
/// name a place behind the prefix, which the proxy takes away.
async fn describe_resource(
    State(state): State<Arc<HttpState>>,
    Path(path): Path<String>,
) -> Result<Json<Value>, HttpProblem> {
    let path = format!("/{path}");
    let prefix = &state.settings.path_prefix;
    let below = path.strip_prefix(prefix.as_str());
    let below = below.filter(|below| is_entry_point(below));
    metadata_answer(&state, below.unwrap_or(&path))
}

fn metadata_answer(state: &HttpState, path: &str) -> Result<Json<Value>, HttpProblem> {
    let verifier = state.auth.oauth_verifier();
    let config = verifier.map(|verifier| verifier.config());
    match config.filter(|_| is_entry_point(path)) {
        Some(config) => Ok(Json(metadata_document(config, path))),
        None => Err(HttpProblem::new(
            StatusCode::NOT_FOUND,
            "path_unknown",
            "there is no resource at this path; MCP is at /mcp",
        )),
    }
}

fn metadata_document(config: &OAuthConfig, path: &str) -> Value {
    let usual = Grants::in_each(&config.realms, USUAL_LEVEL);
    json!({
        "resource": config.resource_at(path),
        "authorization_servers": config.issuers,
        "scopes_supported": scope_names(&usual),
        "bearer_methods_supported": ["header"],
        "resource_name": "kasm-mcp",
    })
}
