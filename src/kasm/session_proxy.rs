//! The session proxy: the services behind Kasm's own proxy at `/desktop/<kasm_id>/…`.
//!
//! Kasm's proxy needs two cookies, `username` and `session_token`. The token opens every session of its user,
//! so it is treated as a password: kept in memory, never shown. Paths and ports are taken from the session's
//! `port_map` unchanged.

mod cookies;
mod downloads;
pub mod rfb;
mod uploads;

use std::time::Duration;

use reqwest::header::{COOKIE, HeaderValue, ORIGIN};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Kasm;
use super::id::{KasmId, UserId};
use super::model::{KasmSession, ServiceAddress};
use super::public::{KasmConfig, TlsProblem};
use crate::bounded_map::{BoundedMap, Evict, KeyedSemaphores};
use crate::metrics::ServerMetrics;
use cookies::LoginTokens;
pub use downloads::ProxyDownload;
use rfb::KeptDesktops;
pub use uploads::ChunkedUpload;

/// Concurrent requests to one session: KasmVNC's listen backlog is short, so a burst waits for seconds.
const REQUESTS_PER_SESSION: usize = 4;
/// How many sessions' gates and last answers are remembered.
const GATES_MAX: usize = 10_000;

/// Why a request to the session proxy failed. Each variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProxyError {
    /// The cookies were refused, fresh ones too: this group may not transfer files, or this Kasm version needs
    /// other cookies.
    #[error("Kasm's proxy refused the transfer (HTTP {0})")]
    Refused(u16),
    /// The session has no such service: it is not a container session, or its image lacks the service.
    #[error("the session has no `{0}` service")]
    NoService(&'static str),
    /// The session or its web server is not running, or cannot be reached. A retry may help.
    #[error("the session's web server cannot be reached: {0}")]
    Unavailable(String),
    /// The answer was interrupted.
    #[error("the transfer was interrupted: {0}")]
    Broken(String),
    /// Another answer.
    #[error("Kasm's proxy answered HTTP {0}")]
    Unexpected(u16),
}

/// A session with its owner and the addresses of its services.
#[derive(Clone, Debug)]
pub struct RunningSession {
    /// Its owner, whose login opens it.
    pub user: UserId,
    /// The `kasm_id` of the session.
    pub kasm_id: KasmId,
    /// Kasm's latest answer about it.
    pub session: KasmSession,
}

/// When the web server of a session last gave a proper answer, which ends the rest of a failed channel.
#[derive(Debug)]
struct LastAnswer(Instant);

impl Evict for LastAnswer {
    /// It is worth a place until another session needs it.
    fn is_idle(&self) -> bool {
        false
    }
}

/// The proxy's connections and logins.
#[derive(Debug)]
pub struct SessionProxy {
    http: reqwest::Client,
    base: Url,
    origin: HeaderValue,
    timeout: Duration,
    tokens: LoginTokens,
    gates: KeyedSemaphores<KasmId>,
    answers: BoundedMap<KasmId, LastAnswer>,
    desktops: KeptDesktops,
    metrics: ServerMetrics,
}

impl SessionProxy {
    /// A proxy of the Kasm server in `config`.
    ///
    /// # Errors
    /// See the API's client.
    pub fn new(config: &KasmConfig) -> Result<Self, TlsProblem> {
        let origin = config.url.origin().ascii_serialization();
        Ok(Self {
            http: config.http_client()?,
            base: config.url.clone(),
            origin: HeaderValue::from_str(&origin)
                .map_err(|error| TlsProblem::Unusable(error.to_string()))?,
            timeout: config.timeout,
            tokens: LoginTokens::default(),
            gates: KeyedSemaphores::new(GATES_MAX, REQUESTS_PER_SESSION),
            answers: BoundedMap::new(GATES_MAX),
            desktops: KeptDesktops::default(),
            metrics: ServerMetrics::default(),
        })
    }

    /// Adds metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ServerMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Stores a login that Kasm returned with a new session.
    pub(super) fn remember_token(&self, user: UserId, token: SecretString) {
        self.tokens.keep_token(user, token);
    }

    /// Waits for a turn to send a request to a session.
    async fn take_request_place(&self, kasm_id: KasmId) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so this cannot fail. A None would only mean a request without a limit.
        self.gates.of_key(kasm_id).acquire_owned().await.ok()
    }

    /// Notes that the web server of a session gave a proper answer.
    fn note_answer(&self, kasm_id: KasmId) {
        self.answers.insert(kasm_id, LastAnswer(Instant::now()));
    }

    fn service_url(&self, address: &ServiceAddress, rest: &str) -> Result<Url, ProxyError> {
        let mut url = self.base.clone();
        // The paths of `port_map` begin at the server's root, so they replace a path in KASM_API_URL.
        url.set_path(&format!("/{}{rest}", address.path));
        if let Some(port) = address.port {
            let told =
                || ProxyError::Unavailable("KASM_API_URL cannot have a port here".to_owned());
            url.set_port(Some(port)).map_err(|()| told())?;
        }
        Ok(url)
    }

    fn request_with_token(
        &self,
        method: Method,
        url: Url,
        username: &str,
        token: &SecretString,
    ) -> Result<RequestBuilder, ProxyError> {
        let cookie = format!(
            "username={username}; session_token={}",
            token.expose_secret()
        );
        let mut cookie = HeaderValue::from_str(&cookie)
            .map_err(|_| ProxyError::Unavailable("the login cookie is invalid".to_owned()))?;
        // Keeps the login out of debug output and of the compression tables of HTTP/2.
        cookie.set_sensitive(true);
        let request = self.http.request(method, url);
        Ok(request
            .header(COOKIE, cookie)
            // KasmVNC answers 404 to an upgrade without an origin. Other requests carry it without harm.
            .header(ORIGIN, self.origin.clone()))
    }
}

impl Kasm {
    /// When the web server of a session last gave a proper answer.
    #[must_use]
    pub fn last_answer(&self, kasm_id: KasmId) -> Option<Instant> {
        self.proxy.answers.get(&kasm_id).map(|answer| answer.0)
    }

    /// Sends a request with cookies that the proxy accepts: the current ones, then those of the last status,
    /// then fresh ones, once.
    async fn with_cookies(
        &self,
        place: &RunningSession,
        build: impl Fn(&str, &SecretString) -> Result<RequestBuilder, ProxyError>,
    ) -> Result<Response, ProxyError> {
        let username = place.session.username.as_deref().unwrap_or_default();
        // A semicolon would end the cookie (RFC 6265, section 4.1.1), and the name could add cookies of its
        // own.
        if username.is_empty() || username.contains([';', ',']) {
            return Err(ProxyError::Unavailable(
                "the session's user is unknown".to_owned(),
            ));
        }
        let tokens = &self.proxy.tokens;
        let mut refused = StatusCode::UNAUTHORIZED;
        for token in tokens.candidate_tokens(place) {
            let response = send_request(build(username, &token)?).await?;
            refused = response.status();
            if !is_refusal(refused) {
                tokens.note_working(place, token);
                return Ok(response);
            }
        }
        // Kasm does not say when a login ends, so a new one is made once. If that is refused too, it is a
        // policy.
        let Ok(fresh) = self.api().session_token(place.user).await else {
            return Err(ProxyError::Refused(refused.as_u16()));
        };
        let response = send_request(build(username, &fresh)?).await?;
        if is_refusal(response.status()) {
            return Err(ProxyError::Refused(response.status().as_u16()));
        }
        tokens.keep_token(place.user, fresh);
        Ok(response)
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403)
}

async fn send_request(request: RequestBuilder) -> Result<Response, ProxyError> {
    request.send().await.map_err(|error| {
        // The message names the address, because Kasm may name a port that is not open.
        let address = error.url().map(address_of).unwrap_or_default();
        let why = super::public::describe_error(&error.without_url());
        ProxyError::Unavailable(format!("{address}: {why}"))
    })
}

/// Scheme, host and port of a URL, without its path.
fn address_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The error of an answer that is not a success.
fn error_of_answer(response: &Response) -> ProxyError {
    match response.status().as_u16() {
        code @ 500.. => {
            let address = address_of(response.url());
            ProxyError::Unavailable(format!("{address}: HTTP {code}"))
        }
        code => ProxyError::Unexpected(code),
    }
}
