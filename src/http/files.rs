//! `GET` and `PUT /files/{kasm_id}/{path}`: file transfers that bypass the model.
//!
//! They need a bearer token, or a link of [`crate::links`] alone. Both pass the checks of the file tools. Bytes
//! are streamed, and a file is stored completely or not at all.

mod record;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::{BASE64, HEXLOWER};
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, RETRY_AFTER, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{Extensions, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{self, Authenticator, Unauthenticated};
use super::limits::{self, Limiter};
use super::oauth;
use super::problem::Problem;
use crate::audit::Audit;
use crate::caller::{Caller, Credential, Origin, Scope, Validity};
use crate::links::{Direction, Links};
use crate::percent;
use crate::tool::transfer::{Download, FileOf, Transfers, Upload};
use crate::tool::{ErrorType, ToolError};

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// The first second of the year 10000, in Unix time.
const YEAR_10000: u64 = 253_402_300_800;
/// How long a client may pause during an upload.
const STALL: Duration = Duration::from_secs(60);

/// What the routes work with.
#[derive(Clone, Debug)]
pub struct Files {
    /// The provider's transfers.
    pub transfers: Arc<dyn Transfers>,
    /// The links, which replace a token.
    pub links: Option<Arc<Links>>,
    /// Limits the concurrent transfers.
    pub at_a_time: usize,
}

struct Shared {
    files: Files,
    audit: Option<Audit>,
    auth: Arc<Authenticator>,
    limiter: Arc<Limiter>,
    places: Arc<Semaphore>,
}

#[derive(Deserialize)]
struct Options {
    link: Option<String>,
}

/// Why a transfer was refused.
enum Refusal {
    /// The authentication layer refused it.
    Caller(Box<Response>),
    /// A rate limit was reached.
    Limited(limits::Refusal),
    /// Too many transfers are running.
    Busy,
    Other(Problem),
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self::Other(Problem::new(status, title, detail))
    }

    /// The method in the audit log.
    fn word(&self) -> &'static str {
        match self {
            Self::Caller(_) => "unauthenticated",
            Self::Limited(_) => "rate_limited",
            Self::Busy => "busy",
            Self::Other(problem) => problem.title(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Caller(answer) => *answer,
            Self::Limited(refusal) => refusal.into_response(),
            Self::Busy => {
                let detail = "too many file transfers are running; try again in a moment";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
                ([(RETRY_AFTER, "5")], problem).into_response()
            }
            Self::Other(problem) => problem.into_response(),
        }
    }
}

impl From<ToolError> for Refusal {
    fn from(error: ToolError) -> Self {
        let (status, title) = match error.error_type {
            ErrorType::Security => (StatusCode::FORBIDDEN, "forbidden by policy"),
            ErrorType::Permission => (StatusCode::FORBIDDEN, "forbidden"),
            ErrorType::Validation => (StatusCode::BAD_REQUEST, "bad request"),
            ErrorType::NotFound => (StatusCode::NOT_FOUND, "not found"),
            ErrorType::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorType::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            ErrorType::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timed out"),
            ErrorType::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorType::Api => (StatusCode::BAD_GATEWAY, "bad gateway"),
            ErrorType::Unsupported => (StatusCode::NOT_IMPLEMENTED, "not supported"),
            ErrorType::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        };
        Self::new(status, title, format!("{}; {}", error.message, error.hint))
    }
}

pub(super) fn routes(
    files: Files,
    auth: Arc<Authenticator>,
    limiter: Arc<Limiter>,
    audit: Option<Audit>,
) -> Router {
    let places = Arc::new(Semaphore::new(files.at_a_time));
    let shared = Shared {
        files,
        audit,
        auth,
        limiter,
        places,
    };
    Router::new()
        .route("/files/{computer}/{*path}", get(download).put(upload))
        .with_state(Arc::new(shared))
}

async fn download(
    State(shared): State<Arc<Shared>>,
    Path((computer, path)): Path<(String, String)>,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Refusal> {
    if request.method() == Method::HEAD {
        // A preview by HEAD would use up the link.
        let detail = "use GET to download the file";
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "no HEAD",
            detail,
        ));
    }
    let path = format!("/{path}");
    let origin = request.extensions().get::<Origin>().cloned();
    let direction = Direction::Download;
    // Checked first, so that a busy server does not use up a link.
    let place = shared.enter()?;
    let (headers, from) = (request.headers(), request.extensions());
    let caller = shared.caller(headers, from, &options, direction, &computer, &path);
    let caller = caller.await?;
    let file = FileOf {
        caller: &caller,
        computer: &computer,
        path: &path,
    };
    let record = record::begin(shared.audit.as_ref(), direction, &file, origin).await?;
    let opened = shared.files.transfers.download(file);
    let opened = shared.while_good(&caller, opened).await;
    let opened = record::end(record, opened).await?;
    Ok(attachment(opened, &path, place, caller.validity))
}

async fn upload(
    State(shared): State<Arc<Shared>>,
    Path((computer, path)): Path<(String, String)>,
    Query(options): Query<Options>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(length) = length(request.headers()) else {
        let detail = "send a Content-Length: the size of the file";
        return Err(Refusal::new(
            StatusCode::LENGTH_REQUIRED,
            "no length",
            detail,
        ));
    };
    let path = format!("/{path}");
    let origin = request.extensions().get::<Origin>().cloned();
    let direction = Direction::Upload;
    let _place = shared.enter()?;
    let (headers, from) = (request.headers(), request.extensions());
    let caller = shared.caller(headers, from, &options, direction, &computer, &path);
    let caller = caller.await?;
    let file = FileOf {
        caller: &caller,
        computer: &computer,
        path: &path,
    };
    let record = record::begin(shared.audit.as_ref(), direction, &file, origin).await?;
    let upload = Upload {
        length,
        bytes: incoming(request.into_body()),
    };
    let stored = shared.files.transfers.upload(file, upload);
    let stored = shared.while_good(&caller, stored).await;
    let stored = record::end(record, stored).await?;
    let body = json!({ "path": path, "size": stored.size, "sha256": stored.sha256 });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// The length of a body; None: unknown. Without any header about it there is no body (RFC 9112, section 6.3).
fn length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

impl Shared {
    /// The caller of a transfer.
    async fn caller(
        &self,
        headers: &HeaderMap,
        from: &Extensions,
        options: &Options,
        direction: Direction,
        computer: &str,
        path: &str,
    ) -> Result<Caller, Refusal> {
        let Some(token) = &options.link else {
            let caller = self.auth.authenticate(headers).await;
            let caller = caller.map_err(|reason| self.unknown(reason))?;
            let admitted = self.limiter.admit(from, &caller);
            admitted.map_err(Refusal::Limited)?;
            let needed = match direction {
                Direction::Download => Scope::Read,
                Direction::Upload => Scope::Use,
            };
            let toolset = self.files.transfers.toolset();
            let reads = direction == Direction::Download;
            if !caller.reach.includes(toolset, reads) {
                let detail =
                    "this token does not allow it: it is read-only, or lacks the file tools";
                return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", detail));
            }
            if !caller.may(needed) && caller.credential == Credential::OAuth {
                let answer = oauth::insufficient(&self.auth, needed);
                return Err(Refusal::Caller(Box::new(answer)));
            }
            if !caller.may(needed) {
                let detail = format!("this needs a token with the scope {needed}");
                return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", detail));
            }
            return Ok(caller);
        };
        let links = self.files.links.as_ref();
        let link = links.and_then(|links| links.take(token));
        let link = link.filter(|link| {
            link.direction == direction && link.computer == computer && link.path == path
        });
        link.map(|link| link.caller).ok_or_else(|| {
            let detail = "the link was used, has expired, or is for another file or method; create another with \
                link_kasm_file";
            Refusal::new(StatusCode::NOT_FOUND, "not found", detail)
        })
    }

    fn unknown(&self, reason: Unauthenticated) -> Refusal {
        Refusal::Caller(Box::new(auth::refuse(&self.auth, reason)))
    }

    /// Cancels work for a caller whose token is revoked.
    async fn while_good<T>(
        &self,
        caller: &Caller,
        work: impl Future<Output = Result<T, ToolError>>,
    ) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            () = caller.validity.over() => Err(self.unknown(Unauthenticated::Wrong)),
            done = work => Ok(done?),
        }
    }

    /// A permit for one running transfer.
    fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let places = self.places.clone();
        places.try_acquire_owned().map_err(|_| Refusal::Busy)
    }
}

/// The answer with the file. `place` is held until the last byte. The answer breaks off when the token is
/// revoked.
fn attachment(
    file: Download,
    path: &str,
    place: OwnedSemaphorePermit,
    validity: Validity,
) -> Response {
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
            tracing::warn!(%error, "a download was interrupted");
        }
        Ok::<_, ToolError>(next?.map(|chunk| (chunk, (bytes, place))))
    });
    let over = Box::pin(async move { validity.over().await });
    (headers, Body::from_stream(bytes.take_until(over))).into_response()
}

/// RFC 6266, with the name as RFC 8187 writes it.
fn disposition(name: &str) -> String {
    format!("attachment; filename*=UTF-8''{}", percent::part(name))
}

fn repr_digest(hex: &str) -> Option<String> {
    let digest = HEXLOWER.decode(hex.as_bytes()).ok()?;
    Some(format!("sha-256=:{}:", BASE64.encode(&digest)))
}

/// None for a year of more than four digits, which the HTTP date format cannot express.
fn http_date(seconds: u64) -> Option<String> {
    let fits = seconds < YEAR_10000;
    fits.then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// The body of a request, with a time limit for pauses.
fn incoming(body: Body) -> stream::BoxStream<'static, Result<bytes::Bytes, String>> {
    let chunks = body.into_data_stream();
    stream::unfold(Some(chunks), |chunks| async {
        let mut chunks = chunks?;
        match tokio::time::timeout(STALL, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
            Ok(Some(Err(error))) => Some((Err(error.to_string()), None)),
            Err(_elapsed) => Some((Err("no byte received for 60 s".to_owned()), None)),
        }
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
