//! Settings: read from all sources, validated, and converted to types that allow only valid values. Each file has one
//! group of settings and reads them.
//!
//! Layers: defaults < TOML file < environment < flags. All errors are reported together. A [`Config`] is always
//! valid; raw texts stay in this module.

mod address;
mod audit;
mod client_endpoint;
mod documents;
mod http;
mod kasm;
mod limits;
mod log;
mod metrics;
mod oauth;
mod read;
mod reader;
mod source;
mod state;
mod tokens;
mod variable;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::audit::AuditSettings;
use crate::caller::Grants;
use crate::http::client_ip::ProxyRange;
use crate::http::guard::{AllowedHosts, AllowedOrigin};
use crate::http::limits::RequestLimits;
use crate::oauth::OAuthConfig;
use crate::rate::Rate;
pub use audit::audit_file;
pub use client_endpoint::{ClientEndpoint, client_endpoint};
pub use documents::VariableTable;
pub use kasm::KasmBackend;
pub use reader::{SettingMistake, SettingMistakes};
pub use source::SettingsSources;
pub use tokens::{TOKENS_FILE_NAME, token_rules, tokens_file};
pub use variable::Variable;

/// All settings, in the order of the documents.
const GROUPS: [&[Variable]; 11] = [
    kasm::VARIABLES,
    kasm::tools::VARIABLES,
    address::VARIABLES,
    tokens::VARIABLES,
    oauth::VARIABLES,
    http::VARIABLES,
    limits::VARIABLES,
    state::VARIABLES,
    audit::VARIABLES,
    metrics::VARIABLES,
    log::VARIABLES,
];

/// All settings, in the order of the documents.
pub fn all_variables() -> impl Iterator<Item = &'static Variable> {
    GROUPS.into_iter().flatten()
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Kasm, if it is on.
    pub kasm: Option<KasmBackend>,
    /// The folder for data that must survive a restart, if it exists.
    pub state_dir: Option<PathBuf>,
    /// How long a file link is valid.
    pub link_lifetime: Duration,
    /// The audit log, if it is on.
    pub audit: Option<AuditSettings>,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Limits of calls and sessions.
    pub limits: ServerLimits,
    /// Logging.
    pub log: LogConfig,
    /// Notices for the operator about valid but risky settings.
    pub notices: Vec<String>,
}

/// The HTTP server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The bearer token.
    pub auth_token: Option<SecretString>,
    /// The tokens file, which was readable and valid.
    pub tokens_file: Option<PathBuf>,
    /// Additional authorization servers.
    pub oauth: Option<OAuthConfig>,
    /// The scopes of the bearer token.
    pub auth_grants: Grants,
    /// The accepted host names.
    pub allowed_hosts: AllowedHosts,
    /// The accepted origins.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// The proxies in front, whose forwarding headers are used.
    pub trusted_proxies: Vec<ProxyRange>,
    /// The address that serves metrics without a token.
    pub metrics_listen: Option<SocketAddr>,
    /// The path of the public URL without `/mcp`, which the proxy removes.
    pub path_prefix: String,
    /// The public URL without `/mcp`, if it is set.
    pub public_url: Option<String>,
}

/// Limits, each with a default that suits one small server.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// The rate limits of addresses and callers.
    pub requests: RequestLimits,
    /// The rate limit of costly calls per caller.
    pub costly_tools: Rate,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// The most MCP sessions.
    pub sessions_max: usize,
    /// The most MCP sessions of one caller.
    pub sessions_per_caller_max: usize,
    /// How long an unused MCP session is kept.
    pub session_idle: Duration,
    /// The most concurrent calls of one caller.
    pub calls_per_caller_max: usize,
    /// The most concurrent file transfers.
    pub transfers_max: usize,
    /// The time limit of one tool call.
    pub tool_timeout: Duration,
    /// How long a question waits for a person's answer.
    pub confirm_timeout: Duration,
    /// The time limit for request headers, and for an idle connection.
    pub header_timeout: Duration,
    /// The largest size of a request's headers.
    pub header_bytes_max: usize,
    /// The most open connections.
    pub connections_max: usize,
    /// How long calls may run after the stop signal.
    pub drain: Duration,
}

/// Settings of the log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The lowest level that is written.
    pub level: tracing::Level,
    /// The format of a line.
    pub format: LogFormat,
    /// A collector that receives traces as OTLP over HTTP, if there is one.
    pub otlp_endpoint: Option<String>,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// For systemd's journal, which adds the time and reads the level from a prefix.
    Journal,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// All invalid settings.
    pub fn load_settings(sources: &SettingsSources) -> Result<Self, SettingMistakes> {
        read::read_config(sources)
    }

    /// Reads only the address to listen on, to find a server that may have other settings.
    ///
    /// # Errors
    /// The errors in that setting.
    pub fn listen_address(sources: &SettingsSources) -> Result<SocketAddr, SettingMistakes> {
        address::read_listen(sources)
    }

    /// The Kasm user of callers without one of their own, if Kasm is on.
    #[must_use]
    pub fn usual_kasm_user(&self) -> Option<&str> {
        self.kasm.as_ref().map(|kasm| kasm.user.as_str())
    }
}

impl HttpConfig {
    /// Whether only this machine can reach the server.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.listen.ip())
    }

    /// Whether no credential is configured.
    #[must_use]
    pub fn is_without_credential(&self) -> bool {
        self.auth_token.is_none() && self.tokens_file.is_none() && self.oauth.is_none()
    }

    /// Whether other machines can connect but no credential is configured.
    #[must_use]
    pub fn lacks_credential(&self) -> bool {
        !self.is_loopback() && self.is_without_credential()
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    // `::ffff:127.0.0.1` is loopback too.
    ip.to_canonical().is_loopback()
}
