//! The released Developer API: POST, JSON in and out, key and secret in the body.
//!
//! One request path for all endpoints. Kasm's answers are irregular: business failures come as
//! 200 with an `error_message`, server errors as HTML pages, and undocumented names answer under
//! one of three mounts. All of that ends here.

mod config;
mod endpoint;
mod images;
mod monitoring;
mod sessions;
mod users;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::error::{KasmError, Result};
use super::retry::{Repeat, repeat};
pub(super) use config::describe;
pub use config::{KasmConfig, TlsProblem};
use endpoint::{Endpoint, Mounts};

/// What is kept of a text that Kasm sent, for a message.
const MESSAGE_CHARS_MAX: usize = 300;
/// The largest JSON answer that is read.
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
    mounts: Mounts,
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
            mounts: Mounts::default(),
        })
    }

    /// The one request path: sends `fields` with the credentials, repeats reads, finds the mount.
    async fn call(&self, endpoint: &'static Endpoint, fields: Map<String, Value>) -> Result<Value> {
        let body = self.body(fields);
        let again = if endpoint.idempotent {
            Repeat::Upto(self.retries)
        } else {
            Repeat::Never
        };
        repeat(again, || self.call_on_its_mount(endpoint, &body)).await
    }

    async fn call_on_its_mount(&self, endpoint: &'static Endpoint, body: &str) -> Result<Value> {
        let known = self.mounts.of(endpoint);
        match self.send(endpoint, known, body).await? {
            Answer::Json(value) => Ok(value),
            Answer::NoSuchPath => {
                let other = endpoint.other_mount(known);
                tracing::warn!(
                    endpoint = endpoint.name,
                    mount = other,
                    "endpoint not found, trying another mount"
                );
                match self.send(endpoint, other, body).await? {
                    Answer::Json(value) => {
                        self.mounts.remember(endpoint, other);
                        Ok(value)
                    }
                    Answer::NoSuchPath => Err(KasmError::Protocol {
                        endpoint: endpoint.name,
                        detail: "this Kasm server does not have the endpoint (HTTP 404)".to_owned(),
                    }),
                }
            }
        }
    }

    async fn send(
        &self,
        endpoint: &'static Endpoint,
        mount: &'static str,
        body: &str,
    ) -> Result<Answer> {
        let timeout = if endpoint.slow {
            self.request_timeout
        } else {
            self.timeout
        };
        let failed = |error: reqwest::Error| self.transport_error(endpoint, timeout, &error);
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}{mount}/{}",
            self.base.path().trim_end_matches('/'),
            endpoint.name
        ));
        let request = self
            .http
            .post(url)
            .timeout(timeout)
            .header("content-type", "application/json");
        let mut response = request.body(body.to_owned()).send().await.map_err(failed)?;
        let status = response.status();
        let mut bytes =
            Vec::with_capacity(response.content_length().unwrap_or(4096).min(65_536) as usize);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(KasmError::Protocol {
                    endpoint: endpoint.name,
                    detail: format!("the answer is larger than {ANSWER_BYTES_MAX} bytes"),
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        self.read(endpoint, status.as_u16(), &bytes)
    }

    /// Decides what an answer means: the rules of Kasm's documentation plus what was seen live.
    fn read(&self, endpoint: &'static Endpoint, status: u16, bytes: &[u8]) -> Result<Answer> {
        let json: Option<Value> = serde_json::from_slice(bytes).ok();
        let message = json
            .as_ref()
            .and_then(|v| super::json::text(v, "error_message"));
        let message = message.map(|m| self.scrub(&m));
        match (status, json, message) {
            (401 | 403, _, message) => Err(KasmError::Permission {
                endpoint: endpoint.name,
                needs: endpoint.needs,
                message: message.unwrap_or_else(|| format!("HTTP {status}")),
            }),
            (404, None, _) => Ok(Answer::NoSuchPath),
            (500.., _, Some(message)) => {
                Err(KasmError::Unavailable(format!("{message} (HTTP {status})")))
            }
            (500.., _, None) => Err(KasmError::Unavailable(format!(
                "`{}` failed with an error page (HTTP {status}: {})",
                endpoint.name,
                self.excerpt(bytes)
            ))),
            (200..=299, Some(value), Some(message)) => {
                if endpoint.status_beside_error && has_status_word(&value) {
                    Ok(Answer::Json(value))
                } else {
                    Err(KasmError::from_message(
                        endpoint.name,
                        endpoint.needs,
                        message,
                    ))
                }
            }
            (200..=299, Some(value @ Value::Object(_)), None) => Ok(Answer::Json(value)),
            (200..=299, _, _) => Err(KasmError::Protocol {
                endpoint: endpoint.name,
                detail: format!("the body is no JSON object: {}", self.excerpt(bytes)),
            }),
            (_, _, Some(message)) => Err(KasmError::from_message(
                endpoint.name,
                endpoint.needs,
                message,
            )),
            (_, _, None) => Err(KasmError::Protocol {
                endpoint: endpoint.name,
                detail: format!("HTTP {status}"),
            }),
        }
    }

    fn body(&self, mut fields: Map<String, Value>) -> String {
        fields.insert("api_key".into(), self.api_key.expose_secret().into());
        fields.insert(
            "api_key_secret".into(),
            self.api_key_secret.expose_secret().into(),
        );
        Value::Object(fields).to_string()
    }

    fn transport_error(
        &self,
        endpoint: &'static Endpoint,
        timeout: Duration,
        error: &reqwest::Error,
    ) -> KasmError {
        if error.is_timeout() && !error.is_connect() {
            return KasmError::TimedOut {
                endpoint: endpoint.name,
                seconds: timeout.as_secs(),
            };
        }
        KasmError::Unavailable(self.scrub(&config::describe(error)))
    }

    /// What an answer that cannot be read looks like. Only pages meant for people are shown: a
    /// broken answer of the API may hold a login.
    fn excerpt(&self, bytes: &[u8]) -> String {
        let text = bytes.trim_ascii();
        if text.starts_with(b"<") {
            self.scrub(&String::from_utf8_lossy(text))
        } else {
            format!("{} bytes", bytes.len())
        }
    }

    /// Shortens a text from outside, takes control characters out and, should Kasm echo a
    /// credential, the credential too.
    fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
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

enum Answer {
    Json(Value),
    NoSuchPath,
}

/// A not-ready session may be told beside an `error_message`; then it is no error.
fn has_status_word(value: &Value) -> bool {
    let kasm = value.get("kasm").unwrap_or(&Value::Null);
    super::json::text(value, "operational_status")
        .or_else(|| super::json::text(kasm, "operational_status"))
        .is_some()
}

/// The fields of a request, from a `json!` object.
fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
