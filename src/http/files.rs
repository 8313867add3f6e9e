//! `GET` and `PUT /files/{kasm_id}/{path}`: files that should not pass through a model.
//!
//! With a bearer token, or with a link of [`crate::links`] and nothing else. Both go through the same
//! checks as the tools; bytes are streamed, and a file is stored whole or not at all.

mod range;
mod record;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::{StreamExt, stream};
use http::header::{ALLOW, CONTENT_LENGTH, HeaderMap, RETRY_AFTER, TRANSFER_ENCODING};
use http::{Extensions, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auth::{self, Authenticator, Unauthenticated};
use super::limits::{self, Limiter};
use super::oauth;
use super::problem::Problem;
use crate::audit::Audit;
use crate::caller::{Caller, Credential, Origin, Scope};
use crate::links::{Direction, LinkId, Links, UploadClaim};
use crate::tool::transfer::{FileOf, Transfers, Upload};
use crate::tool::{ErrorType, ToolError};
use reply::FileReply;

/// How long a client may pause in the middle of an upload.
const STALL: Duration = Duration::from_secs(60);

/// What the routes work with.
#[derive(Clone, Debug)]
pub struct Files {
    /// Who has the files.
    pub transfers: Arc<dyn Transfers>,
    /// The links that stand for a token.
    pub links: Option<Arc<Links>>,
    /// Transfers at a time.
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

/// Why nothing is transferred.
enum Refusal {
    /// With an answer of the layer that knows the callers.
    Caller(Box<Response>),
    /// Too soon.
    Limited(limits::Refusal),
    /// Too many transfers are under way.
    Busy,
    /// The link is for the other direction.
    WrongMethod(&'static str),
    Other(Problem),
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self::Other(Problem::new(status, title, detail))
    }

    /// What it is called in the record.
    fn word(&self) -> &'static str {
        match self {
            Self::Caller(_) => "unauthenticated",
            Self::Limited(_) => "rate_limited",
            Self::Busy => "busy",
            Self::WrongMethod(_) => "wrong method",
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
                let detail = "too many files are on their way; try again in a moment";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
                ([(RETRY_AFTER, "5")], problem).into_response()
            }
            Self::WrongMethod(allowed) => {
                let detail = format!("this link is for {allowed}");
                let status = StatusCode::METHOD_NOT_ALLOWED;
                let problem = Problem::new(status, "wrong method", detail);
                ([(ALLOW, allowed)], problem).into_response()
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
    if options.link.is_some() && range::is_prefetch(request.headers()) {
        let detail = "a link is not fetched ahead: open it when the file is wanted";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "prefetch", detail));
    }
    let path = format!("/{path}");
    let origin = request.extensions().get::<Origin>().cloned();
    let direction = Direction::Download;
    let place = shared.enter()?;
    let (headers, from) = (request.headers(), request.extensions());
    let caller = shared.caller(headers, from, &options, direction, &computer, &path);
    let (caller, link) = caller.await?;
    let file = FileOf {
        caller: &caller,
        computer: &computer,
        path: &path,
    };
    let record = record::begin(shared.audit.as_ref(), direction, &file, origin).await?;
    let opened = shared.files.transfers.download(file);
    let opened = shared.while_good(&caller, opened).await;
    let opened = record::end(record, opened).await?;
    let reply = FileReply {
        count: shared.files.links.clone().zip(link),
        is_head: request.method() == Method::HEAD,
        place,
        validity: caller.validity,
    };
    Ok(reply.attachment(opened, &path, headers))
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
    let (caller, link) = caller.await?;
    let claim = shared.claim_upload(link)?;
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
    if let Some(claim) = claim {
        claim.complete();
    }
    let body = json!({ "path": path, "size": stored.size, "sha256": stored.sha256 });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// How long a body is; None: nobody knows yet. Without any word about it there is none (RFC 9112,
/// section 6.3).
fn length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

impl Shared {
    /// Whose transfer it is, and over which link it goes.
    async fn caller(
        &self,
        headers: &HeaderMap,
        from: &Extensions,
        options: &Options,
        direction: Direction,
        computer: &str,
        path: &str,
    ) -> Result<(Caller, Option<LinkId>), Refusal> {
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
                let detail = "this token is not for it: it is read-only, or without these tools";
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
            return Ok((caller, None));
        };
        let links = self.files.links.as_ref();
        let link = links.and_then(|links| links.find_link(token));
        let link = link.filter(|(_, link)| link.computer == computer && link.path == path);
        let (id, link) = link.ok_or_else(|| {
            let detail = "the link was used, is over, or is not for this; ask for another with link_kasm_file";
            Refusal::new(StatusCode::NOT_FOUND, "not found", detail)
        })?;
        match link.direction {
            Direction::Download if direction != Direction::Download => {
                Err(Refusal::WrongMethod("GET, HEAD"))
            }
            Direction::Upload if direction != Direction::Upload => Err(Refusal::WrongMethod("PUT")),
            Direction::Download | Direction::Upload => Ok((link.caller, Some(id))),
        }
    }

    /// Two uploads over one link would be two transfers. None: there is no link.
    fn claim_upload(&self, link: Option<LinkId>) -> Result<Option<UploadClaim>, Refusal> {
        let Some((links, id)) = self.files.links.as_ref().zip(link) else {
            return Ok(None);
        };
        links.begin_upload(id).map(Some).ok_or_else(|| {
            let detail = "another upload over this link is under way; wait for its end";
            Refusal::new(StatusCode::CONFLICT, "conflict", detail)
        })
    }

    fn unknown(&self, reason: Unauthenticated) -> Refusal {
        Refusal::Caller(Box::new(auth::refuse(&self.auth, reason)))
    }

    /// Gives up what is being done for a caller whose token is taken back.
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

    /// A place among the transfers under way.
    fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let places = self.places.clone();
        places.try_acquire_owned().map_err(|_| Refusal::Busy)
    }
}

/// The body of a request, with an end to patience.
fn incoming(body: Body) -> stream::BoxStream<'static, Result<bytes::Bytes, String>> {
    let chunks = body.into_data_stream();
    stream::unfold(Some(chunks), |chunks| async {
        let mut chunks = chunks?;
        match tokio::time::timeout(STALL, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
            Ok(Some(Err(error))) => Some((Err(error.to_string()), None)),
            Err(_elapsed) => Some((Err("no byte for 60 s".to_owned()), None)),
        }
    })
    .boxed()
}
