//! The address of the metrics.

use std::net::SocketAddr;

use super::reader::SettingsReader;
use super::variable::{Variable, without_default};

const LISTEN: &str = "MCP_METRICS_LISTEN";

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[without_default(
    LISTEN,
    "127.0.0.1:9464",
    "The address and port that serve `/metrics` without a token (docs/monitoring.md). Only the monitoring system should be able to connect to it.",
)];

/// The address that serves metrics without a token, if there is one.
pub(super) fn metrics_address(reader: &mut SettingsReader) -> Option<SocketAddr> {
    let listen = reader.text_value(LISTEN);
    let remedy = "write an address and a port, such as 127.0.0.1:9464";
    reader.parsed_value(LISTEN, listen, remedy)
}
