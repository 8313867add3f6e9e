//! The settings of a client of the released API, and its HTTP client.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// How long an unused connection to Kasm is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of Kasm, and how to connect to it.
#[derive(Clone, Debug)]
pub struct KasmConfig {
    /// The server, such as `https://kasm.example.org`.
    pub url: reqwest::Url,
    /// The API key.
    pub api_key: SecretString,
    /// Its secret.
    pub api_key_secret: SecretString,
    /// A PEM file with the CA that signed Kasm's certificate, if no public one did.
    pub tls_ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub tls_insecure: bool,
    /// How long an ordinary call may take.
    pub timeout: Duration,
    /// How long `request_kasm` may take.
    pub request_timeout: Duration,
    /// How often a failed read is retried.
    pub retries: u32,
}

/// The TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// The CA file cannot be read.
    #[error("cannot read the CA file {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The CA file holds no certificate, or the TLS library refuses it.
    #[error("cannot use the TLS settings: {0}")]
    Unusable(String),
}

impl KasmConfig {
    /// The HTTP client for all calls.
    ///
    /// # Errors
    /// The TLS settings cannot be used.
    pub fn http_client(&self) -> Result<reqwest::Client, TlsProblem> {
        let unusable = |error: reqwest::Error| TlsProblem::Unusable(describe_error(&error));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kasm-mcp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // With the algorithm of Nagle (RFC 896) the end of a request could wait for an ACK of its
            // beginning.
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_CONNECTION)
            // A redirect would send the credentials in the body to another server.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &self.tls_ca_file {
            let pem = std::fs::read(path).map_err(|error| TlsProblem::Unreadable {
                path: path.clone(),
                error,
            })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(unusable)?;
            if certificates.is_empty() {
                return Err(TlsProblem::Unusable(format!(
                    "{} contains no certificate",
                    path.display()
                )));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if self.url.scheme() == "http" {
            // Nothing is verified, so the system's certificates, which are slow to load, are not needed.
            // Redirects, which could lead to TLS, are not followed.
            builder = builder.tls_certs_only([]);
        }
        if self.tls_insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder.build().map_err(unusable)
    }
}

/// A transport error with its causes, outermost first, without the URL.
pub(in crate::kasm) fn describe_error(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    // The outermost text of reqwest contains the URL, so only its causes are described.
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        source = cause.source();
    }
    if parts.is_empty() {
        parts.push("the connection failed".to_owned());
    }
    parts.join(": ")
}
