//! Request bodies: the one place that reads them, for all surfaces.
//!
//! What is wrong with a body has the same status and code everywhere: 408 `body_too_slow`, 413
//! `body_too_large`, 415 `not_json`, 400 `body_broken` and, where JSON is expected, `malformed_json`.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;

use super::limits::BodyTooSlow;
use super::problem::HttpProblem;

/// JSON up to this size is parsed by the worker that has read it: a quarter of a millisecond or so. More
/// would keep the worker from all other requests, `/healthz` among them.
const PARSED_BY_WORKER_BYTES_MAX: usize = 64 << 10;
/// How many larger bodies are parsed at a time. Each may take several times its size in memory, and those that
/// wait have their turn before the next ones are read.
const PARSED_AWAY_MAX: usize = 2;

static PARSED_AWAY: Semaphore = Semaphore::const_new(PARSED_AWAY_MAX);

/// Whether a request without a body is a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EmptyBody {
    /// It has no arguments, and needs no type.
    Allowed,
    /// It is no message.
    Refused,
}

/// Reads a body of at most `bytes_max`, which is what `limit` says.
pub(super) async fn read_bytes(
    body: Body,
    bytes_max: usize,
    limit: &str,
) -> Result<Bytes, HttpProblem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than the {bytes_max} bytes of {limit}");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(HttpProblem::new(status, "body_too_large", detail))
        }
        Err(error) => Err(body_problem(&*error)),
    }
}

/// The problem of a body that ended early: the client was too slow, or the connection broke.
pub(super) fn body_problem(error: &(dyn std::error::Error + 'static)) -> HttpProblem {
    if BodyTooSlow::is_behind(error) {
        return body_too_slow();
    }
    let detail = format!("the body could not be read: {error}");
    HttpProblem::new(StatusCode::BAD_REQUEST, "body_broken", detail)
}

/// The client took too long.
pub(super) fn body_too_slow() -> HttpProblem {
    let detail = "the body came too slowly";
    HttpProblem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail)
}

/// Reads a body that is declared as JSON. Another type is refused: a page could send those without asking
/// (CORS).
pub(super) async fn read_json(
    request: Request,
    bytes_max: usize,
    empty: EmptyBody,
) -> Result<(Parts, Bytes), HttpProblem> {
    let (parts, body) = request.into_parts();
    let is_declared = is_json(&parts.headers);
    // Refused before the body is read, so the form post of a foreign page costs no memory.
    if !is_declared && empty == EmptyBody::Refused {
        return Err(not_json());
    }
    let bytes = read_bytes(body, bytes_max, "MCP_MAX_BODY_BYTES").await?;
    if !is_declared && !bytes.is_empty() {
        return Err(not_json());
    }
    Ok((parts, bytes))
}

/// Parses a body. A large one is parsed on a blocking thread, so that other requests of the worker go on.
pub(super) async fn parse_body<T: Send + 'static>(
    bytes: Bytes,
    parse: impl FnOnce(Bytes) -> T + Send + 'static,
) -> Result<T, HttpProblem> {
    if bytes.len() <= PARSED_BY_WORKER_BYTES_MAX {
        return Ok(parse(bytes));
    }
    // tokio's blocking pool has up to 512 threads, hence the permits. `acquire` fails only on a closed
    // semaphore, and this one is never closed.
    let permit = PARSED_AWAY.acquire().await.ok();
    let parsed = tokio::task::spawn_blocking(move || parse(bytes)).await;
    drop(permit);
    parsed.map_err(|_panicked| HttpProblem::internal_error())
}

/// Answers a request whose body is parsed while it is answered. With a large body this runs on a blocking
/// thread until the answer begins.
pub(super) async fn answer_where_parsed<T: Send + 'static>(
    body_bytes: usize,
    answer: impl Future<Output = T> + Send + 'static,
) -> Result<T, HttpProblem> {
    if body_bytes <= PARSED_BY_WORKER_BYTES_MAX {
        return Ok(answer.await);
    }
    // rmcp parses the body while its future is polled, so the whole future has to leave the worker.
    let runtime = tokio::runtime::Handle::current();
    let answered = tokio::task::spawn_blocking(move || runtime.block_on(answer)).await;
    answered.map_err(|_panicked| HttpProblem::internal_error())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    // Parameters such as `charset=utf-8` do not change the type.
    let essence = kind.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn not_json() -> HttpProblem {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "the Content-Type must be application/json";
    HttpProblem::new(status, "not_json", detail)
}
