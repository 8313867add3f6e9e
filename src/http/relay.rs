//! `POST /relay/<one-time token>/<offset>`: where programs in a session post output.
//!
//! The token is the only credential. It opens its own mailbox and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, Limited};

use super::limits::TooSlow;
use super::problem::Problem;
use crate::relay::{Refusal, Relay};

/// The wrapper's first post, before it has output.
const GREETING: &str = "hello";

pub(super) fn routes(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/relay/{token}/{piece}", post(receive))
        .with_state(relay)
}

async fn receive(
    State(relay): State<Arc<Relay>>,
    Path((token, piece)): Path<(String, String)>,
    request: Request,
) -> Response {
    let offset = match piece.parse::<u64>() {
        Ok(offset) => Some(offset),
        Err(_) if piece == GREETING => None,
        Err(_) => return refused(Refusal::Unknown),
    };
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else {
        let problem = Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "no length",
            "send a Content-Length",
        );
        return problem.into_response();
    };
    let posting = match relay.begin(&token, offset, length).await {
        Ok(Some(posting)) => posting,
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => return refused(refusal),
    };
    let limit = usize::try_from(length).unwrap_or(usize::MAX);
    let body = match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => body,
        Err(error) if TooSlow::is_behind(&*error) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            return Problem::new(status, "too slow", "the body was received too slowly")
                .into_response();
        }
        Err(_) => return refused(Refusal::TooLarge),
    };
    match posting.deliver(body.to_bytes()).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    let problem = match refusal {
        Refusal::Unknown => Problem::new(
            StatusCode::NOT_FOUND,
            "not found",
            "this relay token is unknown or expired",
        ),
        Refusal::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too large",
            "this job may not send more",
        ),
        Refusal::OutOfOrder => Problem::new(
            StatusCode::CONFLICT,
            "out of order",
            "send the chunks in order",
        ),
    };
    problem.into_response()
}
