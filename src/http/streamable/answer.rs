//! Answers to one request: a JSON object, or an event stream where that takes time.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use rmcp::model::ServerJsonRpcMessage;
use tokio_stream::wrappers::ReceiverStream;

use crate::http::problem::HttpProblem;
use crate::http::rpc_error::RpcError;
use crate::http::sse;
use crate::mcp::direct::{AnswerBytes, DirectCall};
use crate::mcp::dispatch::{StartedCall, cancelled_answer, is_answer};

/// An answer that takes longer than this becomes an event stream, whose comments keep proxies
/// and clients from giving up.
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Room for most answers.
const ANSWER_BYTES: usize = 2_048;

/// One JSON object if the answer comes soon and nothing before it, or if the client does not take
/// event streams; otherwise a stream. An object has the `status` of the answer.
pub(super) async fn respond_to_call(
    mut call: StartedCall,
    takes_streams: bool,
    status: impl Fn(&ServerJsonRpcMessage) -> StatusCode,
) -> Response {
    if !takes_streams {
        let answer = call.wait_for_answer().await;
        return json_with_status(status(&answer), &answer);
    }
    match tokio::time::timeout(QUIET_MAX, call.messages.recv()).await {
        Ok(first) => {
            // The channel closes without an answer if the call was cancelled or its handler panicked.
            let first = first.unwrap_or_else(|| cancelled_answer(call.id.clone()));
            if is_answer(&first) {
                // The call has ended by itself. Dropping its guard must not count as a cancellation.
                call.guard.disarm_cancel();
                return json_with_status(status(&first), &first);
            }
            stream_of(Some(first), call)
        }
        Err(_elapsed) => stream_of(None, call),
    }
}

/// The same for a call that runs as long as it is polled.
pub(super) async fn respond_to_direct(mut call: DirectCall, takes_streams: bool) -> Response {
    if !takes_streams {
        return answer_object(call.wait_for_answer().await);
    }
    match tokio::time::timeout(QUIET_MAX, call.wait_for_answer()).await {
        Ok(answer) => answer_object(answer),
        Err(_elapsed) => {
            // The call goes on as the stream is read, and ends with it.
            let answer = async move { call.wait_for_answer().await };
            let event = stream::once(answer).map(|answer| sse::bytes_event(&answer.0));
            sse::event_stream_response(event)
        }
    }
}

/// An answer as one JSON object.
pub(super) fn answer_object(answer: AnswerBytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer.0).into_response()
}

/// A message as one JSON object.
pub(super) fn json_object(message: &ServerJsonRpcMessage) -> Response {
    json_with_status(StatusCode::OK, message)
}

fn json_with_status(status: StatusCode, message: &ServerJsonRpcMessage) -> Response {
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    match serde_json::to_writer(&mut body, message) {
        Ok(()) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            RpcError::from(HttpProblem::internal_error()).into_response()
        }
    }
}

/// The messages of one request as events, the answer last.
fn stream_of(first: Option<Box<ServerJsonRpcMessage>>, call: StartedCall) -> Response {
    let mut guard = call.guard;
    let messages = stream::iter(first).chain(ReceiverStream::new(call.messages));
    sse::event_stream_response(messages.map(move |message| {
        if is_answer(&message) {
            guard.disarm_cancel();
        }
        sse::message_event(&message)
    }))
}

/// Whether a media type is accepted; a missing header accepts everything (RFC 9110).
pub(super) fn accepts_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .peekable();
    if values.peek().is_none() {
        return true;
    }
    let kind = wanted.split('/').next().unwrap_or_default();
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let quality = parts.find_map(|parameter| parameter.strip_prefix("q="));
        // RFC 9110, section 12.4.2: a weight of 0 means "not acceptable".
        let is_refused = quality.and_then(|quality| quality.parse::<f32>().ok()) == Some(0.0);
        let fits = range == "*/*"
            || range.eq_ignore_ascii_case(wanted)
            || range
                .strip_suffix("/*")
                .is_some_and(|range| range.eq_ignore_ascii_case(kind));
        fits && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str, wanted: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        accepts_type(&headers, wanted)
    }

    #[test]
    fn accept_headers() {
        assert!(accepts_type(&HeaderMap::new(), "text/event-stream"));
        for value in [
            "*/*",
            "text/event-stream",
            "application/json, text/event-stream;q=0.5",
            "text/*",
        ] {
            assert!(accept(value, "text/event-stream"), "{value}");
        }
        for value in [
            "application/json",
            "text/html",
            "text/event-stream;q=0",
            "text/event-stream;q=0.000",
            "",
        ] {
            assert!(!accept(value, "text/event-stream"), "{value}");
        }
    }
}
