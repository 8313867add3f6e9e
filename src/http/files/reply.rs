//! The answer that carries a file, or a part of one.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use futures::StreamExt;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use tokio::sync::OwnedSemaphorePermit;

use super::range::{DeliveryCount, RangeSelection, select_range};
use crate::http::problem::HttpProblem;
use crate::links::{LinkId, OpenLinks};
use crate::percent;
use crate::tool::transfer::FileDownload;

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// The first second of the year 10000, in Unix time.
const YEAR_10000: u64 = 253_402_300_800;

/// What an answer with a file needs beside the file.
pub(super) struct FileReply {
    /// The link that it goes over.
    pub(super) count: Option<(Arc<OpenLinks>, LinkId)>,
    pub(super) is_head: bool,
    /// Kept until the last byte.
    pub(super) place: OwnedSemaphorePermit,
}

impl FileReply {
    pub(super) fn into_response_for(
        self,
        file: FileDownload,
        path: &str,
        asked: &HeaderMap,
    ) -> Response {
        let etag = format!("\"{}\"", file.sha256);
        let date = http_date(file.modified);
        let selected = select_range(asked, file.size, &etag, date.as_deref());
        let (status, part) = match selected {
            RangeSelection::Whole => (StatusCode::OK, 0..file.size),
            RangeSelection::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            RangeSelection::OutOfRange => {
                let detail = format!("the file has {} bytes", file.size);
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let problem = HttpProblem::new(status, "range_not_satisfiable", detail);
                let size = format!("bytes */{}", file.size);
                return ([(CONTENT_RANGE, size)], problem).into_response();
            }
        };
        let mut headers = file_headers(&file, path, etag, date);
        headers.insert(CONTENT_LENGTH, (part.end - part.start).into());
        if status == StatusCode::PARTIAL_CONTENT {
            let part = format!("bytes {}-{}/{}", part.start, part.end - 1, file.size);
            insert_header(&mut headers, CONTENT_RANGE, Some(part));
        }
        // A HEAD delivers no byte, so it counts nothing for the link and returns its place at once.
        if self.is_head {
            return (status, headers).into_response();
        }
        let mut count = self.count.map(|(links, id)| DeliveryCount {
            links,
            id,
            version: file.sha256,
            size: file.size,
            start: part.start,
            rest: part.clone(),
        });
        let bytes = (file.open)(part).map(move |bytes| {
            match &bytes {
                Ok(bytes) => count.iter_mut().for_each(|it| it.note_bytes(bytes.len())),
                // The status has gone out already. The client notices a body that is shorter than its
                // Content-Length.
                Err(error) => tracing::warn!(%error, "a download broke off"),
            }
            bytes
        });
        // The stream owns the permit and returns it when it is dropped: at its end, or when the client
        // disconnects.
        let place = self.place;
        let bytes = bytes.map(move |bytes| {
            let _until_the_last = &place;
            bytes
        });
        (status, headers, Body::from_stream(bytes)).into_response()
    }
}

/// The headers of a file, the same for the whole and for each part.
fn file_headers(file: &FileDownload, path: &str, etag: String, date: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let name = path.rsplit('/').next().unwrap_or_default();
    // The file is a user's content under this server's origin. A browser must neither cache nor render it.
    let fixed = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ACCEPT_RANGES, "bytes"),
    ];
    for (header, value) in fixed {
        headers.insert(header, HeaderValue::from_static(value));
    }
    insert_header(
        &mut headers,
        CONTENT_DISPOSITION,
        Some(content_disposition(name)),
    );
    insert_header(&mut headers, REPR_DIGEST, repr_digest(&file.sha256));
    insert_header(&mut headers, ETAG, Some(etag));
    insert_header(&mut headers, LAST_MODIFIED, date);
    headers
}

fn insert_header(headers: &mut HeaderMap, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        headers.insert(name, value);
    }
}

/// RFC 6266, with the name as RFC 8187 writes it.
fn content_disposition(name: &str) -> String {
    format!(
        "attachment; filename*=UTF-8''{}",
        percent::encode_part(name)
    )
}

fn repr_digest(hex: &str) -> Option<String> {
    let digest = HEXLOWER.decode(hex.as_bytes()).ok()?;
    Some(format!("sha-256=:{}:", BASE64.encode(&digest)))
}

/// None for a year of more than four digits, which the format has no room for: files may have any date.
fn http_date(seconds: u64) -> Option<String> {
    let fits = seconds < YEAR_10000;
    fits.then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::{YEAR_10000, http_date};

    #[test]
    fn a_date_that_the_format_cannot_hold_is_left_out() {
        let last = http_date(YEAR_10000 - 1);
        assert_eq!(last.as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!(http_date(YEAR_10000), None);
        assert_eq!(http_date(u64::MAX), None);
    }
}
