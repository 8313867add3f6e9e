//! The HTTP surface: its routes, and the layers in front of them.
//!
//! The router is generic over the rmcp handler, so that the conformance suite can test this stack with its own
//! handler.

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

/// How long a browser may cache the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(3_600);

/// The parts of the surface.
#[derive(Debug)]
pub struct Surface {
    /// The accepted credentials.
    pub auth: Authenticator,
    /// The tools, for checks before a call.
    pub registry: Arc<Registry>,
    /// The accepted hosts and origins.
    pub guard: Guard,
    /// The proxies whose forwarding headers are used.
    pub proxies: TrustedProxies,
    /// The parts of `/health`.
    pub health: Health,
    /// The metrics.
    pub metrics: Metrics,
    /// The rate limits.
    pub limits: RequestLimits,
    /// The limits of MCP sessions.
    pub sessions: SessionLimits,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// The path that a proxy removes, such as `/kasm`. Usually empty.
    pub path_prefix: String,
    /// The URL that clients use, if known.
    pub public_url: Option<String>,
    /// The output relay, if it is on.
    pub relay: Option<Arc<Relay>>,
    /// The file transfers, if a provider has some.
    pub files: Option<Files>,
    /// The handler's notifications, if it has some.
    pub notices: Option<Notices>,
    /// The audit log, if there is one.
    pub audit: Option<Audit>,
}

/// The router with its state, for [`serve::serve`].
#[derive(Debug)]
pub struct App {
    /// The routes.
    pub router: Router,
    /// The MCP sessions.
    pub sessions: Arc<Sessions>,
    /// The content of `/metrics`.
    pub exposition: Exposition,
    /// The rate limits of addresses and callers.
    limiter: Arc<Limiter>,
    /// The trusted proxies, whose connections carry many clients.
    proxies: Arc<TrustedProxies>,
    /// The notifications.
    pub notices: Option<Notices>,
    /// The audit log.
    pub audit: Option<Audit>,
    /// The tokens file, which is polled for changes.
    pub tokens: Option<Arc<Tokens>>,
    /// Cancelled at the drain limit, to end what still runs in rmcp's transport.
    pub cut_off: CancellationToken,
}

/// The state that the MCP routes share.
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
    /// The messages of a session's notification stream.
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

/// Builds the surface with `handler` behind it.
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
    // A link can replace a token, so these routes authenticate themselves.
    let files = surface
        .files
        .map(|files| files::routes(files, auth.clone(), limiter.clone(), surface.audit.clone()));
    let pause = surface.limits.body_pause;
    let called = authenticated.merge(files.unwrap_or_default()).layer(
        ServiceBuilder::new()
            .layer(middleware::from_fn_with_state(guard.clone(), guard::layer))
            // Before authentication, because preflight requests carry no token.
            .layer(cors(guard))
            .layer(middleware::from_fn_with_state(pause, limits::patience)),
    );
    // Public routes that are cheap, and the relay of sessions, have no rate limit.
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

/// The routes that require authentication.
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
        // HTTP+SSE of 2024-11-05. Some clients are configured without a path.
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

/// rmcp's transport for revision 2026-07-28: stateless, with one JSON object where possible.
fn modern_service<H: ServerHandler + Clone + Sync>(
    handler: H,
    cut_off: &CancellationToken,
    body_bytes_max: usize,
) -> StreamableHttpService<H, NeverSessionManager> {
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_cancellation_token(cut_off.clone())
        // Our own guard has checked Host and Origin.
        .disable_allowed_hosts();
    config.max_request_body_bytes = body_bytes_max;
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), config)
}

/// CORS for browser-based MCP clients.
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
        "this path does not exist; MCP is at /mcp, and HTTP+SSE also at /sse",
    )
}

fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> http::Response<axum::body::Body> {
    use axum::response::IntoResponse;
    tracing::error!("a request handler panicked");
    Problem::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "internal error",
        "the request failed unexpectedly; the server's log has the cause under the x-request-id of this answer",
    )
    .into_response()
}
