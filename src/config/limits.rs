//! The limits of one server and its callers.

use super::ServerLimits;
use super::reader::SettingsReader;
use crate::http::limits::RequestLimits;
use crate::rate::Rate;

/// The smallest limit that hyper accepts.
const HEADER_BYTES_MIN: usize = 8_192;

pub(super) fn read_limits(reader: &mut SettingsReader) -> Option<ServerLimits> {
    let requests = read_request_limits(reader);
    let costly_tools = read_rate(reader, "MCP_RATE_COSTLY_TOOLS");
    Some(ServerLimits {
        requests: requests?,
        costly_tools: costly_tools?,
        body_bytes_max: read_count(reader, "MCP_MAX_BODY_BYTES", 1 << 30),
        sessions_max: read_count(reader, "MCP_MAX_SESSIONS", 10_000_000),
        sessions_per_caller_max: read_count(reader, "MCP_MAX_SESSIONS_PER_CALLER", 10_000_000),
        session_idle: reader.seconds_value("MCP_SESSION_IDLE_SECONDS", 1, 604_800),
        calls_per_caller_max: read_count(reader, "MCP_MAX_CALLS_PER_CALLER", 100_000),
        transfers_max: read_count(reader, "MCP_MAX_TRANSFERS", 10_000),
        tool_timeout: reader.seconds_value("MCP_TOOL_TIMEOUT_SECONDS", 1, 86_400),
        confirm_timeout: reader.seconds_value("MCP_CONFIRM_TIMEOUT_SECONDS", 1, 3_600),
        header_timeout: reader.seconds_value("MCP_HEADER_TIMEOUT_SECONDS", 1, 3_600),
        header_bytes_max: read_count(reader, "MCP_MAX_HEADER_BYTES", 1 << 20).max(HEADER_BYTES_MIN),
        connections_max: read_count(reader, "MCP_MAX_CONNECTIONS", 10_000_000),
        drain: reader.seconds_value("MCP_DRAIN_SECONDS", 0, 3_600),
    })
}

fn read_request_limits(reader: &mut SettingsReader) -> Option<RequestLimits> {
    let per_address = read_rate(reader, "MCP_RATE_PER_ADDRESS");
    let failures = read_rate(reader, "MCP_RATE_FAILED_AUTH");
    let per_caller = read_rate(reader, "MCP_RATE_PER_CALLER");
    Some(RequestLimits {
        streams_max: read_count(reader, "MCP_MAX_STREAMS", 10_000_000),
        streams_per_caller_max: read_count(reader, "MCP_MAX_STREAMS_PER_CALLER", 10_000_000),
        connections_per_address_max: read_count(
            reader,
            "MCP_MAX_CONNECTIONS_PER_ADDRESS",
            10_000_000,
        ),
        body_pause: reader.seconds_value("MCP_BODY_TIMEOUT_SECONDS", 1, 3_600),
        per_address: per_address?,
        failures: failures?,
        per_caller: per_caller?,
    })
}

fn read_rate(reader: &mut SettingsReader, name: &str) -> Option<Rate> {
    let text = reader.text_value(name);
    let remedy = "write requests per minute/burst, such as 600/60";
    reader.parsed_value(name, text, remedy)
}

fn read_count(reader: &mut SettingsReader, name: &str, max: u64) -> usize {
    usize::try_from(reader.number_value(name, 1, max)).unwrap_or(1)
}
