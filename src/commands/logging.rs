//! Logs go to stderr: standard output belongs to protocols and results.

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

/// Starts logging. Only our own crates follow `level`: rmcp and the HTTP libraries write whole
/// messages, arguments included, at their lower levels.
pub(super) fn start(config: &LogConfig) {
    let filter = Targets::new()
        .with_target("kasm_mcp", config.level)
        .with_target("kasm_emulator", config.level)
        .with_target("rmcp", LevelFilter::ERROR)
        .with_default(Level::WARN);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Journal => registry
            .with(layer.with_ansi(false).event_format(Journal::new()))
            .try_init(),
        LogFormat::Text => registry
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
}

/// Lines as systemd's journal takes them: `<4>` for a warning, no time (sd-daemon(3)).
struct Journal {
    line: Format<Full, ()>,
}

impl Journal {
    fn new() -> Self {
        let line = tracing_subscriber::fmt::format();
        Self {
            line: line.without_time().with_level(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Journal
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
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.line.format_event(context, writer, event)
    }
}
