//! One log line per request, and the id that joins it to everything else.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::client_ip::TrustedProxies;
use super::problem::LimitReached;
use crate::caller::RequestInfo;
use crate::metrics::ServerMetrics;
use crate::random;
use crate::telemetry::TraceContext;

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is accepted from a client.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// What is known of a request when it comes, for the line at its end.
pub(super) struct RequestLog {
    /// Everything that is logged for the request belongs to it.
    pub(super) span: Span,
    started: Instant,
    id: HeaderValue,
    method: Method,
    path: String,
    client: Option<IpAddr>,
    label: &'static str,
}

impl RequestLog {
    /// Gives a request an id and an origin.
    pub(super) fn begin(
        proxies: &TrustedProxies,
        label: &'static str,
        request: &mut Request,
    ) -> Self {
        let started = Instant::now();
        let id = request
            .headers()
            .get(&REQUEST_ID)
            // The id goes into log lines. A client must not put line breaks or quotes there.
            .filter(|id| is_plain(id))
            .cloned()
            .unwrap_or_else(random_id);
        let id_text = id.to_str().unwrap_or_default();
        // The trace id is declared empty, because tracing adds no new field to a span later.
        let span = tracing::info_span!("request", id = id_text, trace_id = Empty);
        let trace = request.headers().get(&TRACEPARENT);
        if let Some(trace) = trace.and_then(|trace| TraceContext::parse(trace.to_str().ok()?)) {
            trace.continue_in(&span);
        }
        let client = proxies.client_address(request.extensions(), request.headers());
        // Before the request goes on: the limits, the audit log and the tools read it.
        let info = RequestInfo {
            request_id: id_text.into(),
            address: client,
        };
        request.extensions_mut().insert(info);
        Self {
            span,
            started,
            method: request.method().clone(),
            path: logged_path(request),
            client,
            label,
            id,
        }
    }

    /// Logs and counts the answer, and puts the id on it. Call it inside of the span.
    pub(super) fn finish(self, metrics: &ServerMetrics, response: &mut Response) {
        let status = response.status().as_u16();
        metrics.count_http_request(self.label, status);
        if let Some(LimitReached(limit)) = response.extensions().get() {
            metrics.count_refusal(limit);
        }
        let took_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (method, path) = (&self.method, &*self.path);
        let client = self.client.map(tracing::field::display);
        if status >= 500 {
            tracing::warn!(%method, path, client, status, took_us, "request");
        } else if status >= 400 {
            tracing::info!(%method, path, client, status, took_us, "request");
        } else {
            // Tool calls have their own line at info.
            tracing::debug!(%method, path, client, status, took_us, "request");
        }
        response.headers_mut().insert(REQUEST_ID, self.id);
    }
}

fn is_plain(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    id.len() <= REQUEST_ID_CHARS_MAX
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Unique across restarts; not a secret.
fn random_id() -> HeaderValue {
    static START: LazyLock<u64> = LazyLock::new(|| u64::from_ne_bytes(random::bytes()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // A random start and a counter are as unique as random ids, and need no system call for each request.
    let id = START.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&format!("{id:016x}"))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// The path in the log: that of the route, which has no value that a client sent. A relay address has its
/// credential in the path. Where no route is, the first part shows what is wrong with an address.
fn logged_path(request: &Request) -> String {
    if let Some(matched) = request.extensions().get::<MatchedPath>() {
        return matched.as_str().to_owned();
    }
    let path = request.uri().path();
    match path.match_indices('/').nth(1) {
        Some((end, _)) => format!("{}/…", &path[..end]),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_without_a_route_only_the_first_part_is_logged() {
        for (path, logged) in [
            ("/relay/0123/0", "/relay/…"),
            ("/kasm/relay/0123/0", "/kasm/…"),
            ("/elsewhere", "/elsewhere"),
        ] {
            let request = http::Request::get(path).body(axum::body::Body::empty());
            assert_eq!(logged_path(&request.unwrap()), logged, "{path}");
        }
    }
}
