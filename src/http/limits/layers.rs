//! The layers that hold requests against the limits, and what a refused client reads.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{Method, StatusCode};
use rmcp::model::ErrorCode;
use serde_json::json;

use super::{Account, Limiter, PLACE_PAUSE, StreamPlace};
use crate::caller::Caller;
use crate::http::problem::{Problem, RpcError};
use crate::http::{rest, sse};
use crate::rate::Wait;

/// Among the codes that JSON-RPC leaves to servers.
const RATE_LIMITED: ErrorCode = ErrorCode(-32029);

/// Why a request is not answered now.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum Refusal {
    /// Too many requests came from the address.
    Address(Wait),
    /// Too many wrong credentials came from the address.
    Failures(Wait),
    /// The caller asked too often.
    Caller(Wait),
    /// The caller, or all together, have too many streams open.
    Streams,
}

/// Marks an answer as a refusal, with the limit that was reached.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Refused(pub(in crate::http) &'static str);

impl Refusal {
    fn mark(self) -> Refused {
        Refused(match self {
            Self::Address(_) => "address",
            Self::Failures(_) => "authentication_failures",
            Self::Caller(_) => "caller",
            Self::Streams => "streams",
        })
    }

    fn wait(self) -> Wait {
        match self {
            Self::Address(wait) | Self::Failures(wait) | Self::Caller(wait) => wait,
            Self::Streams => PLACE_PAUSE,
        }
    }

    fn detail(self) -> String {
        let (what, seconds) = (
            match self {
                Self::Address(_) => "too many requests from this address",
                Self::Failures(_) => "too many wrong tokens from this address",
                Self::Caller(_) => "too many requests with this token",
                Self::Streams => "too many open streams: close some",
            },
            self.wait().seconds(),
        );
        format!("{what}; try again in {seconds} s")
    }

    /// As a JSON-RPC client reads it.
    pub(in crate::http) fn to_rpc(self) -> RpcError {
        let error = RpcError::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, self.detail());
        let seconds = self.wait().seconds();
        error
            .with_data(json!({ "retry_after_seconds": seconds }))
            .refused(seconds, self.mark())
    }

    /// As the sender of a request reads it.
    fn answer(self, form: Form) -> Response {
        match form {
            Form::Message => self.to_rpc().into_response(),
            Form::Plain => self.into_response(),
        }
    }
}

/// What a request is a request of.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// JSON-RPC: a POST, wherever it may be sent, is a message.
    Message,
    /// Plain HTTP.
    Plain,
}

impl Form {
    fn of(request: &Request) -> Self {
        let is_message = request.method() == Method::POST && !rest::has(request.uri().path());
        if is_message {
            Self::Message
        } else {
            Self::Plain
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let problem = Problem::new(status, "too many requests", self.detail());
        let mut response = problem.into_response();
        let seconds = self.wait().seconds();
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        response.extensions_mut().insert(self.mark());
        response
    }
}

/// Holds requests against the limits of their address.
pub(in crate::http) async fn by_address(
    State(limiter): State<Arc<Limiter>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(visitor) = limiter.visitor_of(request.extensions()) else {
        return next.run(request).await;
    };
    let form = Form::of(&request);
    if let Err(wait) = visitor.request() {
        return Refusal::Address(wait).answer(form);
    }
    let shows = request.headers().contains_key(AUTHORIZATION);
    // Whether a token is right shows only in the layers inside, and is not told while this lasts.
    let locked = visitor.locked();
    request.extensions_mut().insert(visitor.clone());
    let response = next.run(request).await;
    if !shows || response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    match locked {
        Some(wait) => Refusal::Failures(wait).answer(form),
        None => {
            visitor.failed();
            response
        }
    }
}

/// Holds requests against the limits of their caller.
pub(in crate::http) async fn by_caller(
    State(limiter): State<Arc<Limiter>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return next.run(request).await;
    };
    let form = Form::of(&request);
    let account = match limiter.admit(request.extensions(), caller) {
        Ok(account) => account,
        Err(refusal) => return refusal.answer(form),
    };
    if !may_open_stream(&request) {
        request.extensions_mut().insert(account);
        return next.run(request).await;
    }
    match limiter.open_stream(&account) {
        Ok(place) => {
            request.extensions_mut().insert(account);
            while_open(next.run(request).await, place)
        }
        Err(refusal) => refusal.answer(form),
    }
}

/// Whether the answer may be a stream that stays open by itself, and not just until a call has ended.
fn may_open_stream(request: &Request) -> bool {
    let listens = |request: &Request| {
        let method = request.headers().get("mcp-method");
        method.is_some_and(|method| method == "subscriptions/listen")
    };
    request.method() == Method::GET || listens(request)
}

fn while_open(response: Response, place: StreamPlace) -> Response {
    sse::wrap_event_stream(response, |chunks| {
        chunks.map(move |chunk| {
            let _while_open = &place;
            chunk
        })
    })
}

impl Account {
    /// Counts what is in a batch beyond the one that its request was.
    pub(in crate::http) fn batch(&self, messages: usize) -> Result<(), Refusal> {
        let more = u32::try_from(messages.saturating_sub(1)).unwrap_or(u32::MAX);
        match std::num::NonZeroU32::new(more) {
            Some(more) => self.requests.take_many(more).map_err(Refusal::Caller),
            None => Ok(()),
        }
    }
}
