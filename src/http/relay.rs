//! `POST /relay/<one-time token>/<offset>`: where programs in a session post output.
//!
//! The token is the only credential. It opens its own mailbox and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::routing::post;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::body::read_bytes;
use super::problem::HttpProblem;
use super::state::HttpState;
use crate::relay::RelayRefusal;

/// The wrapper's first post, before it has output.
const GREETING: &str = "hello";

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/relay/{token}/{piece}", post(receive_output))
}

async fn receive_output(
    State(state): State<Arc<HttpState>>,
    Path((token, piece)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, HttpProblem> {
    let offset = match piece.parse::<u64>() {
        Ok(offset) => Some(offset),
        Err(_) if piece == GREETING => None,
        Err(_) => return Err(RelayRefusal::Unknown.into()),
    };
    let relay = state.relay.as_ref().ok_or(RelayRefusal::Unknown)?;
    // The length reserves memory before the first byte is read, so many posts at once cannot exceed it.
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        let detail = "send a Content-Length";
        HttpProblem::new(StatusCode::LENGTH_REQUIRED, "length_required", detail)
    })?;
    // None is a piece that was received before: its answer was lost, and the sender repeats it. It may go on.
    let Some(posting) = relay.begin_posting(&token, offset, length).await? else {
        return Ok(StatusCode::NO_CONTENT);
    };
    let limit = usize::try_from(length).unwrap_or(usize::MAX);
    let body = read_bytes(request.into_body(), limit, "its Content-Length").await?;
    posting.deliver_bytes(body).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<RelayRefusal> for HttpProblem {
    fn from(refusal: RelayRefusal) -> Self {
        match refusal {
            RelayRefusal::Unknown => Self::new(
                StatusCode::NOT_FOUND,
                "relay_unknown",
                "this relay token is unknown or expired",
            ),
            RelayRefusal::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "more than this job may send",
            ),
            RelayRefusal::OutOfOrder => Self::new(
                StatusCode::CONFLICT,
                "relay_out_of_order",
                "send one piece after the other",
            ),
        }
    }
}
