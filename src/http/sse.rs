//! Server-sent events that carry JSON-RPC messages.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_body_util::BodyExt;
use rmcp::model::ServerJsonRpcMessage;

/// Comments keep proxies from closing a quiet stream.
// nginx and many load balancers close a connection that is silent for 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event stream as a response.
pub(super) fn event_stream_response(
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// Prepares every event stream, including rmcp's, for proxies and for clients that split lines at Unicode line
/// ends. Other responses are unchanged.
pub(super) fn prepare_stream(mut response: Response) -> Response {
    if !is_event_stream(&response) {
        return response;
    }
    let headers = response.headers_mut();
    // nginx collects an answer in its buffer unless this forbids it. Events would come late.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    // A compressing proxy delays a stream until its buffer is full; `no-transform` forbids compression.
    let policy = HeaderValue::from_static("no-cache, no-transform");
    headers.insert(CACHE_CONTROL, policy);
    response.map(|body| Body::new(body.map_frame(|frame| frame.map_data(escape_line_ends))))
}

/// Passes what an event stream carries through `wrap`. Other responses are whole already, and stay as they are.
pub(super) fn wrap_event_stream<S>(
    response: Response,
    wrap: impl FnOnce(BodyDataStream) -> S,
) -> Response
where
    S: Stream<Item = Result<Bytes, axum::Error>> + Send + 'static,
{
    if !is_event_stream(&response) {
        return response;
    }
    response.map(|body| Body::from_stream(wrap(body.into_data_stream())))
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Escapes U+0085, U+2028 and U+2029. JSON has them in strings only, so the escape means the same. A client
/// that takes them for line ends would read half an event. Each frame holds whole events, hence whole characters.
fn escape_line_ends(event: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&event) else {
        return event;
    };
    if !text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return event;
    }
    text.replace('\u{85}', r"\u0085")
        .replace('\u{2028}', r"\u2028")
        .replace('\u{2029}', r"\u2029")
        .into()
}

/// A message as an event.
pub(super) fn message_event(message: &ServerJsonRpcMessage) -> Event {
    let data = serde_json::to_string(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message cannot be written as JSON");
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"the answer cannot be written"}}"#.to_owned()
    });
    Event::default().event("message").data(data)
}

/// A message that is JSON already, as an event.
pub(super) fn bytes_event(message: &Bytes) -> Event {
    // Our own writers make UTF-8 only, so nothing is replaced.
    Event::default()
        .event("message")
        .data(String::from_utf8_lossy(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn prepared(kind: &'static str, body: &'static str) -> (Option<String>, String) {
        let response = prepare_stream(([(CONTENT_TYPE, kind)], body).into_response());
        let policy = response.headers().get(CACHE_CONTROL);
        let policy = policy.map(|policy| policy.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (policy, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn event_stream_escapes_unicode_line_ends_and_forbids_transform() {
        let (policy, body) = prepared(
            "text/event-stream",
            "data: \"a\u{2028}b\u{2029}c\u{85}d\u{e9}\"\n\n",
        )
        .await;
        assert_eq!(policy.as_deref(), Some("no-cache, no-transform"));
        assert_eq!(body, "data: \"a\\u2028b\\u2029c\\u0085d\u{e9}\"\n\n");
    }

    #[tokio::test]
    async fn response_that_is_no_event_stream_is_unchanged() {
        let (policy, body) = prepared("application/json", "\"a\u{2028}\"").await;
        assert_eq!((policy, &*body), (None, "\"a\u{2028}\""));
    }
}
