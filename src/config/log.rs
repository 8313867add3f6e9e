//! The log.

use super::reader::SettingsReader;
use super::variable::{Variable, with_default, without_default};
use super::{LogConfig, LogFormat};

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    with_default(
        "LOG_LEVEL",
        "info",
        "The log level: error, warn, info, debug or trace. Logs go to stderr.",
    ),
    with_default(
        "LOG_FORMAT",
        "text",
        "The log format: text, json, or journal (for systemd: without the time, with the level as a number).",
    ),
    without_default(
        "MCP_OTLP_ENDPOINT",
        "http://127.0.0.1:4318",
        "A collector that receives traces as OTLP over HTTP. Needs a binary that was built with `--features otlp`.",
    ),
];

pub(super) fn read_log(reader: &mut SettingsReader) -> Option<LogConfig> {
    let level = reader.text_value("LOG_LEVEL");
    let level = reader.parsed_value("LOG_LEVEL", level, "use error, warn, info, debug or trace");
    let format = match reader.text_value("LOG_FORMAT").as_deref() {
        Some("json") => LogFormat::Json,
        Some("journal") => LogFormat::Journal,
        Some("text") | None => LogFormat::Text,
        Some(other) => {
            reader.add_mistake(
                "LOG_FORMAT",
                format!("`{other}` is not a log format"),
                "use text, journal or json",
            );
            LogFormat::Text
        }
    };
    let otlp_endpoint = reader.text_value("MCP_OTLP_ENDPOINT");
    // Otherwise missing traces would be noticed only when they are needed.
    if otlp_endpoint.is_some() && !cfg!(feature = "otlp") {
        reader.add_mistake(
            "MCP_OTLP_ENDPOINT",
            "this binary was built without the feature otlp".to_owned(),
            "omit it, or build with `--features otlp`",
        );
    }
    let otlp_endpoint = reader.parsed_value::<reqwest::Url>(
        "MCP_OTLP_ENDPOINT",
        otlp_endpoint,
        "give the URL of a collector that receives OTLP over HTTP, such as http://127.0.0.1:4318",
    );
    Some(LogConfig {
        level: level?,
        format,
        otlp_endpoint: otlp_endpoint.map(|url| url.to_string()),
    })
}
