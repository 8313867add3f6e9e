//! Reading files below `~/Downloads`, which KasmVNC serves under `Downloads/Downloads/`.
//!
//! GET only, no ranges, no HEAD; every HTTPS answer costs memory in the user's container, so callers
//! ask sparingly.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::{ProxyError, RunningSession, address_of, error_of_answer};
use crate::kasm::Kasm;
use crate::percent;

/// How long a transfer may pause.
const STALL: Duration = Duration::from_secs(30);

/// A file on its way.
#[derive(Debug)]
pub struct ProxyDownload {
    response: Response,
    /// What the server announced.
    length: Option<u64>,
    received: u64,
    // Held as long as the body: four transfers at a time, and not only four requests.
    _place_in_queue: Option<OwnedSemaphorePermit>,
}

impl ProxyDownload {
    /// The size that was announced.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes; None at the end.
    ///
    /// # Errors
    /// `Broken` if it ends before the announced size.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, ProxyError> {
        let broken = |why: String| ProxyError::Broken(why);
        let next = tokio::time::timeout(STALL, self.response.chunk()).await;
        let next = next.map_err(|_| broken("no byte received for 30 s".to_owned()))?;
        match next
            .map_err(|error| broken(crate::kasm::public::describe_error(&error.without_url())))?
        {
            Some(chunk) => {
                self.received += chunk.len() as u64;
                Ok(Some(chunk))
            }
            // KasmVNC ends TLS without `close_notify`, so a cut differs from the end by the length only.
            None if self.length.is_some_and(|length| length != self.received) => {
                Err(broken(format!("{} bytes were received", self.received)))
            }
            None => Ok(None),
        }
    }
}

impl Kasm {
    /// Opens a file below `~/Downloads`; `path` has no leading slash. None if there is none (yet), or
    /// none that the session's user may read.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub async fn open_download(
        &self,
        place: &RunningSession,
        path: &str,
    ) -> Result<Option<ProxyDownload>, ProxyError> {
        self.download_within(place, path, self.proxy.timeout).await
    }

    /// The same; the answer has to begin within `patience`.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub async fn download_within(
        &self,
        place: &RunningSession,
        path: &str,
        patience: Duration,
    ) -> Result<Option<ProxyDownload>, ProxyError> {
        let Some(vnc) = &place.session.vnc else {
            return Err(ProxyError::NoService("vnc"));
        };
        let proxy = &self.proxy;
        let url = proxy.service_url(
            vnc,
            &format!("/Downloads/Downloads/{}", percent::encode_path(path)),
        )?;
        let permit = proxy.take_request_place(place.kasm_id).await;
        let build = |username: &str, token: &_| {
            proxy.request_with_token(Method::GET, url.clone(), username, token)
        };
        let response = tokio::time::timeout(patience, self.with_cookies(place, build)).await;
        let response = response.map_err(|_| {
            let address = address_of(&url);
            ProxyError::Unavailable(format!("{address}: no answer in time"))
        })??;
        match response.status().as_u16() {
            200 => {
                proxy.note_answer(place.kasm_id);
                Ok(Some(ProxyDownload {
                    length: response.content_length(),
                    response,
                    received: 0,
                    _place_in_queue: permit,
                }))
            }
            // An answer as well: the web server works, the file is not there yet.
            404 => {
                proxy.note_answer(place.kasm_id);
                Ok(None)
            }
            _ => Err(error_of_answer(&response)),
        }
    }
}
