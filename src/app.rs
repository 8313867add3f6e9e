//! The composition root: builds a server from a valid configuration.

use std::sync::Arc;

use futures::FutureExt;

use crate::access::{TokenFile, UnusableTokenFile};
use crate::audit::{AuditLog, AuditUnwritable};
use crate::caller::{Caller, Credential};
use crate::clock::WallClock;
use crate::config::{Config, KasmBackend, ServerLimits, token_rules};
use crate::http::auth::Authenticator;
use crate::http::client_ip::TrustedProxies;
use crate::http::guard::OriginGuard;
use crate::http::serve::ServeLimits;
use crate::http::{self, HttpSettings, HttpState};
use crate::kasm::model::UserRef;
use crate::kasm::public::{PublicApi, TlsProblem};
use crate::kasm::session_proxy::SessionProxy;
use crate::kasm::{Kasm, KasmError};
use crate::leases::Leases;
use crate::links::OpenLinks;
use crate::mcp::McpServer;
use crate::mcp::approvals::ApprovalBook;
use crate::mcp::sessions::SessionLimits;
use crate::metrics::ServerMetrics;
use crate::oauth::{FindUser, TokenVerifier};
use crate::providers::kasm::{CATALOGUE, COSTLY_TOOLS, DESCRIPTION, KasmProvider, TOOLSETS};
use crate::relay::OutputRelay;
use crate::tool::provider::{HealthCheck, Provider};
use crate::tool::registry::Registry;

/// The name of the caller of the one token.
const TOKEN_CALLER: &str = "token";
/// The name of the caller if no token is needed.
const LOCAL_CALLER: &str = "local";

/// A client of a Kasm server.
///
/// # Errors
/// The TLS settings cannot be used.
pub fn kasm_client(backend: &KasmBackend) -> Result<Kasm, TlsProblem> {
    counted_kasm(backend, &ServerMetrics::default())
}

/// A client of a Kasm server, counted in `metrics`.
fn counted_kasm(backend: &KasmBackend, metrics: &ServerMetrics) -> Result<Kasm, TlsProblem> {
    let api = PublicApi::new(&backend.connection)?.with_metrics(metrics.clone());
    let proxy = SessionProxy::new(&backend.connection)?.with_metrics(metrics.clone());
    Ok(Kasm::new(Arc::new(api), proxy, backend.image_cache))
}

/// Where workspaces deliver output, if this server has a public URL.
fn output_relay(config: &Config) -> Option<Arc<OutputRelay>> {
    let url = config.http.public_url.as_ref()?;
    Some(OutputRelay::new(format!("{url}/relay")))
}

/// Links to files, if it is known where clients reach this server.
fn open_links(config: &Config) -> Option<Arc<OpenLinks>> {
    let http = &config.http;
    // With port 0 the system chooses the port after this. A link would lead nowhere.
    let own = (http.is_loopback() && http.listen.port() != 0)
        .then(|| format!("http://{}{}", http.listen, http.path_prefix));
    let base = http.public_url.clone().or(own)?;
    Some(Arc::new(OpenLinks::new(base, config.link_lifetime)))
}

/// The sessions that are kept alive or end in time. Call it inside a tokio runtime.
fn session_leases(config: &Config, kasm: &Kasm) -> Leases {
    // A missing directory is no error: leases then live in memory, and a restart loses them.
    let directory = config.state_dir.as_deref();
    let directory = directory.filter(|directory| directory.is_dir());
    if directory.is_none() {
        tracing::debug!(
            "MCP_STATE_DIR does not exist: leases of sessions are lost when this server stops"
        );
    }
    Leases::new(kasm.clone(), directory, WallClock::default())
}

/// The record of calls, if there is to be one. It fails if that cannot be opened, and the settings do not say
/// that calls go on all the same.
fn audit_log(config: &Config) -> Result<Option<AuditLog>, AuditUnwritable> {
    let Some(settings) = &config.audit else {
        return Ok(None);
    };
    match AuditLog::open(settings) {
        Ok(audit) => Ok(Some(audit)),
        Err(problem) if settings.fail_open => {
            tracing::error!(%problem, "no audit log is written");
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// The caller of the configured server: the holder of the token, or the programs on this machine.
fn configured_caller(config: &Config, local: bool) -> Caller {
    let name = if local { LOCAL_CALLER } else { TOKEN_CALLER };
    let caller = Caller::new(name, config.http.auth_grants.clone());
    let mut caller = caller.with_usual_kasm_account(config.usual_kasm_user());
    // The default is `Local`. `/openapi.json` asks for a bearer token for every other kind.
    if !local {
        caller.credential = Credential::Token;
    }
    caller
}

/// Why no server can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The TLS settings cannot be used.
    #[error("{0}; KASM_TLS_CA_FILE must be unset, or name a PEM file that this user can read")]
    Tls(#[from] TlsProblem),
    /// The file of tokens cannot be used.
    #[error("{0}: {1}")]
    Tokens(String, UnusableTokenFile),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditUnwritable),
    /// Other machines can reach it, but no credential is set.
    #[error("no token is set, but other machines can reach this address")]
    Open,
}

/// The accepted credentials of the configured server.
fn build_authenticator(config: &Config, kasm: Option<&Kasm>) -> Result<Authenticator, BuildError> {
    let http = &config.http;
    if http.lacks_credential() {
        return Err(BuildError::Open);
    }
    let caller = configured_caller(config, http.auth_token.is_none());
    let mut auth = Authenticator::new(http.auth_token.as_ref(), caller);
    if let Some(oauth) = &http.oauth {
        let verifier = TokenVerifier::new(oauth.clone());
        let verifier = verifier.map_err(|error| TlsProblem::Unusable(error.to_string()))?;
        let verifier = match kasm {
            Some(kasm) => verifier.with_users(token_rules(None).user_id, find_user(kasm)),
            None => verifier,
        };
        auth = auth.with_oauth(Arc::new(verifier));
    }
    let Some(file) = &http.tokens_file else {
        return Ok(auth);
    };
    let tokens = TokenFile::open(file.clone(), token_rules(config.usual_kasm_user()));
    let tokens = tokens.map_err(|error| BuildError::Tokens(file.display().to_string(), error))?;
    Ok(auth.with_tokens(Arc::new(tokens)))
}

/// Finds Kasm users by name, for OAuth.
fn find_user(kasm: &Kasm) -> FindUser {
    let kasm = kasm.clone();
    Box::new(move |name| {
        let kasm = kasm.clone();
        async move {
            match kasm.api().fetch_user(&UserRef::Name(name.clone())).await {
                // Kasm returns locked and disabled users as well. They must not get in by this way.
                Ok(user) if user.locked || user.disabled => Ok(None),
                // The answer decides whose desktops the caller controls, so it must be the user that was
                // requested.
                Ok(user) if !user.username.eq_ignore_ascii_case(&name) => Ok(None),
                Ok(user) => Ok(Some(user.user_id.to_string())),
                Err(KasmError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    })
}

/// The Kasm provider as a value.
fn kasm_provider(
    config: &Config,
    backend: &KasmBackend,
    client: &Kasm,
    relay: Option<Arc<OutputRelay>>,
    links: Option<Arc<OpenLinks>>,
) -> Provider {
    let leases = session_leases(config, client);
    let tools = backend.tools.clone();
    let state = Arc::new(KasmProvider::new(
        client.clone(),
        relay,
        links,
        leases,
        tools,
    ));
    let client = client.clone();
    let health = HealthCheck::new(move || {
        let client = client.clone();
        async move {
            let health = client.api().check_health().await;
            health.map_err(|error| error.to_string())
        }
        .boxed()
    });
    Provider::new(DESCRIPTION)
        .with_toolsets(&state, TOOLSETS)
        .with_catalogue(CATALOGUE)
        .with_transfers(state)
        .with_cost_rate(&COSTLY_TOOLS, config.limits.costly_tools)
        .with_health(health)
}

/// How clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachedBy {
    /// By HTTP: workspaces and links can, too.
    ByHttp,
    /// By the standard input and output of this process, and in no other way.
    ByStdio,
}

/// Everything of a server but its transport: for `serve`, `stdio`, `demo` and the tests alike.
#[derive(Debug)]
pub struct Application {
    /// The tools.
    pub registry: Arc<Registry>,
    /// The tools as an MCP server.
    pub mcp: McpServer,
    config: Config,
    kasm: Option<Kasm>,
    metrics: ServerMetrics,
    relay: Option<Arc<OutputRelay>>,
    links: Option<Arc<OpenLinks>>,
    audit: Option<AuditLog>,
}

/// Builds the configured server. Call it inside a tokio runtime.
///
/// # Errors
/// See [`BuildError`].
pub fn build_application(config: &Config, reached: ReachedBy) -> Result<Application, BuildError> {
    build_with_providers(config, reached, Vec::new())
}

/// The same with providers that no setting turns on, behind the configured ones.
///
/// # Errors
/// See [`BuildError`].
pub fn build_with_providers(
    config: &Config,
    reached: ReachedBy,
    others: Vec<Provider>,
) -> Result<Application, BuildError> {
    let metrics = ServerMetrics::default();
    let backend = config.kasm.as_ref();
    let kasm = backend.map(|backend| counted_kasm(backend, &metrics));
    let kasm = kasm.transpose()?;
    // Over stdio no workspace can post output and no client can open a link, so neither is offered.
    let by_http = Some(config).filter(|_| reached == ReachedBy::ByHttp);
    let (relay, links) = (by_http.and_then(output_relay), by_http.and_then(open_links));
    let audit = audit_log(config)?;
    let limits = &config.limits;
    let mut registry = Registry::new(limits.tool_timeout, limits.calls_per_caller_max)
        .with_audit(audit.clone())
        .with_metrics(metrics.clone());
    let mut providers = Vec::new();
    if let (Some(backend), Some(client)) = (backend, &kasm) {
        let (relay, links) = (relay.clone(), links.clone());
        providers.push(kasm_provider(config, backend, client, relay, links));
    }
    providers.extend(others);
    for provider in providers {
        registry = registry.mount_provider(provider);
    }
    let registry = Arc::new(registry);
    let consent = ApprovalBook::new(limits.confirm_timeout);
    Ok(Application {
        mcp: McpServer::new(registry.clone()).with_consent(consent),
        registry,
        config: config.clone(),
        kasm,
        metrics,
        relay,
        links,
        audit,
    })
}

impl Application {
    /// The server for [`http::serve::serve_http`].
    ///
    /// # Errors
    /// A credential setting cannot be used, or other machines can connect without a credential.
    pub fn into_http(self) -> Result<http::HttpApp, BuildError> {
        let auth = build_authenticator(&self.config, self.kasm.as_ref())?;
        Ok(http::HttpApp::new(self.into_state(auth)))
    }

    /// The state of a server for the callers of `auth`.
    #[must_use]
    pub fn into_state(self, auth: Authenticator) -> HttpState {
        let notices = self.mcp.change_notices();
        HttpState::new(self.mcp, self.registry, auth, http_settings(&self.config))
            .with_metrics(self.metrics)
            .with_notices(notices)
            .with_relay(self.relay)
            .with_links(self.links)
            .with_audit(self.audit)
    }

    /// The server for the one client of this process, and its record of calls, which is to be closed at the end.
    #[must_use]
    pub fn into_stdio(self) -> (McpServer, Option<AuditLog>) {
        let caller = configured_caller(&self.config, true);
        (self.mcp.for_local(caller), self.audit)
    }
}

/// The HTTP part of the configuration.
fn http_settings(config: &Config) -> HttpSettings {
    let http = &config.http;
    HttpSettings {
        guard: OriginGuard {
            hosts: http.allowed_hosts.clone(),
            origins: http.allowed_origins.clone(),
            local_origins: http.is_loopback(),
        },
        proxies: TrustedProxies::new(http.trusted_proxies.clone()),
        limits: config.limits.requests,
        sessions: session_limits(&config.limits),
        body_bytes_max: config.limits.body_bytes_max,
        transfers_max: config.limits.transfers_max,
        path_prefix: http.path_prefix.clone(),
        public_url: http.public_url.clone(),
    }
}

/// The limits of the sessions of older revisions.
fn session_limits(limits: &ServerLimits) -> SessionLimits {
    SessionLimits {
        all_max: limits.sessions_max,
        per_caller_max: limits.sessions_per_caller_max,
        idle: limits.session_idle,
    }
}

/// The limits of the accept loop.
#[must_use]
pub fn serve_limits(limits: &ServerLimits) -> ServeLimits {
    ServeLimits {
        header_timeout: limits.header_timeout,
        header_bytes_max: limits.header_bytes_max,
        connections_max: limits.connections_max,
        drain: limits.drain,
    }
}
