//! The composition root: builds a server from a valid configuration.

use std::sync::Arc;

use futures::FutureExt;

use crate::access::{Tokens, Unusable};
use crate::audit::{Audit, Unwritable};
use crate::caller::{Caller, Credential};
use crate::clock::WallClock;
use crate::config::{Config, Limits, token_rules};
use crate::http::auth::Authenticator;
use crate::http::client_ip::TrustedProxies;
use crate::http::files::Files;
use crate::http::guard::Guard;
use crate::http::health::Health;
use crate::http::serve::ServeLimits;
use crate::http::{self, Surface};
use crate::kasm::model::UserRef;
use crate::kasm::plane::Plane;
use crate::kasm::public::{PublicApi, TlsProblem};
use crate::kasm::{Kasm, KasmError};
use crate::leases::Leases;
use crate::links::Links;
use crate::mcp::McpServer;
use crate::mcp::consent::Consent;
use crate::mcp::sessions::SessionLimits;
use crate::metrics::Metrics;
use crate::oauth::{FindUser, Verifier};
use crate::providers::kasm::{CATALOGUE, KasmProvider, TOOLSETS};
use crate::relay::Relay;
use crate::tool::registry::Registry;

/// The name of the caller of the one token.
const TOKEN_CALLER: &str = "token";
/// The name of the caller if no token is needed.
const LOCAL_CALLER: &str = "local";

/// A client of the configured Kasm server.
///
/// # Errors
/// The TLS settings cannot be used.
pub fn kasm(config: &Config) -> Result<Kasm, TlsProblem> {
    counted_kasm(config, &Metrics::default())
}

/// Adds metrics.
fn counted_kasm(config: &Config, metrics: &Metrics) -> Result<Kasm, TlsProblem> {
    let api = PublicApi::new(&config.kasm)?.with_metrics(metrics.clone());
    let plane = Plane::new(&config.kasm)?.with_metrics(metrics.clone());
    Ok(Kasm::new(Arc::new(api), plane, config.image_cache))
}

/// The output relay, if this server has a public URL.
#[must_use]
pub fn relay(config: &Config) -> Option<Arc<Relay>> {
    let url = config.http.public_url.as_ref()?;
    Some(Relay::new(format!("{url}/relay")))
}

/// File links, if the URL of this server is known.
#[must_use]
pub fn links(config: &Config) -> Option<Arc<Links>> {
    let http = &config.http;
    let own = (http.is_loopback() && http.listen.port() != 0)
        .then(|| format!("http://{}{}", http.listen, http.path_prefix));
    let base = http.public_url.clone().or(own)?;
    Some(Arc::new(Links::new(base, config.link_lifetime)))
}

/// The keeper of sessions and leases. Call it inside a tokio runtime.
#[must_use]
pub fn leases(config: &Config, kasm: &Kasm) -> Leases {
    let directory = config.state_dir.as_deref();
    let directory = directory.filter(|directory| directory.is_dir());
    if directory.is_none() {
        tracing::debug!(
            "MCP_STATE_DIR does not exist: leases of sessions are lost when this server stops"
        );
    }
    Leases::new(kasm.clone(), directory, WallClock::default())
}

/// The audit log, if it is on.
///
/// # Errors
/// It cannot be opened, and the settings do not allow calls without it.
pub fn audit(config: &Config) -> Result<Option<Audit>, Unwritable> {
    let Some(settings) = &config.audit else {
        return Ok(None);
    };
    match Audit::open(settings) {
        Ok(audit) => Ok(Some(audit)),
        Err(problem) if settings.fail_open => {
            tracing::error!(%problem, "no audit log is written");
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// All tools of `provider`, and its catalogue.
#[must_use]
pub fn registry(provider: &Arc<KasmProvider>, config: &Config, audit: Option<Audit>) -> Registry {
    let limits = &config.limits;
    let registry = Registry::new(limits.tool_timeout, limits.calls_per_caller_max);
    registry
        .mount(provider, TOOLSETS)
        .with_catalogue(CATALOGUE)
        .with_audit(audit)
        .with_costly_rate(limits.costly_tools)
}

/// The caller of the configured server: of the one token, or of this machine.
#[must_use]
pub fn caller(config: &Config, local: bool) -> Caller {
    let name = if local { LOCAL_CALLER } else { TOKEN_CALLER };
    let mut caller = Caller::new(name, config.http.auth_scope, &config.kasm_user);
    if !local {
        caller.credential = Credential::Token;
    }
    caller
}

/// Why no server can be built.
#[derive(Debug, thiserror::Error)]
pub enum NoServer {
    /// The TLS settings cannot be used.
    #[error("{0}; KASM_TLS_CA_FILE must be unset, or name a PEM file that this user can read")]
    Tls(#[from] TlsProblem),
    /// The file of tokens cannot be used.
    #[error("{0}: {1}")]
    Tokens(String, Unusable),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] Unwritable),
    /// Other machines can reach it, but no credential is set.
    #[error("no token is set, but other machines can reach this address")]
    Open,
}

/// The accepted credentials of the configured server.
fn authenticator(config: &Config, kasm: &Kasm) -> Result<Authenticator, NoServer> {
    let http = &config.http;
    if http.lacks_credential() {
        return Err(NoServer::Open);
    }
    let caller = caller(config, http.auth_token.is_none());
    let mut auth = Authenticator::new(http.auth_token.as_ref(), caller);
    if let Some(oauth) = &http.oauth {
        let rules = token_rules(&config.kasm_user);
        let verifier = Verifier::new(oauth.clone(), rules.user_id, find_user(kasm));
        let verifier = verifier.map_err(|error| TlsProblem::Unusable(error.to_string()))?;
        auth = auth.with_oauth(Arc::new(verifier));
    }
    let Some(file) = &http.tokens_file else {
        return Ok(auth);
    };
    let tokens = Tokens::open(file.clone(), token_rules(&config.kasm_user));
    let tokens = tokens.map_err(|error| NoServer::Tokens(file.display().to_string(), error))?;
    Ok(auth.with_tokens(Arc::new(tokens)))
}

/// Finds Kasm users by name, for OAuth.
fn find_user(kasm: &Kasm) -> FindUser {
    let kasm = kasm.clone();
    Box::new(move |name| {
        let kasm = kasm.clone();
        async move {
            match kasm.wire().user(&UserRef::Name(name.clone())).await {
                Ok(user) if user.locked || user.disabled => Ok(None),
                Ok(user) if !user.username.eq_ignore_ascii_case(&name) => Ok(None),
                Ok(user) => Ok(Some(user.user_id.to_string())),
                Err(KasmError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed()
    })
}

/// The whole HTTP server, ready for [`http::serve::serve`].
///
/// # Errors
/// See [`NoServer`].
pub fn http_app(config: &Config) -> Result<http::App, NoServer> {
    let metrics = Metrics::default();
    let kasm = counted_kasm(config, &metrics)?;
    let relay = relay(config);
    let links = links(config);
    let tools = config.tools.clone();
    let leases = leases(config, &kasm);
    let provider = KasmProvider::new(kasm.clone(), relay.clone(), links.clone(), leases, tools);
    let provider = Arc::new(provider);
    let audit = audit(config)?;
    let registry = registry(&provider, config, audit.clone()).with_metrics(metrics.clone());
    let registry = Arc::new(registry);
    let server =
        McpServer::new(registry.clone()).with_consent(Consent::new(config.limits.confirm_timeout));
    let auth = authenticator(config, &kasm)?;
    let surface = Surface {
        auth,
        registry,
        guard: Guard {
            hosts: config.http.allowed_hosts.clone(),
            origins: config.http.allowed_origins.clone(),
            local_origins: config.http.is_loopback(),
        },
        proxies: TrustedProxies::new(config.http.trusted_proxies.clone()),
        health: Health::new(move || {
            let kasm = kasm.clone();
            async move {
                kasm.wire()
                    .health()
                    .await
                    .map_err(|error| error.to_string())
            }
            .boxed()
        }),
        metrics,
        limits: config.limits.requests,
        sessions: session_limits(&config.limits),
        body_bytes_max: config.limits.body_bytes_max,
        path_prefix: config.http.path_prefix.clone(),
        public_url: config.http.public_url.clone(),
        relay,
        notices: Some(server.notices()),
        audit,
        files: Some(Files {
            transfers: provider,
            links,
            at_a_time: config.limits.transfers_max,
        }),
    };
    Ok(http::app(server, surface))
}

/// The limits of MCP sessions.
#[must_use]
pub fn session_limits(limits: &Limits) -> SessionLimits {
    SessionLimits {
        all_max: limits.sessions_max,
        per_caller_max: limits.sessions_per_caller_max,
        idle: limits.session_idle,
    }
}

/// The limits of the accept loop.
#[must_use]
pub fn serve_limits(limits: &Limits) -> ServeLimits {
    ServeLimits {
        header_timeout: limits.header_timeout,
        header_bytes_max: limits.header_bytes_max,
        connections_max: limits.connections_max,
        drain: limits.drain,
    }
}
