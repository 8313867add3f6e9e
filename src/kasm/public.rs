//! The released Developer API: POST, JSON in and out, key and secret in the body.
//!
//! One request path for all endpoints. Kasm's answers are irregular: failures come as 200 with an
//! `error_message`, server errors as HTML pages, and undocumented endpoints answer under one of three mounts.
//! This module hides all of that.

mod config;
mod endpoint;
mod images;
mod monitoring;
mod session_json;
mod sessions;
mod users;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::error::{KasmError, Result};
use super::retry::{RetryPolicy, call_with_retries};
use crate::metrics::ServerMetrics;
pub(super) use config::describe_error;
pub use config::{KasmConfig, TlsProblem};
use endpoint::{ApiEndpoint, EndpointAddress, EndpointMounts};

/// The longest part of Kasm's text in a message.
const MESSAGE_CHARS_MAX: usize = 300;
/// The largest JSON answer that is accepted.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client of the released API. The connection pool lives as long as it does.
#[derive(Debug)]
pub struct PublicApi {
    http: reqwest::Client,
    base: reqwest::Url,
    api_key: SecretString,
    api_key_secret: SecretString,
    timeout: Duration,
    request_timeout: Duration,
    retries: u32,
    mounts: EndpointMounts,
    metrics: ServerMetrics,
}

impl PublicApi {
    /// A client for `config`.
    ///
    /// # Errors
    /// The private CA cannot be read or the TLS library refuses the settings.
    pub fn new(config: &KasmConfig) -> std::result::Result<Self, TlsProblem> {
        Ok(Self {
            http: config.http_client()?,
            base: config.url.clone(),
            api_key: config.api_key.clone(),
            api_key_secret: config.api_key_secret.clone(),
            timeout: config.timeout,
            request_timeout: config.request_timeout,
            retries: config.retries,
            mounts: EndpointMounts::new(config.url.clone()),
            metrics: ServerMetrics::default(),
        })
    }

    /// Adds metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ServerMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// [`Self::call_for`] an answer that is parsed later.
    async fn call_endpoint(
        &self,
        endpoint: &'static ApiEndpoint,
        fields: Map<String, Value>,
    ) -> Result<Value> {
        self.call_for(endpoint, &fields).await
    }

    /// The one request path: sends `fields` with the credentials, retries reads, finds the mount.
    async fn call_for<A: ApiAnswer>(
        &self,
        endpoint: &'static ApiEndpoint,
        fields: &(impl Serialize + Sync),
    ) -> Result<A> {
        self.request_with_retries(endpoint, fields, |raw| self.read_answer(endpoint, &raw))
            .await
    }

    /// An answer with a JPEG picture. Any other answer is a refusal: Kasm documents none of them.
    async fn fetch_picture(
        &self,
        endpoint: &'static ApiEndpoint,
        fields: &(impl Serialize + Sync),
    ) -> Result<Bytes> {
        const JPEG: &[u8] = &[0xff, 0xd8];
        let read = |raw: RawAnswer| {
            if raw.is_success() && raw.body.starts_with(JPEG) {
                return Ok(raw.body.into());
            }
            Err(self.refusal_error(endpoint, &raw))
        };
        self.request_with_retries(endpoint, fields, read).await
    }

    async fn request_with_retries<A>(
        &self,
        endpoint: &'static ApiEndpoint,
        fields: &(impl Serialize + Sync),
        read: impl Fn(RawAnswer) -> Result<A>,
    ) -> Result<A> {
        // Written once: retries and the other mount send the same bytes.
        let body = self.request_body(endpoint, fields)?;
        let again = if endpoint.idempotent {
            RetryPolicy::Upto(self.retries)
        } else {
            RetryPolicy::Never
        };
        call_with_retries(again, || async {
            let begun = Instant::now();
            let raw = self.call_on_its_mount(endpoint, &body).await;
            let answer = raw.and_then(&read);
            let outcome = answer.as_ref().map_or_else(KasmError::error_word, |_| "ok");
            self.metrics
                .count_kasm_request(endpoint.name, outcome, begun.elapsed());
            answer
        })
        .await
    }

    async fn call_on_its_mount(
        &self,
        endpoint: &'static ApiEndpoint,
        body: &Bytes,
    ) -> Result<RawAnswer> {
        let known = self.mounts.address_of(endpoint);
        let raw = self.send_once(endpoint, &known, body).await?;
        if !raw.is_no_such_path() {
            return Ok(raw);
        }
        // A path that does not exist has done nothing, so a call that is not idempotent may go to the other
        // mount.
        let other = self.mounts.other_than(&known, endpoint);
        tracing::warn!(
            endpoint = endpoint.name,
            mount = other.mount,
            "endpoint not found, trying another mount"
        );
        let raw = self.send_once(endpoint, &other, body).await?;
        if raw.is_no_such_path() {
            return Err(KasmError::Protocol {
                endpoint: endpoint.name,
                detail: "this Kasm server does not have the endpoint (HTTP 404)".to_owned(),
            });
        }
        // A failure does not show that this mount is the right one.
        if raw.is_success() {
            self.mounts.remember_address(endpoint, other);
        }
        Ok(raw)
    }

    async fn send_once(
        &self,
        endpoint: &'static ApiEndpoint,
        address: &EndpointAddress,
        body: &Bytes,
    ) -> Result<RawAnswer> {
        let timeout = if endpoint.slow {
            self.request_timeout
        } else {
            self.timeout
        };
        let failed = |error: reqwest::Error| self.transport_error(endpoint, timeout, &error);
        let request = self
            .http
            .post(address.url.clone())
            .timeout(timeout)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.clone());
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        // A false Content-Length reserves 64 kB at most; the limit is checked by what really comes.
        let mut body =
            Vec::with_capacity(response.content_length().unwrap_or(4096).min(65_536) as usize);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(KasmError::Protocol {
                    endpoint: endpoint.name,
                    detail: format!("the answer is larger than {ANSWER_BYTES_MAX} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(RawAnswer { status, body })
    }

    /// Classifies an answer, by Kasm's documentation and by observation.
    fn read_answer<A: ApiAnswer>(
        &self,
        endpoint: &'static ApiEndpoint,
        raw: &RawAnswer,
    ) -> Result<A> {
        let Some(mut answer) = raw.read_json::<A>() else {
            return Err(self.refusal_error(endpoint, raw));
        };
        // With a status the message is about the session, and the call itself has not failed.
        if endpoint.status_beside_error && answer.has_status_word() {
            return Ok(answer);
        }
        match answer.take_error_message() {
            None => Ok(answer),
            Some(message) => Err(KasmError::from_message(
                endpoint.name,
                endpoint.needs,
                self.without_credentials(&message),
            )),
        }
    }

    /// Classifies an answer that is not a success, or cannot be parsed as one.
    fn refusal_error(
        &self,
        endpoint: &'static ApiEndpoint,
        RawAnswer { status, body }: &RawAnswer,
    ) -> KasmError {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let message = json.and_then(|v| super::json::text_member(&v, "error_message"));
        let message = message.map(|m| self.without_credentials(&m));
        match (status, message) {
            (401 | 403, message) => KasmError::Permission {
                endpoint: endpoint.name,
                needs: endpoint.needs,
                message: message.unwrap_or_else(|| format!("HTTP {status}")),
            },
            (500.., Some(message)) => KasmError::Unavailable(format!("{message} (HTTP {status})")),
            (500.., None) => KasmError::Unavailable(format!(
                "`{}` failed with an error page (HTTP {status}: {})",
                endpoint.name,
                self.excerpt_of(body)
            )),
            (_, Some(message)) => KasmError::from_message(endpoint.name, endpoint.needs, message),
            (200..=299, None) => KasmError::Protocol {
                endpoint: endpoint.name,
                detail: format!("the body is not a JSON object: {}", self.excerpt_of(body)),
            },
            (_, None) => KasmError::Protocol {
                endpoint: endpoint.name,
                detail: format!("HTTP {status}"),
            },
        }
    }

    fn request_body(
        &self,
        endpoint: &'static ApiEndpoint,
        fields: &impl Serialize,
    ) -> Result<Bytes> {
        let body = RequestBody {
            fields,
            api_key: self.api_key.expose_secret(),
            api_key_secret: self.api_key_secret.expose_secret(),
        };
        let written = serde_json::to_vec(&body).map_err(|error| KasmError::Protocol {
            endpoint: endpoint.name,
            detail: format!("the request cannot be written: {error}"),
        })?;
        Ok(written.into())
    }

    fn transport_error(
        &self,
        endpoint: &'static ApiEndpoint,
        timeout: Duration,
        error: &reqwest::Error,
    ) -> KasmError {
        // Without a connection nothing was sent, so the request cannot have taken effect as after a time-out.
        if error.is_timeout() && !error.is_connect() {
            return KasmError::TimedOut {
                endpoint: endpoint.name,
                seconds: timeout.as_secs(),
            };
        }
        KasmError::Unavailable(self.without_credentials(&config::describe_error(error)))
    }

    /// Describes an answer that cannot be parsed. Only HTML pages are quoted, because a broken answer of the
    /// API may contain a login.
    fn excerpt_of(&self, bytes: &[u8]) -> String {
        let text = bytes.trim_ascii();
        if text.starts_with(b"<") {
            self.without_credentials(&String::from_utf8_lossy(text))
        } else {
            format!("{} bytes", bytes.len())
        }
    }

    /// Shortens foreign text and removes control characters, and credentials in case Kasm echoes them.
    fn without_credentials(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Before the text is cut, because a cut could leave a part of a secret that is not recognised.
        for secret in [&self.api_key, &self.api_key_secret] {
            let secret = secret.expose_secret();
            if !secret.is_empty() {
                text = text.replace(secret, "[redacted]");
            }
        }
        let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let words: String = clean.take(MESSAGE_CHARS_MAX).collect();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The body of a request: the endpoint's fields, and the credentials beside them.
#[derive(Serialize)]
struct RequestBody<'a, F> {
    #[serde(flatten)]
    fields: &'a F,
    api_key: &'a str,
    api_key_secret: &'a str,
}

/// An answer before it is parsed.
struct RawAnswer {
    status: u16,
    body: Vec<u8>,
}

impl RawAnswer {
    fn is_success(&self) -> bool {
        (200..=299).contains(&self.status)
    }

    /// The object of a successful answer. serde would parse a struct from a list too.
    fn read_json<A: ApiAnswer>(&self) -> Option<A> {
        let text = std::str::from_utf8(&self.body).ok()?;
        let object = self.is_success() && text.trim_start().starts_with('{');
        object.then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// A 404 in JSON is an answer of the endpoint; any other 404 means that the endpoint does not exist.
    fn is_no_such_path(&self) -> bool {
        self.status == 404 && serde_json::from_slice::<IgnoredAny>(&self.body).is_err()
    }
}

/// A successful answer that may still contain a failure.
trait ApiAnswer: DeserializeOwned {
    /// The `error_message` of a failure.
    fn take_error_message(&mut self) -> Option<String>;

    /// Whether it names a session's status. A session that is not ready may have an `error_message` beside its
    /// status; then it is not an error.
    fn has_status_word(&self) -> bool {
        false
    }
}

impl ApiAnswer for Value {
    fn take_error_message(&mut self) -> Option<String> {
        super::json::text_member(self, "error_message")
    }
}

/// The fields of a request, from a `json!` object.
fn object_fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
