//! What all routes and layers share.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ServerHandler;
use tokio::sync::Semaphore;

use super::auth::Authenticator;
use super::client_ip::TrustedProxies;
use super::exposition::MetricsExposition;
use super::guard::{AllowedHosts, OriginGuard};
use super::limits::{RequestLimiter, RequestLimits};
use crate::audit::AuditLog;
use crate::links::OpenLinks;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::sessions::SessionLimits;
use crate::mcp::subscriptions::ChangeNotices;
use crate::metrics::ServerMetrics;
use crate::relay::OutputRelay;
use crate::tool::registry::Registry;

/// The HTTP part of the configuration.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Which names and pages may call.
    pub guard: OriginGuard,
    /// The proxies that are believed about where a request comes from.
    pub proxies: TrustedProxies,
    /// Rates, the most streams and connections, and the time limit of bodies.
    pub limits: RequestLimits,
    /// Limits of the sessions of older revisions.
    pub sessions: SessionLimits,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// Files on their way at a time.
    pub transfers_max: usize,
    /// A path that a proxy puts in front of ours, such as `/kasm`. Usually empty.
    pub path_prefix: String,
    /// Where clients reach this server, if that is known.
    pub public_url: Option<String>,
}

impl HttpSettings {
    /// For a server that only programs on this machine reach: as good as no limits.
    #[must_use]
    pub fn for_this_machine() -> Self {
        Self {
            guard: OriginGuard {
                hosts: AllowedHosts::Any,
                origins: Vec::new(),
                local_origins: true,
            },
            proxies: TrustedProxies::default(),
            limits: RequestLimits::without_limits(),
            sessions: SessionLimits {
                all_max: 1_000,
                per_caller_max: 1_000,
                idle: Duration::from_secs(300),
            },
            body_bytes_max: 1 << 20,
            transfers_max: 16,
            path_prefix: String::new(),
            public_url: None,
        }
    }
}

/// The parts of a server, shared by all routes and layers.
#[derive(Debug)]
pub struct HttpState {
    /// The configuration.
    pub(super) settings: HttpSettings,
    pub(super) guard: Arc<OriginGuard>,
    pub(super) proxies: Arc<TrustedProxies>,
    /// The way to the MCP handler.
    pub(super) mcp: Dispatcher,
    pub(super) registry: Arc<Registry>,
    pub(super) auth: Arc<Authenticator>,
    pub(super) limiter: Arc<RequestLimiter>,
    pub(super) metrics: ServerMetrics,
    pub(super) relay: Option<Arc<OutputRelay>>,
    pub(super) links: Option<Arc<OpenLinks>>,
    /// Places for files on their way.
    pub(super) transfers: Arc<Semaphore>,
    pub(super) audit: Option<AuditLog>,
}

impl HttpState {
    /// A server of `handler` for the callers of `auth`. `registry` has the tools behind the handler, for the
    /// surfaces without MCP.
    pub fn new<H: ServerHandler + Clone + Sync>(
        handler: H,
        registry: Arc<Registry>,
        auth: Authenticator,
        settings: HttpSettings,
    ) -> Self {
        let metrics = ServerMetrics::default();
        Self {
            mcp: Dispatcher::new(handler, settings.sessions, settings.body_bytes_max),
            guard: Arc::new(settings.guard.clone()),
            proxies: Arc::new(settings.proxies.clone()),
            limiter: Arc::new(RequestLimiter::new(settings.limits, metrics.clone())),
            registry,
            auth: Arc::new(auth),
            metrics,
            relay: None,
            links: None,
            transfers: Arc::new(Semaphore::new(settings.transfers_max)),
            audit: None,
            settings,
        }
    }

    /// The same, counted in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ServerMetrics) -> Self {
        // The limiter holds the metrics too, so it is built again. It has counted nothing yet.
        self.limiter = Arc::new(RequestLimiter::new(self.settings.limits, metrics.clone()));
        self.metrics = metrics;
        self
    }

    /// Adds the notifications that the handler sends to clients.
    #[must_use]
    pub fn with_notices(mut self, notices: ChangeNotices) -> Self {
        self.mcp = self.mcp.with_notices(notices);
        self
    }

    /// Adds the relay that receives output of workspaces.
    #[must_use]
    pub fn with_relay(mut self, relay: Option<Arc<OutputRelay>>) -> Self {
        self.relay = relay;
        self
    }

    /// Adds links to files, which work without a token.
    #[must_use]
    pub fn with_links(mut self, links: Option<Arc<OpenLinks>>) -> Self {
        self.links = links;
        self
    }

    /// Adds the audit log. It is closed when serving has ended.
    #[must_use]
    pub fn with_audit(mut self, audit: Option<AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// The metrics, and what is counted at each scrape.
    pub(super) fn exposition(&self) -> MetricsExposition {
        MetricsExposition {
            metrics: self.metrics.clone(),
            sessions: self.mcp.mcp_sessions().clone(),
            limiter: self.limiter.clone(),
        }
    }
}
