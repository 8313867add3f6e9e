//! Settings: read from all sources, checked, and turned into values that cannot be wrong.
//!
//! Layers: defaults < TOML file < environment < flags. All mistakes are reported at once. A
//! [`Config`] that exists is valid; raw texts stay in this module.

mod audit;
mod documents;
mod limits;
mod oauth;
mod reach;
mod read;
mod reader;
mod source;
mod table;
mod tokens;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::audit::AuditSettings;
use crate::caller::Scope;
use crate::http::client_ip::Range;
use crate::http::guard::{AllowedHosts, AllowedOrigin};
use crate::http::limits::RequestLimits;
use crate::kasm::public::KasmConfig;
use crate::oauth::OAuthConfig;
use crate::providers::kasm::KasmSettings;
use crate::rate::Rate;
pub use audit::audit_file;
pub use documents::Variables;
pub use reach::{Reach, reach};
pub use reader::{Mistake, Mistakes};
pub use source::Sources;
pub use table::{VARIABLES, Variable};
pub use tokens::{TOKENS_FILE_NAME, token_rules, tokens_file};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Kasm server.
    pub kasm: KasmConfig,
    /// The user whose sessions the token may touch.
    pub kasm_user: String,
    /// How long the workspace list is kept.
    pub image_cache: Duration,
    /// How the Kasm tools behave.
    pub tools: KasmSettings,
    /// Where to keep what must outlive a restart, if the directory exists.
    pub state_dir: Option<PathBuf>,
    /// How long a link to a file is good.
    pub link_lifetime: Duration,
    /// The record of calls, if there is to be one.
    pub audit: Option<AuditSettings>,
    /// The HTTP server.
    pub http: HttpConfig,
    /// Limits of calls and sessions.
    pub limits: Limits,
    /// Logging.
    pub log: LogConfig,
    /// Things the operator should know, though nothing is wrong.
    pub notices: Vec<String>,
}

/// The HTTP server.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The bearer token.
    pub auth_token: Option<SecretString>,
    /// More bearer tokens, which were readable and without a mistake.
    pub tokens_file: Option<PathBuf>,
    /// Authorization servers whose tokens are accepted, too.
    pub oauth: Option<OAuthConfig>,
    /// How much the caller of the bearer token may do.
    pub auth_scope: Scope,
    /// Names that requests may be addressed to.
    pub allowed_hosts: AllowedHosts,
    /// Origins that may call.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// The proxies in front, whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<Range>,
    /// Where to tell a monitoring system what was counted, without a token.
    pub metrics_listen: Option<SocketAddr>,
    /// The path of the public URL, without `/mcp`: what a proxy puts in front of our paths.
    pub path_prefix: String,
    /// The public URL without `/mcp`, if it is set.
    pub public_url: Option<String>,
}

/// Limits, each with a default that suits one small server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How much one address and one caller may ask for.
    pub requests: RequestLimits,
    /// How often one caller may call tools that cost Kasm much.
    pub costly_tools: Rate,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// Legacy sessions in all.
    pub sessions_max: usize,
    /// Legacy sessions of one caller.
    pub sessions_per_caller_max: usize,
    /// How long an unused legacy session is kept.
    pub session_idle: Duration,
    /// Calls of one caller at a time.
    pub calls_per_caller_max: usize,
    /// Files on their way at a time.
    pub transfers_max: usize,
    /// How long one tool call may take.
    pub tool_timeout: Duration,
    /// How long a person may take to answer a question.
    pub confirm_timeout: Duration,
    /// How long a client may take to send its request headers, or hold an idle connection.
    pub header_timeout: Duration,
    /// How long the headers of a request may be.
    pub header_bytes_max: usize,
    /// Open connections.
    pub connections_max: usize,
    /// How long calls may finish after the stop signal.
    pub drain: Duration,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The least level that is written.
    pub level: tracing::Level,
    /// How a line is written.
    pub format: LogFormat,
    /// Where traces go, if they do: a collector that takes OTLP over HTTP.
    pub otlp_endpoint: Option<String>,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For systemd's journal, which has the time already and reads the level from a number in front.
    Journal,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn load(sources: &Sources) -> Result<Self, Mistakes> {
        read::config(sources)
    }

    /// Reads only where the server listens, for a look at one that may have started with other settings.
    ///
    /// # Errors
    /// The mistakes in that.
    pub fn listen(sources: &Sources) -> Result<SocketAddr, Mistakes> {
        read::listen(sources)
    }
}

impl HttpConfig {
    /// Whether only this machine can reach the server.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.listen.ip())
    }

    /// Whether nothing says who callers have to be.
    #[must_use]
    pub fn is_without_credential(&self) -> bool {
        self.auth_token.is_none() && self.tokens_file.is_none() && self.oauth.is_none()
    }

    /// Whether others can reach the server, and nothing says who they have to be.
    #[must_use]
    pub fn lacks_credential(&self) -> bool {
        !self.is_loopback() && self.is_without_credential()
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
