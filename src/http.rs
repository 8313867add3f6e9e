//! The HTTP surface: routes, and the layers in front of them.
//!
//! The router is generic over the rmcp handler, so that the conformance suite tests this very
//! stack with a handler of its own.

pub mod auth;
pub mod client_ip;
pub mod files;
pub mod guard;
pub mod health;
mod legacy_sse;
pub mod limits;
pub mod metrics;
mod narrow;
mod oauth;
pub mod problem;
mod relay;
mod request_log;
mod rest;
pub mod serve;
mod sse;
mod streamable;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::response::sse::Event;
use axum::routing::{get, post};
use futures::stream::{self, Stream, StreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use rmcp::ServerHandler;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::access::Tokens;
use crate::audit::Audit;
use crate::caller::Caller;
use crate::mcp::Notices;
use crate::mcp::sessions::{Session, SessionLimits, Sessions};
use crate::metrics::Metrics;
use crate::relay::Relay;
use crate::tool::registry::Registry;
use auth::Authenticator;
use client_ip::TrustedProxies;
use files::Files;
use guard::Guard;
use health::Health;
use limits::{Limiter, RequestLimits};
use metrics::Exposition;
use problem::Problem;

/// How long a page's permission to call is remembered by its browser.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// What the surface is made of.
#[derive(Debug)]
pub struct Surface {
    /// Who may call.
    pub auth: Authenticator,
    /// The tools behind the handler, for what has to be known before they are called.
    pub registry: Arc<Registry>,
    /// From where.
    pub guard: Guard,
    /// Whose word is taken for where a request comes from.
    pub proxies: TrustedProxies,
    /// What `/health` tells.
    pub health: Health,
    /// Where everything is counted.
    pub metrics: Metrics,
    /// How much may be asked for.
    pub limits: RequestLimits,
    /// Limits of legacy sessions.
    pub sessions: SessionLimits,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// A path that a proxy puts in front of ours, such as `/kasm`. Usually empty.
    pub path_prefix: String,
    /// Where clients reach this server, if that is known.
    pub public_url: Option<String>,
    /// Where workspaces deliver output, if they may.
    pub relay: Option<Arc<Relay>>,
    /// Files that go past the model, if a provider has some.
    pub files: Option<Files>,
    /// What the handler tells unasked, if it does.
    pub notices: Option<Notices>,
    /// The record of calls, if there is one.
    pub audit: Option<Audit>,
}

/// The routes with their state. Hand it to [`serve::serve`].
#[derive(Debug)]
pub struct App {
    /// The routes.
    pub router: Router,
    /// The legacy sessions.
    pub sessions: Arc<Sessions>,
    /// What is told to a monitoring system.
    pub exposition: Exposition,
    /// What requests and connections are held against.
    limiter: Arc<Limiter>,
    /// The proxies, whose connections are those of many.
    proxies: Arc<TrustedProxies>,
    /// What is told unasked.
    pub notices: Option<Notices>,
    /// The record of calls.
    pub audit: Option<Audit>,
    /// The tokens of a file, which has to be looked at.
    pub tokens: Option<Arc<Tokens>>,
    /// Fires to cut off what still runs in rmcp's transport when the drain limit is over.
    pub cut_off: CancellationToken,
}

/// What the MCP routes share.
struct Mcp<H: ServerHandler> {
    handler: H,
    sessions: Arc<Sessions>,
    modern: StreamableHttpService<H, NeverSessionManager>,
    notices: Option<Notices>,
    path_prefix: String,
    public_url: Option<String>,
    body_bytes_max: usize,
    auth: Arc<Authenticator>,
    registry: Arc<Registry>,
}

impl<H: ServerHandler> Mcp<H> {
    /// What the stream of a session tells that belongs to no request.
    fn notices_of(
        &self,
        session: &Arc<Session>,
        caller: &Caller,
    ) -> impl Stream<Item = Event> + Send + use<H> {
        match &self.notices {
            Some(notices) => notices
                .of_session(session.clone(), caller.clone())
                .map(|message| sse::message(&message))
                .boxed(),
            None => stream::pending().boxed(),
        }
    }
}

/// Puts `handler` behind the surface.
pub fn app<H: ServerHandler + Clone + Sync>(handler: H, surface: Surface) -> App {
    let cut_off = CancellationToken::new();
    let limiter = Arc::new(Limiter::new(surface.limits, surface.metrics.clone()));
    let sessions = Arc::new(Sessions::new(surface.sessions));
    let tokens = surface.auth.tokens();
    let auth = Arc::new(surface.auth);
    let metadata = auth.verifier();
    let metadata = metadata.map(|verifier| oauth::routes(&verifier, &surface.path_prefix));
    let mcp = Arc::new(Mcp {
        modern: modern_service(handler.clone(), &cut_off, surface.body_bytes_max),
        handler,
        sessions: sessions.clone(),
        notices: surface.notices.clone(),
        path_prefix: surface.path_prefix,
        public_url: surface.public_url,
        body_bytes_max: surface.body_bytes_max,
        auth: auth.clone(),
        registry: surface.registry.clone(),
    });
    let proxies = Arc::new(surface.proxies);
    let guard = Arc::new(surface.guard);

    let exposition = Exposition {
        metrics: surface.metrics.clone(),
        sessions: sessions.clone(),
        limiter: limiter.clone(),
    };
    let authenticated = authenticated(mcp, surface.registry, exposition.clone(), &auth, &limiter);
    // A link can stand for a token, so these routes look for themselves.
    let files = surface
        .files
        .map(|files| files::routes(files, auth.clone(), limiter.clone(), surface.audit.clone()));
    let pause = surface.limits.body_pause;
    let called = authenticated.merge(files.unwrap_or_default()).layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(guard.clone(), guard::layer))
            // Before authentication: preflights carry no token.
            .layer(cors(guard))
            .layer(middleware::from_fn_with_state(pause, limits::patience)),
    );
    // What is open to everybody and cheap, and what workspaces post, has no limit of its own.
    let called = called
        .merge(health::routes(Arc::new(surface.health), auth))
        .merge(metadata.unwrap_or_default())
        .layer(middleware::from_fn_with_state(
            limiter.clone(),
            limits::by_address,
        ));

    let relayed = surface.relay.map(relay::routes).unwrap_or_default();
    let relayed = relayed.layer(middleware::from_fn_with_state(pause, limits::patience));
    let router = Router::new()
        .merge(called)
        .merge(relayed)
        .merge(health::open_routes())
        .fallback(not_found)
        .layer(
            ServiceBuilder::new()
                // Outermost, so that every answer is logged with its id.
                .layer(middleware::from_fn_with_state(
                    (proxies.clone(), surface.metrics),
                    request_log::layer,
                ))
                .layer(CatchPanicLayer::custom(panicked)),
        );
    App {
        router,
        sessions,
        exposition,
        limiter,
        proxies,
        notices: surface.notices,
        audit: surface.audit,
        tokens,
        cut_off,
    }
}

/// The routes that ask for a token first.
fn authenticated<H: ServerHandler + Clone + Sync>(
    mcp: Arc<Mcp<H>>,
    registry: Arc<Registry>,
    exposition: Exposition,
    auth: &Arc<Authenticator>,
    limiter: &Arc<Limiter>,
) -> Router {
    let rest = rest::routes(&mcp);
    let mut authenticated = Router::new()
        .route("/mcp", streamable::routes())
        .route("/mcp/", streamable::routes());
    for path in narrow::PATHS {
        authenticated = authenticated.route(path, streamable::routes());
    }
    authenticated
        // HTTP+SSE of 2024-11-05. Some clients are configured with no path at all.
        .route("/", get(legacy_sse::open))
        .route("/sse", get(legacy_sse::open))
        .route("/messages", post(legacy_sse::message))
        .route("/messages/", post(legacy_sse::message))
        .with_state(mcp)
        .merge(rest)
        .layer(middleware::from_fn_with_state(registry, narrow::layer))
        .layer(middleware::map_response(sse::prepare_stream))
        .merge(metrics::routes(exposition, auth.clone()))
        .layer(middleware::from_fn_with_state(
            limiter.clone(),
            limits::by_caller,
        ))
        .layer(middleware::from_fn_with_state(auth.clone(), auth::layer))
}

/// rmcp's transport for revision 2026-07-28: stateless, one JSON object where one is enough.
fn modern_service<H: ServerHandler + Clone + Sync>(
    handler: H,
    cut_off: &CancellationToken,
    body_bytes_max: usize,
) -> StreamableHttpService<H, NeverSessionManager> {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_cancellation_token(cut_off.clone())
        // Our own guard has looked at Host and Origin.
        .disable_allowed_hosts();
    config.max_request_body_bytes = body_bytes_max;
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), config)
}

/// What browser-based MCP clients need.
fn cors(guard: Arc<Guard>) -> CorsLayer {
    let names = [
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
    ];
    let mut allowed = vec![AUTHORIZATION, CONTENT_TYPE, ACCEPT];
    allowed.extend([narrow::TOOLSETS, narrow::READ_ONLY]);
    allowed.extend(names.map(HeaderName::from_static));
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| {
            origin.to_str().is_ok_and(|origin| guard.admits(origin))
        }))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(allowed)
        .expose_headers([
            HeaderName::from_static("mcp-session-id"),
            RETRY_AFTER,
            WWW_AUTHENTICATE,
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}

async fn not_found() -> Problem {
    Problem::new(
        http::StatusCode::NOT_FOUND,
        "not found",
        "there is nothing at this path; MCP is at /mcp, HTTP+SSE also at /sse",
    )
}

fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> http::Response<axum::body::Body> {
    use axum::response::IntoResponse;
    tracing::error!("a request handler panicked");
    Problem::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "internal error",
        "the request failed unexpectedly; it is in the server's log under the x-request-id of this answer",
    )
    .into_response()
}
