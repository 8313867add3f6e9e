//! `GET` and `PUT /files/{provider}/{computer}/{path}`: file transfers that bypass the model. Without the name of a
//! provider the computer is one of the first that transfers files, `/files/{kasm_id}/{path}`.
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
use super::problem::HttpProblem;
use super::state::HttpState;
use crate::caller::{Credential, RequestInfo};
use crate::links::{LinkId, OpenLinks, TransferDirection, UploadClaim};
use crate::tool::ToolError;
use crate::tool::registry::Registry;
use crate::tool::transfer::{FileUpload, StoredFile};
use crate::tool::transferring::{TransferAction, TransferOutcome, TransferRequest};
use reply::FileReply;

/// How long a client may pause in the middle of an upload.
const STALL: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route(
        "/files/{first}/{*rest}",
        get(transfer_file).put(transfer_file),
    )
}

/// Answers GET, HEAD and PUT. The method is the direction of the transfer.
async fn transfer_file(
    State(state): State<Arc<HttpState>>,
    Authenticated(caller): Authenticated,
    place: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, HttpProblem> {
    let Path((first, rest)) = place.map_err(|error| HttpProblem::bad_request(error.body_text()))?;
    let place_of_file = FilePlace::of_path(&state.registry, first, rest)?;
    let (parts, body) = request.into_parts();
    let broken = BrokenUploadBody::default();
    let transfer = match parts.method {
        Method::GET | Method::HEAD => TransferAction::Download,
        Method::PUT => TransferAction::Upload(FileUpload {
            length: content_length(&parts.headers).ok_or_else(length_missing)?,
            bytes: incoming_bytes(body, broken.clone()),
        }),
        _ => return Err(method_not_allowed()),
    };
    let place = take_place(&state)?;
    let link = parts.extensions.get().map(|ByLink(id)| *id);
    let link = state.links.clone().zip(link);
    // A link already grants this one transfer. Only a client with its own token can request more scope.
    if link.is_none()
        && caller.credential == Credential::OAuth
        && let Some(needed) = (state.registry).scope_missing_for(
            place_of_file.provider(),
            transfer.transfer_direction(),
            &caller,
        )
    {
        return Err(insufficient_scope(parts.extensions.get(), &needed.into()));
    }
    let claim = match transfer.transfer_direction() {
        TransferDirection::Download => None,
        TransferDirection::Upload => claim_upload(link.as_ref())?,
    };
    let request = TransferRequest {
        caller,
        origin: parts.extensions.get::<RequestInfo>().cloned(),
        provider: place_of_file.provider,
        computer: place_of_file.computer,
        path: place_of_file.path,
    };
    match state.registry.transfer_file(&request, transfer).await {
        Ok(TransferOutcome::Opened(file)) => {
            let reply = FileReply {
                count: link,
                is_head: parts.method == Method::HEAD,
                place,
            };
            Ok(reply.into_response_for(file, &request.path, &parts.headers))
        }
        Ok(TransferOutcome::Stored(stored)) => {
            // Only now: a failed upload leaves the link usable, so the client can try again.
            if let Some(claim) = claim {
                claim.complete_upload();
            }
            Ok(upload_receipt(&stored, &request.path))
        }
        // The provider sees a broken body as a failed read. The body problem has the status that fits: 408 or
        // 400.
        Err(error) => Err(broken
            .take_problem()
            .unwrap_or_else(|| transfer_problem(error))),
    }
}

/// Where a file is, as the address says.
struct FilePlace {
    provider: Option<String>,
    computer: String,
    path: String,
}

impl FilePlace {
    fn of_path(registry: &Registry, first: String, rest: String) -> Result<Self, HttpProblem> {
        if !registry.has_transfers(&first) {
            return Ok(Self {
                provider: None,
                computer: first,
                path: format!("/{rest}"),
            });
        }
        let (computer, path) = rest.split_once('/').ok_or_else(|| {
            HttpProblem::bad_request("the path of the file is missing behind the computer's id")
        })?;
        Ok(Self {
            provider: Some(first),
            computer: computer.to_owned(),
            path: format!("/{path}"),
        })
    }

    fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }
}

/// Two uploads over one link would be two transfers. None: no link is used.
fn claim_upload(
    link: Option<&(Arc<OpenLinks>, LinkId)>,
) -> Result<Option<UploadClaim>, HttpProblem> {
    let Some((links, id)) = link else {
        return Ok(None);
    };
    links.begin_upload(*id).map(Some).ok_or_else(|| {
        let detail = "another upload over this link is running; wait until it ends";
        HttpProblem::new(StatusCode::CONFLICT, "link_in_use", detail)
    })
}

fn transfer_problem(error: ToolError) -> HttpProblem {
    // What is wrong with a body has the status that it has on all surfaces.
    if error.code == "body_too_large" {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return HttpProblem::new(status, error.code, error.message);
    }
    error.into()
}

fn method_not_allowed() -> HttpProblem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    HttpProblem::new(status, "method_not_allowed", "use GET, HEAD or PUT")
}

fn length_missing() -> HttpProblem {
    let detail = "send a Content-Length: the size of the file";
    HttpProblem::new(StatusCode::LENGTH_REQUIRED, "length_required", detail)
}

/// A place among the transfers under way.
fn take_place(state: &HttpState) -> Result<OwnedSemaphorePermit, HttpProblem> {
    let place = state.transfers.clone().try_acquire_owned();
    place.map_err(|_all_taken| {
        let detail = "too many files are on their way; try again in a moment";
        HttpProblem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_transfers",
            detail,
        )
        .retry_after(5)
    })
}

/// The answer to an upload.
fn upload_receipt(stored: &StoredFile, path: &str) -> Response {
    let body = json!({ "path": path, "size": stored.size, "sha256": stored.sha256 });
    (StatusCode::CREATED, Json(body)).into_response()
}

/// The length of a body; None: unknown. Without any header about it there is no body (RFC 9112, section 6.3).
fn content_length(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

/// What was wrong with the body of an upload. The provider receives only a text and reports a failure of its
/// own; the client gets this problem instead.
#[derive(Clone, Default)]
struct BrokenUploadBody(Arc<Mutex<Option<HttpProblem>>>);

impl BrokenUploadBody {
    fn keep_problem(&self, problem: HttpProblem) -> String {
        let text = problem.detail().to_owned();
        *self.0.lock() = Some(problem);
        text
    }

    fn take_problem(&self) -> Option<HttpProblem> {
        self.0.lock().take()
    }
}

/// The chunks of a body. The stream fails if the client sends nothing for [`STALL`].
fn incoming_bytes(
    body: Body,
    broken: BrokenUploadBody,
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
        // The state is none, so the stream ends here. Later bytes would be stored behind a hole.
        Some((Err(broken.keep_problem(problem)), None))
    })
    .boxed()
}
