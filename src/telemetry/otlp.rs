//! Exports traces to a collector: OTLP over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::TraceContext;

/// The time limit for the collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the service, and of the instrumentation.
const NAME: &str = "kasm-mcp";

/// The exporter. End it with [`TraceExporter::flush_and_stop`], or the newest spans are lost.
#[derive(Clone, Debug)]
pub struct TraceExporter(SdkTracerProvider);

/// The collector cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {endpoint}: {problem}")]
pub struct NoCollector {
    endpoint: String,
    problem: String,
}

impl TraceExporter {
    /// Sends traces to `<endpoint>/v1/traces`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// The endpoint is not a URL.
    pub fn export_to(endpoint: &str) -> Result<Self, NoCollector> {
        let refuse = |problem: String| NoCollector {
            endpoint: endpoint.to_owned(),
            problem,
        };
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let client = OnRuntime {
            http: http.map_err(|error| refuse(error.to_string()))?,
            runtime: Handle::current(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let resource = Resource::builder().with_service_name(NAME).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource);
        Ok(Self(provider.build()))
    }

    /// The layer that exports our spans.
    #[must_use]
    pub fn tracing_layer<S>(&self) -> OpenTelemetryLayer<S, Tracer>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer(NAME))
    }

    /// Sends the remaining spans.
    pub async fn flush_and_stop(self) {
        // `shutdown` blocks until the last batch is sent, and sending needs a free worker.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

pub(super) fn continue_in(context: TraceContext, span: &Span) {
    let remote = SpanContext::new(
        TraceId::from(context.trace_id),
        SpanId::from(context.parent_id),
        TraceFlags::new(context.flags),
        true,
        TraceState::default(),
    );
    // Without a collector there is nothing to do.
    let _no_collector =
        span.set_parent(opentelemetry::Context::new().with_remote_span_context(remote));
}

/// Sends the requests of the exporter on the runtime: its own thread has none.
#[derive(Debug)]
struct OnRuntime {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        // The thread that sends batches has no tokio runtime, which reqwest needs.
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request.try_into()?).await?;
            let status = answer.status();
            // Only the status of the answer matters.
            let mut empty = http::Response::new(Bytes::new());
            *empty.status_mut() = status;
            Ok::<_, reqwest::Error>(empty)
        });
        Ok(sent.await??)
    }
}
