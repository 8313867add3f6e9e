//! The layers that enforce the limits, and the answers to refused requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};

use super::{CallerState, PLACE_PAUSE, RequestLimiter, StreamPlace};
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

/// Enforces the limits of the address.
pub(in crate::http) async fn limit_by_address(
    State(limiter): State<Arc<RequestLimiter>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(address_state) = limiter.address_state_of(request.extensions()) else {
        return next.run(request).await;
    };
    let form = AnswerForm::of_request(request.extensions());
    if let Err(wait) = address_state.count_request() {
        return form.answer(LimitRefusal::Address(wait).into());
    }
    let shows = request.headers().contains_key(AUTHORIZATION);
    // Only the layers inside compare the token. While the lock lasts, the answer does not reveal the result.
    let locked = address_state.locked_for();
    request.extensions_mut().insert(address_state.clone());
    let response = next.run(request).await;
    if !shows || response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    // During a lock a wrong token gets the same 429 as a right one from an unknown caller, so a guess reveals
    // nothing.
    match locked {
        Some(wait) => form.answer(LimitRefusal::Failures(wait).into()),
        None => {
            address_state.count_failure();
            response
        }
    }
}

/// Enforces the limits of the caller.
pub(in crate::http) async fn limit_by_caller(
    State(limiter): State<Arc<RequestLimiter>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(caller) = Caller::of_request(request.extensions()) else {
        return next.run(request).await;
    };
    let form = AnswerForm::of_request(request.extensions());
    let caller_state = match limiter.admit_caller(request.extensions(), caller) {
        Ok(caller_state) => caller_state,
        Err(refusal) => return form.answer(refusal.into()),
    };
    // The stream of a call ends with the call, which has limits of its own.
    if form != AnswerForm::JsonRpc || !may_open_stream(&request) {
        request.extensions_mut().insert(caller_state);
        return next.run(request).await;
    }
    match limiter.open_stream(&caller_state) {
        Ok(place) => {
            request.extensions_mut().insert(caller_state);
            hold_stream_place(next.run(request).await, place)
        }
        Err(refusal) => form.answer(refusal.into()),
    }
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

fn hold_stream_place(response: Response, place: StreamPlace) -> Response {
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
