//! The layers that enforce the limits, and the answers to refused requests.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, StatusCode};
use rmcp::model::ErrorCode;
use serde_json::json;

use super::{Account, Limiter, PLACE_PAUSE, StreamPlace};
use crate::caller::Caller;
use crate::http::problem::{Problem, RpcError};
use crate::http::rest;
use crate::rate::Wait;

/// An error code in the range that JSON-RPC leaves to servers.
const RATE_LIMITED: ErrorCode = ErrorCode(-32029);

/// Why a request is refused now.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum Refusal {
    /// The address sent too many requests.
    Address(Wait),
    /// The address had too many failed authentications.
    Failures(Wait),
    /// The caller sent too many requests.
    Caller(Wait),
    /// The caller, or all callers together, have too many open streams.
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
                Self::Failures(_) => "too many failed authentications from this address",
                Self::Caller(_) => "too many requests with this token",
                Self::Streams => "too many open streams: close some",
            },
            self.wait().seconds(),
        );
        format!("{what}; try again in {seconds} s")
    }

    /// The refusal for a JSON-RPC client.
    pub(in crate::http) fn to_rpc(self) -> RpcError {
        let error = RpcError::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, self.detail());
        let seconds = self.wait().seconds();
        error
            .with_data(json!({ "retry_after_seconds": seconds }))
            .refused(seconds, self.mark())
    }

    /// The refusal in the form that the request expects.
    fn answer(self, form: Form) -> Response {
        match form {
            Form::Message => self.to_rpc().into_response(),
            Form::Plain => self.into_response(),
        }
    }
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// JSON-RPC: every POST outside the plain HTTP routes is a message.
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

/// Enforces the limits of the address.
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
    // Inner layers check the token, and their result is hidden while the address is locked.
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

/// Enforces the limits of the caller.
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

/// Whether the answer may be a notification stream, which stays open after every call has ended.
fn may_open_stream(request: &Request) -> bool {
    let listens = |request: &Request| {
        let method = request.headers().get("mcp-method");
        method.is_some_and(|method| method == "subscriptions/listen")
    };
    request.method() == Method::GET || listens(request)
}

fn while_open(response: Response, place: StreamPlace) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let _while_open = &place;
            chunk
        }))
    })
}

impl Account {
    /// Counts the messages of a batch after the first, which its request counted.
    pub(in crate::http) fn batch(&self, messages: usize) -> Result<(), Refusal> {
        let more = u32::try_from(messages.saturating_sub(1)).unwrap_or(u32::MAX);
        match std::num::NonZeroU32::new(more) {
            Some(more) => self.requests.take_many(more).map_err(Refusal::Caller),
            None => Ok(()),
        }
    }
}
