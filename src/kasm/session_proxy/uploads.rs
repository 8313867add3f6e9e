//! Sending files to `~/Uploads`, in the chunks and with the form fields of Kasm's own web page.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};

use super::{ProxyError, RunningSession, error_of_answer};
use crate::kasm::Kasm;

/// What one request carries, as Kasm's web page does it.
pub(super) const CHUNK_BYTES: u64 = 10_000_000;

/// A file that is being sent: its name in `~/Uploads`, and how far it is.
#[derive(Debug)]
pub struct ChunkedUpload {
    name: String,
    boundary: String,
    total: u64,
    sent: u64,
    chunks: u64,
}

impl ChunkedUpload {
    /// A file of `total` bytes. `name` is fresh and random, of `[a-z0-9-]`.
    #[must_use]
    pub fn new(name: String, total: u64) -> Self {
        Self {
            // The name is random, so the content cannot contain the boundary (RFC 2046, section 5.1.1).
            boundary: format!("kasm-mcp-{name}"),
            name,
            total,
            sent: 0,
            chunks: 0,
        }
    }

    /// How many bytes the next chunk has; None when all were sent.
    #[must_use]
    pub fn next_len(&self) -> Option<u64> {
        (self.chunks < self.chunk_count()).then(|| (self.total - self.sent).min(CHUNK_BYTES))
    }

    /// An empty file has one empty chunk.
    fn chunk_count(&self) -> u64 {
        self.total.div_ceil(CHUNK_BYTES).max(1)
    }

    fn chunk_form(&self, chunk: &[u8]) -> Bytes {
        // The fields of the Dropzone library, in its order. They come before the file.
        let fields = [
            ("dzuuid", self.name.clone()),
            ("dzchunkindex", self.chunks.to_string()),
            ("dztotalfilesize", self.total.to_string()),
            ("dzchunksize", CHUNK_BYTES.to_string()),
            ("dztotalchunkcount", self.chunk_count().to_string()),
            ("dzchunkbyteoffset", self.sent.to_string()),
        ];
        let Self { boundary, name, .. } = self;
        let mut form = Vec::with_capacity(chunk.len() + 1_024);
        for (field, value) in fields {
            let part = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            );
            form.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(chunk);
        form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        form.into()
    }
}

impl Kasm {
    /// Sends the next chunk, which has [`ChunkedUpload::next_len`] bytes.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub async fn upload_chunk(
        &self,
        place: &RunningSession,
        upload: &mut ChunkedUpload,
        chunk: &[u8],
    ) -> Result<(), ProxyError> {
        let Some(uploads) = &place.session.uploads else {
            return Err(ProxyError::NoService("uploads"));
        };
        let proxy = &self.proxy;
        let url = proxy.service_url(uploads, "/upload")?;
        let kind = format!("multipart/form-data; boundary={}", upload.boundary);
        let form = upload.chunk_form(chunk);
        let build = |username: &str, token: &_| {
            let request = proxy.request_with_token(Method::POST, url.clone(), username, token)?;
            let request = request
                .header(CONTENT_TYPE, &kind)
                .header(ACCEPT, "application/json")
                .header(CACHE_CONTROL, "no-cache")
                .header("x-requested-with", "XMLHttpRequest");
            Ok(request.timeout(proxy.timeout * 4).body(form.clone()))
        };
        let response = self.with_cookies(place, build).await?;
        if !response.status().is_success() {
            return Err(error_of_answer(&response));
        }
        upload.sent += chunk.len() as u64;
        upload.chunks += 1;
        Ok(())
    }
}
