//! One log line per request, and the id that joins it to everything else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::client_ip::TrustedProxies;
use super::limits::Refused;
use crate::caller::Origin;
use crate::metrics::Metrics;
use crate::random;
use crate::telemetry::TraceContext;

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is accepted from a client.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Gives the request an id and a client address, runs it, and logs method, path, client, status and time. Query
/// strings are not logged, because HTTP+SSE puts session ids in them.
pub(super) async fn layer(
    State((proxies, metrics)): State<(Arc<TrustedProxies>, Metrics)>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|id| is_plain(id))
        .cloned()
        .unwrap_or_else(random_id);
    let method = request.method().clone();
    let path = logged(request.uri().path()).to_owned();
    let id_text = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = id_text, trace_id = Empty);
    let trace = request.headers().get(&TRACEPARENT);
    if let Some(trace) = trace.and_then(|trace| TraceContext::parse(trace.to_str().ok()?)) {
        trace.continue_in(&span);
    }
    let address = proxies.client(request.extensions(), request.headers());
    request.extensions_mut().insert(Origin {
        request_id: id_text.into(),
        address,
    });
    let client = address.map(tracing::field::display);
    let route = route(request.uri().path());
    async move {
        let mut response = next.run(request).await;
        let status = response.status().as_u16();
        metrics.http_request(route, status);
        if let Some(Refused(limit)) = response.extensions().get() {
            metrics.refusal(limit);
        }
        let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        if status >= 500 {
            tracing::warn!(%method, path, client, status, took_us, "request");
        } else if status >= 400 {
            tracing::info!(%method, path, client, status, took_us, "request");
        } else {
            // Tool calls have their own line at info.
            tracing::debug!(%method, path, client, status, took_us, "request");
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// The route of a path, for metrics.
fn route(path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    match first {
        "mcp" => "mcp",
        "" | "sse" | "messages" => "sse",
        "tools" | "api" | "openapi.json" => "rest",
        "files" => "files",
        "relay" => "relay",
        "health" | "healthz" | "readyz" => "health",
        "metrics" => "metrics",
        ".well-known" => "metadata",
        _ => "other",
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
    let id = START.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&format!("{id:016x}"))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Paths of the relay contain their credential.
fn logged(path: &str) -> &str {
    const RELAY: &str = "/relay/";
    if path.starts_with(RELAY) { RELAY } else { path }
}

#[cfg(test)]
mod tests {
    use super::{logged, route};

    #[test]
    fn the_token_of_a_relay_address_is_not_logged() {
        assert_eq!(logged("/relay/0123/0"), "/relay/");
        assert_eq!(logged("/mcp"), "/mcp");
    }

    #[test]
    fn routes_of_plain_http_have_a_label_of_their_own() {
        for path in [
            "/tools/list",
            "/tools/call",
            "/api/v1/tools/a",
            "/openapi.json",
        ] {
            assert_eq!(route(path), "rest", "{path}");
        }
        assert_eq!(route("/elsewhere"), "other");
    }
}
