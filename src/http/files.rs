//! `GET` and `PUT /files/{kasm_id}/{path}`: file transfers that bypass the model.
//!
//! With a bearer token, or with a link of [`crate::links`] and nothing else, which `link.rs` turns into a caller.
//! Both stand behind the layers of all surfaces and go the way of every transfer; bytes are streamed, and a file
//! is stored whole or not at all.

mod range;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{body_problem, body_too_slow};
use super::challenge::insufficient_scope;
use super::identity::{Authenticated, ByLink};
use super::problem::Problem;
use super::state::HttpState;
use crate::caller::{Credential, RequestInfo};
use crate::links::{Direction, LinkId, Links, UploadClaim};
use crate::tool::ToolError;
use crate::tool::transfer::{FileUpload, StoredFile};
use crate::tool::transferring::{Transfer, TransferRequest, Transferred};
use reply::FileReply;

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
        Method::GET | Method::HEAD => Transfer::Download,
        Method::PUT => Transfer::Upload(FileUpload {
            length: length(&parts.headers).ok_or_else(length_missing)?,
            bytes: incoming(body, broken.clone()),
        }),
        _ => return Err(method_not_allowed()),
    };
    let place = take_place(&state)?;
    let link = parts.extensions.get().map(|ByLink(id)| *id);
    let link = state.links.clone().zip(link);
    if link.is_none()
        && caller.credential == Credential::OAuth
        && let Some(needed) = (state.registry).scope_missing_for(transfer.direction(), &caller)
    {
        return Err(insufficient_scope(parts.extensions.get(), needed));
    }
    let claim = match transfer.direction() {
        Direction::Download => None,
        Direction::Upload => claim_upload(link.as_ref())?,
    };
    let request = TransferRequest {
        caller,
        origin: parts.extensions.get::<RequestInfo>().cloned(),
        computer,
        path: format!("/{path}"),
    };
    match state.registry.transfer(&request, transfer).await {
        Ok(Transferred::Opened(file)) => {
            let reply = FileReply {
                count: link,
                is_head: parts.method == Method::HEAD,
                place,
            };
            Ok(reply.attachment(file, &request.path, &parts.headers))
        }
        Ok(Transferred::Stored(stored)) => {
            if let Some(claim) = claim {
                claim.complete();
            }
            Ok(receipt(&stored, &request.path))
        }
        Err(error) => Err(broken.take_problem().unwrap_or_else(|| refusal(error))),
    }
}

/// Two uploads over one link would be two transfers. None: no link is used.
fn claim_upload(link: Option<&(Arc<Links>, LinkId)>) -> Result<Option<UploadClaim>, Problem> {
    let Some((links, id)) = link else {
        return Ok(None);
    };
    links.begin_upload(*id).map(Some).ok_or_else(|| {
        let detail = "another upload over this link is running; wait until it ends";
        Problem::new(StatusCode::CONFLICT, "link_in_use", detail)
    })
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
    Problem::new(status, "method_not_allowed", "use GET, HEAD or PUT")
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
fn receipt(stored: &StoredFile, path: &str) -> Response {
    let body = json!({ "path": path, "size": stored.size, "sha256": stored.sha256 });
    (StatusCode::CREATED, Json(body)).into_response()
}

/// The length of a body; None: unknown. Without any header about it there is no body (RFC 9112, section 6.3).
fn length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
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
