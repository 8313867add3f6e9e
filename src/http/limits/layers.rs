//! The layers that enforce the limits, and the answers to refused requests.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use super::{AddressState, CallerState, PLACE_PAUSE, RequestLimiter, StreamPlace};
use crate::caller::Caller;
use crate::http::problem::HttpProblem;
use crate::http::route_group::AnswerForm;
use crate::http::sse;
use crate::rate::RateWait;

/// Why a request is not answered now.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum LimitRefusal {
    /// The address sent too many requests.
    Address(RateWait),
    /// The address had too many failed authentications.
    Failures(RateWait),
    /// The caller sent too many requests.
    Caller(RateWait),
    /// The caller, or all callers together, have too many open streams.
    Streams,
}

impl LimitRefusal {
    fn time_to_wait(self) -> RateWait {
        match self {
            Self::Address(wait) | Self::Failures(wait) | Self::Caller(wait) => wait,
            Self::Streams => PLACE_PAUSE,
        }
    }
}

impl From<LimitRefusal> for HttpProblem {
    fn from(refusal: LimitRefusal) -> Self {
        let (limit, code, what) = match refusal {
            LimitRefusal::Address(_) => (
                "address",
                "too_many_requests_from_address",
                "too many requests from this address",
            ),
            LimitRefusal::Failures(_) => (
                "authentication_failures",
                "too_many_wrong_tokens",
                "too many wrong tokens from this address",
            ),
            LimitRefusal::Caller(_) => (
                "caller",
                "too_many_requests_of_caller",
                "too many requests with this token",
            ),
            LimitRefusal::Streams => (
                "streams",
                "too_many_streams",
                "too many open streams: close some",
            ),
        };
        let seconds = refusal.time_to_wait().whole_seconds();
        let detail = format!("{what}; try again in {seconds} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
            .retry_after(seconds)
            .limited_by(limit)
    }
}

/// A request that was counted for its address, and what its answer says about the token.
pub(in crate::http) struct CountedRequest {
    address: Arc<AddressState>,
    shows_token: bool,
    /// A lock against guessing that held when the request came.
    locked: Option<RateWait>,
}

/// Counts a request for its address. None: it has none.
///
/// # Errors
/// The address sent too many.
pub(in crate::http) fn count_for_address(
    limiter: &RequestLimiter,
    request: &mut Request,
) -> Result<Option<CountedRequest>, LimitRefusal> {
    let Some(address) = limiter.address_state_of(request.extensions()) else {
        return Ok(None);
    };
    address.count_request().map_err(LimitRefusal::Address)?;
    request.extensions_mut().insert(address.clone());
    Ok(Some(CountedRequest {
        shows_token: request.headers().contains_key(AUTHORIZATION),
        // Only the layers inside compare the token. While the lock lasts, the answer does not reveal the result.
        locked: address.locked_for(),
        address,
    }))
}

impl CountedRequest {
    /// Counts a failed authentication.
    ///
    /// # Errors
    /// The address is locked: its answer is another one.
    pub(in crate::http) fn count_answer(&self, response: &Response) -> Result<(), LimitRefusal> {
        if !self.shows_token || response.status() != StatusCode::UNAUTHORIZED {
            return Ok(());
        }
        // During a lock a wrong token gets the same 429 as a right one from an unknown caller, so a guess reveals
        // nothing.
        match self.locked {
            Some(wait) => Err(LimitRefusal::Failures(wait)),
            None => {
                self.address.count_failure();
                Ok(())
            }
        }
    }
}

/// Counts a request for its caller, and takes the place of a stream that it may open.
///
/// # Errors
/// The caller sent too many, or has too many streams.
pub(in crate::http) fn count_for_caller(
    limiter: &RequestLimiter,
    form: AnswerForm,
    request: &mut Request,
) -> Result<Option<StreamPlace>, LimitRefusal> {
    let Some(caller) = Caller::of_request(request.extensions()) else {
        return Ok(None);
    };
    let caller_state = limiter.admit_caller(request.extensions(), caller)?;
    // The stream of a call ends with the call, which has limits of its own.
    let place = if form == AnswerForm::JsonRpc && may_open_stream(request) {
        Some(limiter.open_stream(&caller_state)?)
    } else {
        None
    };
    request.extensions_mut().insert(caller_state);
    Ok(place)
}

/// Whether the answer to a message may be a stream that stays open by itself, and not just until a call has
/// ended. Other surfaces have no such streams.
fn may_open_stream(request: &Request) -> bool {
    let listens = |request: &Request| {
        let method = request.headers().get("mcp-method");
        method.is_some_and(|method| method == "subscriptions/listen")
    };
    request.method() == Method::GET || listens(request)
}

/// Keeps the place of a stream until the answer ends.
pub(in crate::http) fn hold_stream_place(response: Response, place: StreamPlace) -> Response {
    sse::wrap_event_stream(response, |chunks| {
        chunks.map(move |chunk| {
            let _while_open = &place;
            chunk
        })
    })
}

impl CallerState {
    /// Counts what is in a batch beyond the one that its request was.
    pub(in crate::http) fn count_batch(&self, messages: usize) -> Result<(), LimitRefusal> {
        let more = u32::try_from(messages.saturating_sub(1)).unwrap_or(u32::MAX);
        match std::num::NonZeroU32::new(more) {
            Some(more) => self.requests.take_many(more).map_err(LimitRefusal::Caller),
            None => Ok(()),
        }
    }
}
