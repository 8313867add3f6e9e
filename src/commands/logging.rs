//! Logs go to stderr, because standard output carries the protocol and results.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogConfig, LogFormat};
#[cfg(feature = "otlp")]
use crate::telemetry::otlp::TraceExporter;

/// Starts logging. Only our own crates use `level`: at low levels, rmcp and the HTTP libraries log whole
/// messages with their arguments.
///
/// # Errors
/// The trace exporter cannot be started.
pub(super) fn start_logging(config: &LogConfig) -> anyhow::Result<Logging> {
    let filter = Targets::new()
        .with_target("kasm_mcp", config.level)
        .with_target("kasm_emulator", config.level)
        // Of several targets that match, the longest decides.
        .with_target("rmcp", LevelFilter::ERROR)
        // rmcp logs an error when a client closes the connection, which is how `subscriptions/listen` ends.
        .with_target("rmcp::service", LevelFilter::OFF)
        .with_default(Level::WARN);
    let registry = tracing_subscriber::registry().with(filter);
    #[cfg(feature = "otlp")]
    let traces = config
        .otlp_endpoint
        .as_deref()
        .map(TraceExporter::export_to)
        .transpose()?;
    #[cfg(feature = "otlp")]
    let registry = registry.with(traces.as_ref().map(TraceExporter::tracing_layer));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Journal => registry
            .with(layer.with_ansi(false).event_format(JournalWriter::new()))
            .try_init(),
        LogFormat::Text => registry
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
    Ok(Logging {
        #[cfg(feature = "otlp")]
        traces,
    })
}

/// Ends logging and sends the remaining traces.
#[must_use]
pub(super) struct Logging {
    #[cfg(feature = "otlp")]
    traces: Option<TraceExporter>,
}

impl Logging {
    #[cfg_attr(
        not(feature = "otlp"),
        expect(clippy::unused_async, reason = "exporting traces")
    )]
    pub(super) async fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces {
            traces.flush_and_stop().await;
        }
    }
}

/// Lines as systemd's journal takes them: `<4>` for a warning, no time (sd-daemon(3)).
struct JournalWriter {
    line: Format<Full, ()>,
}

impl JournalWriter {
    fn new() -> Self {
        let line = tracing_subscriber::fmt::format();
        Self {
            line: line.without_time().with_level(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for JournalWriter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            // Priorities of syslog: error, warning, informational, debug.
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.line.format_event(context, writer, event)
    }
}
