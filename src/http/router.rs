//! The routes. What stands in front of them is in `layers.rs`.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use super::layers::{
    authenticated, guarded, in_group, limited_by_address, narrowed, with_body_timeout, with_links,
};
use super::problem::HttpProblem;
use super::route_group::{AnswerForm, RouteGroup};
use super::state::HttpState;
use super::{files, health, legacy_sse, metadata, metrics, relay, rest, streamable};

const MCP: RouteGroup = RouteGroup::new("mcp", AnswerForm::JsonRpc);
const SSE: RouteGroup = RouteGroup::new("sse", AnswerForm::JsonRpc);
const REST: RouteGroup = RouteGroup::new("rest", AnswerForm::Problem);
const FILES: RouteGroup = RouteGroup::new("files", AnswerForm::Problem);
const METRICS: RouteGroup = RouteGroup::new("metrics", AnswerForm::Problem);
const HEALTH: RouteGroup = RouteGroup::new("health", AnswerForm::Problem);
const METADATA: RouteGroup = RouteGroup::new("metadata", AnswerForm::Problem);
const RELAY: RouteGroup = RouteGroup::new("relay", AnswerForm::Problem);
const OTHER: RouteGroup = RouteGroup::new("other", AnswerForm::Problem);

/// All routes.
pub(super) fn build_router(state: &Arc<HttpState>) -> Router {
    // HTTP+SSE of 2024-11-05: without this line and its file the revision is gone.
    let (mcp, sse) = legacy_sse::with_legacy_sse(streamable::routes(), state);
    // Inside out: what is applied last meets a request first.
    let tools = |routes: Router<Arc<HttpState>>, group| {
        let routes = narrowed(routes.with_state(state.clone()), state);
        protected_routes(authenticated(routes, state), group, state)
    };
    let files = narrowed(files::routes().with_state(state.clone()), state);
    let files = with_links(authenticated(files, state), state);
    let metrics = authenticated(metrics::routes().with_state(state.clone()), state);
    // Public and cheap routes are limited by address only. Posts of workspaces are not limited at all: their
    // tokens cannot be guessed, and a command with much output posts often.
    let open = |routes, group| in_group(limited_by_address(routes, state), group, state);
    let health = health::routes().with_state(state.clone());
    let relay = relay::routes().with_state(state.clone());
    let unknown = Router::new().fallback(answer_unknown_path);
    Router::new()
        .merge(tools(mcp, MCP))
        .merge(tools(sse, SSE))
        .merge(tools(rest::routes(), REST))
        .merge(protected_routes(files, FILES, state))
        .merge(protected_routes(metrics, METRICS, state))
        .merge(open(health, HEALTH))
        .merge(open(metadata::routes(state), METADATA))
        // Supervisors poll these from one address. A limit would make a healthy server look dead.
        .merge(in_group(health::open_routes(), HEALTH, state))
        .merge(in_group(with_body_timeout(relay, state), RELAY, state))
        .merge(in_group(unknown, OTHER, state))
}

/// Routes for callers, behind all that does not ask who they are.
fn protected_routes(routes: Router, group: RouteGroup, state: &HttpState) -> Router {
    let routes = guarded(with_body_timeout(routes, state), state);
    in_group(limited_by_address(routes, state), group, state)
}

async fn answer_unknown_path() -> HttpProblem {
    HttpProblem::new(
        StatusCode::NOT_FOUND,
        "path_unknown",
        "there is nothing at this path; MCP is at /mcp, HTTP+SSE also at /sse",
    )
}
