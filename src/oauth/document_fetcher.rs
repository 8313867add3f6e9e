//! Small documents of authorization servers, within limits of size and time.

use std::time::Duration;

use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;

/// The largest document that is read.
const BYTES_MAX: usize = 512 << 10;
const TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP client that is used only for these documents.
#[derive(Clone, Debug)]
pub(super) struct DocumentFetcher(reqwest::Client);

impl DocumentFetcher {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("kasm-mcp/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            // A redirect could lead anywhere.
            .redirect(Policy::none());
        Ok(Self(builder.build()?))
    }

    /// The JSON document at `url`.
    ///
    /// # Errors
    /// The message says why: it does not exist, is too large, or took too long.
    pub(super) async fn fetch_json<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        if !is_safe_url(url) {
            return Err(format!("{url}: only https, or http on this machine"));
        }
        let fail = |error: reqwest::Error| format!("{url}: {}", error.without_url());
        let request = self.0.get(url).header("accept", "application/json");
        let mut response = request.send().await.map_err(fail)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{url}: status {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        // The length is counted while it is read, because Content-Length may be absent or wrong.
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if body.len() + chunk.len() > BYTES_MAX {
                return Err(format!("{url}: larger than {BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }
}

/// Whether the content of a URL is authentic: it is https, or on this machine.
#[must_use]
pub fn is_safe_url(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    // `::ffff:127.0.0.1` is this machine too.
    let local = host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && local)
}
