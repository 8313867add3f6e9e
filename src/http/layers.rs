//! What stands in front of the routes. Routes are in `router.rs`.
//!
//! A request meets, in this order: log, panic catcher, limits of the address, guard, CORS, body time limit, link,
//! bearer token, limits of the caller, narrowing. Two functions do that, because each layer of its own would cost every
//! request a copy of all services inside of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use super::guard::{OriginGuard, check_host_and_origin};
use super::problem::HttpProblem;
use super::request_log::RequestLog;
use super::route_group::RouteGroup;
use super::state::HttpState;
use super::{auth, limits, link, sse, tool_filter};

/// How long a page's permission to call is remembered by its browser.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// Who may call the routes of a group, and what is checked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Everybody, as often as they like: supervisors poll from one address, and a limit would make a healthy server look
    /// dead.
    Everybody,
    /// Everybody, so often for each address.
    Address,
    /// Workspaces, whose tokens are in the path. They cannot be guessed, and a command with much output posts often, so
    /// only the time of their bodies is limited.
    Workspaces,
    /// Callers with a bearer token.
    Callers,
    /// The same; path and headers may ask for fewer tools.
    ToolCallers,
    /// The same; a link opens them as well as a token.
    FileCallers,
}

impl Admission {
    fn is_for_callers(self) -> bool {
        matches!(self, Self::Callers | Self::ToolCallers | Self::FileCallers)
    }

    fn limits_address(self) -> bool {
        self == Self::Address || self.is_for_callers()
    }

    fn narrows_tools(self) -> bool {
        matches!(self, Self::ToolCallers | Self::FileCallers)
    }
}

/// A group of routes, and who may call them.
#[derive(Clone, Debug)]
struct Entrance {
    group: RouteGroup,
    admission: Admission,
    state: Arc<HttpState>,
}

/// Puts everything in front of the routes of a group.
pub(super) fn behind_entrance(
    routes: Router,
    group: RouteGroup,
    admission: Admission,
    state: &Arc<HttpState>,
) -> Router {
    let entrance = Entrance {
        group,
        admission,
        state: state.clone(),
    };
    // Inside of the log: a panic has a status and an id, too.
    let catch_panics = CatchPanicLayer::custom(answer_panic);
    let outer = ServiceBuilder::new()
        .layer(from_fn_with_state(entrance.clone(), enter))
        .layer(catch_panics);
    if admission.is_for_callers() {
        return routes.layer(
            outer
                // Behind the guard: CORS would tell a page of a foreign host that it may call. Before authentication:
                // preflights carry no token.
                .layer(cors_layer(state.guard.clone()))
                .layer(from_fn_with_state(entrance, admit)),
        );
    }
    if admission == Admission::Workspaces {
        return routes.layer(outer.layer(from_fn_with_state(entrance, admit)));
    }
    routes.layer(outer)
}

/// The outer half: log, limits of the address, guard.
async fn enter(State(entrance): State<Entrance>, mut request: Request, next: Next) -> Response {
    let Entrance {
        group,
        admission,
        state,
    } = entrance;
    // First: everything behind may have to answer in the form of the group.
    request.extensions_mut().insert(group);
    let log = RequestLog::begin(&state.proxies, group.label, &mut request);
    let span = log.span.clone();
    async move {
        let mut response = match check_entry(&state, admission, request, next).await {
            Ok(response) => response,
            Err(problem) => group.form.answer(problem),
        };
        log.finish(&state.metrics, &mut response);
        response
    }
    .instrument(span)
    .await
}

async fn check_entry(
    state: &HttpState,
    admission: Admission,
    mut request: Request,
    next: Next,
) -> Result<Response, HttpProblem> {
    // Before all other work for a request: a flood costs one look-up in a map for each of its requests.
    let counted = if admission.limits_address() {
        limits::count_for_address(&state.limiter, &mut request)?
    } else {
        None
    };
    // Web pages must not reach callers' routes through their visitor's browser, unless the operator says so.
    if admission.is_for_callers() {
        check_host_and_origin(&state.guard, &request)?;
    }
    let response = next.run(request).await;
    if let Some(counted) = counted {
        counted.count_answer(&response)?;
    }
    Ok(response)
}

/// The inner half: body time limit, link, bearer token, limits of the caller, narrowing.
async fn admit(State(entrance): State<Entrance>, request: Request, next: Next) -> Response {
    let Entrance {
        group,
        admission,
        state,
    } = entrance;
    // Before authentication, which may read no body: what is inside has no other body than the timed one.
    let mut request = limits::time_body(request, state.settings.limits.body_pause);
    if !admission.is_for_callers() {
        return next.run(request).await;
    }
    // In front of authentication, which lets those through that are known already.
    if admission == Admission::FileCallers
        && let Err(answer) =
            link::accept_link(state.links.as_deref(), group.form, &mut request).await
    {
        return answer;
    }
    match admit_caller(&state, group, admission, request, next).await {
        Ok(response) => response,
        Err(problem) => group.form.answer(problem),
    }
}

async fn admit_caller(
    state: &HttpState,
    group: RouteGroup,
    admission: Admission,
    mut request: Request,
    next: Next,
) -> Result<Response, HttpProblem> {
    let admitted = auth::admit_caller(&state.auth, &mut request).await?;
    // Behind authentication: it counts callers.
    let place = limits::count_for_caller(&state.limiter, group.form, &mut request)?;
    if admission.narrows_tools() {
        // Last: it changes the caller that authentication found.
        tool_filter::narrow_caller(&state.registry, &mut request).await?;
    }
    let answer = async move {
        let mut response = next.run(request).await;
        if admission.narrows_tools() {
            response = sse::prepare_stream(response);
        }
        match place {
            Some(place) => limits::hold_stream_place(response, place),
            None => response,
        }
    };
    admitted.answer_while_valid(answer).await
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
