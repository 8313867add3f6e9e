//! `GET` and `PUT /files/{kasm_id}/{path}`: files that should not pass through a model.
//!
//! With a bearer token, or with a link of [`crate::links`] and nothing else, which `link.rs` turns into a caller.
//! Both stand behind the layers of all surfaces and go the way of every transfer; bytes are streamed, and a file
//! is stored whole or not at all.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::{BASE64, HEXLOWER};
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{body_problem, body_too_slow};
use super::challenge::insufficient_scope;
use super::identity::{Authenticated, ByLink};
use super::link::link_unknown;
use super::problem::Problem;
use super::state::HttpState;
use crate::caller::{Credential, Origin};
use crate::percent;
use crate::tool::ToolError;
use crate::tool::transfer::{Download, Stored, Upload};
use crate::tool::transferring::{Transfer, TransferRequest, Transferred};

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// The first second of the year 10000, in Unix time.
const YEAR_10000: u64 = 253_402_300_800;
/// How long a client may pause in the middle of an upload.
const STALL: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/files/{computer}/{*path}", get(transfer).put(transfer))
}

/// Both directions.
async fn transfer(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    place: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path((computer, path)) = place.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (parts, body) = request.into_parts();
    let broken = BrokenBody::default();
    let transfer = match parts.method {
        Method::GET => Transfer::Download,
        Method::PUT => Transfer::Upload(Upload {
            length: length(&parts.headers).ok_or_else(length_missing)?,
            bytes: incoming(body, broken.clone()),
        }),
        // A preview must not use a link up.
        _ => return Err(method_not_allowed()),
    };
    // Before the link is taken, so that a busy server does not use it up.
    let place = take_place(&state)?;
    if let Some(ByLink(token)) = parts.extensions.get() {
        let links = state.links.as_ref();
        let link = links.and_then(|links| links.take(token));
        link.ok_or_else(link_unknown)?;
    } else if caller.credential == Credential::OAuth
        && let Some(needed) = (state.registry).scope_missing_for(transfer.direction(), &caller)
    {
        return Err(insufficient_scope(parts.extensions.get(), needed));
    }
    let request = TransferRequest {
        caller,
        origin: parts.extensions.get::<Origin>().cloned(),
        computer,
        path: format!("/{path}"),
    };
    match state.registry.transfer(&request, transfer).await {
        Ok(Transferred::Opened(file)) => Ok(attachment(file, &request.path, place)),
        Ok(Transferred::Stored(stored)) => Ok(receipt(&stored, &request.path)),
        Err(error) => Err(broken.take_problem().unwrap_or_else(|| refusal(error))),
    }
}

fn refusal(error: ToolError) -> Problem {
    // What is wrong with a body has the status that it has on all surfaces.
    if error.code == "body_too_large" {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Problem::new(status, error.code, error.message);
    }
    error.into()
}

fn method_not_allowed() -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method_not_allowed", "GET takes the file")
}

fn length_missing() -> Problem {
    let detail = "send a Content-Length: the size of the file";
    Problem::new(StatusCode::LENGTH_REQUIRED, "length_required", detail)
}

/// A place among the transfers under way.
fn take_place(state: &HttpState) -> Result<OwnedSemaphorePermit, Problem> {
    let place = state.transfers.clone().try_acquire_owned();
    place.map_err(|_all_taken| {
        let detail = "too many files are on their way; try again in a moment";
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_transfers",
            detail,
        )
        .retry_after(5)
    })
}

/// The answer to an upload.
fn receipt(stored: &Stored, path: &str) -> Response {
    let body = json!({ "path": path, "size": stored.size, "sha256": stored.sha256 });
    (StatusCode::CREATED, Json(body)).into_response()
}

/// How long a body is; None: nobody knows yet. Without any word about it there is none (RFC 9112,
/// section 6.3).
fn length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

/// The answer that carries a file. `place` is kept until its last byte.
fn attachment(file: Download, path: &str, place: OwnedSemaphorePermit) -> Response {
    let mut headers = HeaderMap::new();
    let name = path.rsplit('/').next().unwrap_or_default();
    let fixed = [
        (CONTENT_TYPE, "application/octet-stream"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (header, value) in fixed {
        headers.insert(header, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_LENGTH, file.size.into());
    let mut put = |header, value: Option<String>| {
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        if let Some(value) = value {
            headers.insert(header, value);
        }
    };
    put(CONTENT_DISPOSITION, Some(disposition(name)));
    put(REPR_DIGEST, repr_digest(&file.sha256));
    put(LAST_MODIFIED, http_date(file.modified));
    let bytes = stream::try_unfold((file.bytes, place), |(mut bytes, place)| async {
        let next = bytes.try_next().await;
        if let Err(error) = &next {
            tracing::warn!(%error, "a download broke off");
        }
        Ok::<_, ToolError>(next?.map(|chunk| (chunk, (bytes, place))))
    });
    (headers, Body::from_stream(bytes)).into_response()
}

/// RFC 6266, with the name as RFC 8187 writes it.
fn disposition(name: &str) -> String {
    format!("attachment; filename*=UTF-8''{}", percent::part(name))
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

/// What was wrong with the body of an upload. The provider gets a text, which it tells as a failure of its own;
/// the client is told of the body.
#[derive(Clone, Default)]
struct BrokenBody(Arc<Mutex<Option<Problem>>>);

impl BrokenBody {
    fn keep_problem(&self, problem: Problem) -> String {
        let text = problem.detail().to_owned();
        *self.0.lock() = Some(problem);
        text
    }

    fn take_problem(&self) -> Option<Problem> {
        self.0.lock().take()
    }
}

/// The body of a request, as long as something comes.
fn incoming(
    body: Body,
    broken: BrokenBody,
) -> stream::BoxStream<'static, Result<bytes::Bytes, String>> {
    let chunks = body.into_data_stream();
    stream::unfold(Some((chunks, broken)), |state| async {
        let (mut chunks, broken) = state?;
        let problem = match tokio::time::timeout(STALL, chunks.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(chunk))) => return Some((Ok(chunk), Some((chunks, broken)))),
            Ok(Some(Err(error))) => body_problem(&error),
            Err(_elapsed) => body_too_slow(),
        };
        Some((Err(broken.keep_problem(problem)), None))
    })
    .boxed()
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
