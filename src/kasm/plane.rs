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
use crate::metrics::Metrics;
use cookies::Tokens;
pub use downloads::Download;
use rfb::Desktops;
pub use uploads::Upload;

/// Concurrent requests to one session: KasmVNC's listen backlog is short, so a burst waits for seconds.
const REQUESTS_PER_SESSION: usize = 4;
/// How many sessions' gates and last answers are remembered.
const GATES_MAX: usize = 10_000;

/// Why a request to the session proxy failed. Each variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PlaneError {
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
pub struct Place {
    /// The owner.
    pub user: UserId,
    /// The `kasm_id` of the session.
    pub kasm_id: KasmId,
    /// Kasm's latest answer about it.
    pub session: KasmSession,
}

/// When the web server of a session last answered.
#[derive(Debug)]
struct Answered(Instant);

impl Evict for Answered {
    /// It is worth a place until another session needs it.
    fn is_idle(&self) -> bool {
        false
    }
}

/// The plane's connections and logins.
#[derive(Debug)]
pub struct Plane {
    http: reqwest::Client,
    base: Url,
    origin: HeaderValue,
    timeout: Duration,
    tokens: Tokens,
    gates: KeyedSemaphores<KasmId>,
    answers: BoundedMap<KasmId, Answered>,
    desktops: Desktops,
    metrics: Metrics,
}

impl Plane {
    /// A plane of the Kasm server in `config`.
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
            tokens: Tokens::default(),
            gates: KeyedSemaphores::new(GATES_MAX, REQUESTS_PER_SESSION),
            answers: BoundedMap::new(GATES_MAX),
            desktops: Desktops::default(),
            metrics: Metrics::default(),
        })
    }

    /// Adds metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Stores a login that Kasm returned with a new session.
    pub(super) fn remember(&self, user: UserId, token: SecretString) {
        self.tokens.keep(user, token);
    }

    /// Waits for a turn to send a request to a session.
    async fn enter(&self, kasm_id: KasmId) -> Option<OwnedSemaphorePermit> {
        // It is never closed, so this never fails.
        self.gates.of_key(kasm_id).acquire_owned().await.ok()
    }

    /// Notes that the web server of a session gave a proper answer.
    fn note_answer(&self, kasm_id: KasmId) {
        self.answers.insert(kasm_id, Answered(Instant::now()));
    }

    fn url(&self, address: &ServiceAddress, rest: &str) -> Result<Url, PlaneError> {
        let mut url = self.base.clone();
        url.set_path(&format!("/{}{rest}", address.path));
        if let Some(port) = address.port {
            let told =
                || PlaneError::Unavailable("KASM_API_URL cannot have a port here".to_owned());
            url.set_port(Some(port)).map_err(|()| told())?;
        }
        Ok(url)
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        username: &str,
        token: &SecretString,
    ) -> Result<RequestBuilder, PlaneError> {
        let cookie = format!(
            "username={username}; session_token={}",
            token.expose_secret()
        );
        let mut cookie = HeaderValue::from_str(&cookie)
            .map_err(|_| PlaneError::Unavailable("the login cookie is invalid".to_owned()))?;
        cookie.set_sensitive(true);
        let request = self.http.request(method, url);
        Ok(request
            .header(COOKIE, cookie)
            .header(ORIGIN, self.origin.clone()))
    }
}

impl Kasm {
    /// When the web server of a session last gave a proper answer.
    #[must_use]
    pub fn last_answer(&self, kasm_id: KasmId) -> Option<Instant> {
        self.plane.answers.get(&kasm_id).map(|answer| answer.0)
    }

    /// Sends a request with cookies that the proxy accepts: the current ones, then those of the last status,
    /// then fresh ones, once.
    async fn with_cookies(
        &self,
        place: &Place,
        build: impl Fn(&str, &SecretString) -> Result<RequestBuilder, PlaneError>,
    ) -> Result<Response, PlaneError> {
        let username = place.session.username.as_deref().unwrap_or_default();
        if username.is_empty() || username.contains([';', ',']) {
            return Err(PlaneError::Unavailable(
                "the session's user is unknown".to_owned(),
            ));
        }
        let tokens = &self.plane.tokens;
        let mut refused = StatusCode::UNAUTHORIZED;
        for token in tokens.candidates(place) {
            let response = sent(build(username, &token)?).await?;
            refused = response.status();
            if !is_refusal(refused) {
                tokens.worked(place, token);
                return Ok(response);
            }
        }
        let Ok(fresh) = self.api().session_token(place.user).await else {
            return Err(PlaneError::Refused(refused.as_u16()));
        };
        let response = sent(build(username, &fresh)?).await?;
        if is_refusal(response.status()) {
            return Err(PlaneError::Refused(response.status().as_u16()));
        }
        tokens.keep(place.user, fresh);
        Ok(response)
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403)
}

async fn sent(request: RequestBuilder) -> Result<Response, PlaneError> {
    request.send().await.map_err(|error| {
        // The message names the address, because Kasm may name a port that is not open.
        let address = error.url().map(address_of).unwrap_or_default();
        let why = super::public::describe_error(&error.without_url());
        PlaneError::Unavailable(format!("{address}: {why}"))
    })
}

/// Scheme, host and port of a URL, without its path.
fn address_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The error of an answer that is not a success.
fn failure(response: &Response) -> PlaneError {
    match response.status().as_u16() {
        code @ 500.. => {
            let address = address_of(response.url());
            PlaneError::Unavailable(format!("{address}: HTTP {code}"))
        }
        code => PlaneError::Unexpected(code),
    }
}
