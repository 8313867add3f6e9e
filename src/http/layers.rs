//! The layers in front of the routes, each with the reason for its place. Routes are in `router.rs`.
//!
//! A request meets them in this order: route group, log, panic catcher, limits of the address, guard, CORS,
//! body time limit, link, bearer token, limits of the caller, narrowing.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::guard::OriginGuard;
use super::problem::HttpProblem;
use super::route_group::RouteGroup;
use super::state::HttpState;
use super::{auth, guard, limits, link, request_log, sse, tool_filter};

/// How long a page's permission to call is remembered by its browser.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// Routes of `group`, logged and counted.
pub(super) fn in_group(routes: Router, group: RouteGroup, state: &HttpState) -> Router {
    let logged = (state.proxies.clone(), state.metrics.clone());
    routes.layer(
        ServiceBuilder::new()
            // Outside of all others: each of them may have to answer in the form of the group.
            .layer(Extension(group))
            // Outside of what answers, so that every answer is logged with its id.
            .layer(from_fn_with_state(logged, request_log::log_request))
            // Inside of the log: a panic has a status and an id, too.
            .layer(CatchPanicLayer::custom(answer_panic)),
    )
}

/// Routes whose requests are counted for their address.
pub(super) fn limited_by_address(routes: Router, state: &HttpState) -> Router {
    // Before all other work for a request: a flood costs one look-up in a map for each of its requests.
    routes.layer(from_fn_with_state(
        state.limiter.clone(),
        limits::limit_by_address,
    ))
}

/// Routes that web pages must not reach through their visitor's browser, unless the operator says so.
pub(super) fn guarded(routes: Router, state: &HttpState) -> Router {
    routes.layer(
        ServiceBuilder::new()
            // Before CORS, which would tell a page of a foreign host that it may call.
            .layer(from_fn_with_state(
                state.guard.clone(),
                guard::check_host_and_origin,
            ))
            // Before authentication: preflights carry no token.
            .layer(cors_layer(state.guard.clone())),
    )
}

/// Routes whose bodies are not waited for without end.
pub(super) fn with_body_timeout(routes: Router, state: &HttpState) -> Router {
    // Before authentication, which may read no body: the layers inside have no other body than the timed one.
    routes.layer(from_fn_with_state(
        state.settings.limits.body_pause,
        limits::body_timeout,
    ))
}

/// Routes for callers with a bearer token.
pub(super) fn authenticated(routes: Router, state: &HttpState) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state.auth.clone(), auth::require_caller))
            // Behind authentication: it counts callers.
            .layer(from_fn_with_state(
                state.limiter.clone(),
                limits::limit_by_caller,
            )),
    )
}

/// Routes that a link opens as well as a token.
pub(super) fn with_links(routes: Router, state: &Arc<HttpState>) -> Router {
    // In front of authentication, which lets those through that are known already.
    routes.layer(from_fn_with_state(state.clone(), link::accept_link))
}

/// Routes that offer fewer tools where path or headers ask for it.
pub(super) fn narrowed(routes: Router, state: &HttpState) -> Router {
    routes.layer(
        ServiceBuilder::new()
            // The answer's last change: what comes out is for the client.
            .layer(map_response(sse::prepare_stream))
            // Innermost: it changes the caller that authentication found.
            .layer(from_fn_with_state(
                state.registry.clone(),
                tool_filter::narrow_caller,
            )),
    )
}

/// The CORS answers for MCP clients that run in a browser.
fn cors_layer(guard: Arc<OriginGuard>) -> CorsLayer {
    // The headers of MCP. A browser sends a header only if the preflight allows it, and fails the call
    // otherwise.
    let names = [
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
    ];
    let mut allowed = vec![AUTHORIZATION, CONTENT_TYPE, ACCEPT];
    allowed.extend([tool_filter::TOOLSETS, tool_filter::READ_ONLY]);
    allowed.extend(names.map(HeaderName::from_static));
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| {
            origin
                .to_str()
                .is_ok_and(|origin| guard.admits_origin(origin))
        }))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(allowed)
        // A script can read only the headers that are named here (CORS).
        .expose_headers([
            HeaderName::from_static("mcp-session-id"),
            RETRY_AFTER,
            WWW_AUTHENTICATE,
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}

fn answer_panic(_: Box<dyn std::any::Any + Send + 'static>) -> http::Response<Body> {
    tracing::error!("a request handler panicked");
    HttpProblem::internal_error().into_response()
}
