//! The routes. What stands in front of them is in `layers.rs`.

use std::sync::Arc;

use axum::Router;
use http::StatusCode;

use super::layers::{Admission, behind_entrance};
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
    let entrance = |routes, group, admission| behind_entrance(routes, group, admission, state);
    let of_state = |routes: Router<Arc<HttpState>>| routes.with_state(state.clone());
    let tools = |routes, group| entrance(of_state(routes), group, Admission::ToolCallers);
    let files = of_state(files::routes());
    let metrics = of_state(metrics::routes());
    let health = of_state(health::routes());
    let metadata = metadata::routes(state);
    let relay = of_state(relay::routes());
    let unknown = Router::new().fallback(answer_unknown_path);
    Router::new()
        .merge(tools(mcp, MCP))
        .merge(tools(sse, SSE))
        .merge(tools(rest::routes(), REST))
        .merge(entrance(files, FILES, Admission::FileCallers))
        .merge(entrance(metrics, METRICS, Admission::Callers))
        .merge(entrance(health, HEALTH, Admission::Address))
        .merge(entrance(metadata, METADATA, Admission::Address))
        .merge(entrance(
            health::open_routes(),
            HEALTH,
            Admission::Everybody,
        ))
        .merge(entrance(relay, RELAY, Admission::Workspaces))
        .merge(entrance(unknown, OTHER, Admission::Everybody))
}

async fn answer_unknown_path() -> HttpProblem {
    HttpProblem::new(
        StatusCode::NOT_FOUND,
        "path_unknown",
        "there is nothing at this path; MCP is at /mcp, HTTP+SSE also at /sse",
    )
}
