//! Logs go to stderr: standard output belongs to protocols and results.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogConfig;

/// Starts logging. Only our own crates follow `level`: rmcp and the HTTP libraries write whole
/// messages, arguments included, at their lower levels.
pub(super) fn start(config: &LogConfig) {
    let filter = Targets::new()
        .with_target("kasm_mcp", config.level)
        .with_target("kasm_emulator", config.level)
        .with_target("rmcp", LevelFilter::ERROR)
        .with_default(Level::WARN);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if config.json {
        registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .try_init()
    } else {
        let colour = std::io::stderr().is_terminal();
        registry
            .with(fmt::layer().with_ansi(colour).with_writer(std::io::stderr))
            .try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
}
