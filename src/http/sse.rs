//! Server-sent events that carry JSON-RPC messages.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::HeaderValue;
use rmcp::model::ServerJsonRpcMessage;

/// Comments keep proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A stream of events as a response that proxies do not hold back.
pub(super) fn respond(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A message as an event.
pub(super) fn message(message: &ServerJsonRpcMessage) -> Event {
    let data = serde_json::to_string(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message cannot be written as JSON");
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"the answer cannot be written"}}"#.to_owned()
    });
    Event::default().event("message").data(data)
}
