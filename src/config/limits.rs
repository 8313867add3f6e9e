//! The limits of one server and its callers.

use super::Limits;
use super::reader::Reader;
use crate::http::limits::RequestLimits;
use crate::rate::Rate;

/// The smallest limit that hyper accepts.
const HEADER_BYTES_MIN: usize = 8_192;

pub(super) fn read(reader: &mut Reader) -> Option<Limits> {
    let requests = requests(reader);
    let costly_tools = rate(reader, "MCP_RATE_COSTLY_TOOLS");
    Some(Limits {
        requests: requests?,
        costly_tools: costly_tools?,
        body_bytes_max: count(reader, "MCP_MAX_BODY_BYTES", 1 << 30),
        sessions_max: count(reader, "MCP_MAX_SESSIONS", 10_000_000),
        sessions_per_caller_max: count(reader, "MCP_MAX_SESSIONS_PER_CALLER", 10_000_000),
        session_idle: reader.seconds("MCP_SESSION_IDLE_SECONDS", 1, 604_800),
        calls_per_caller_max: count(reader, "MCP_MAX_CALLS_PER_CALLER", 100_000),
        transfers_max: count(reader, "MCP_MAX_TRANSFERS", 10_000),
        tool_timeout: reader.seconds("MCP_TOOL_TIMEOUT_SECONDS", 1, 86_400),
        confirm_timeout: reader.seconds("MCP_CONFIRM_TIMEOUT_SECONDS", 1, 3_600),
        header_timeout: reader.seconds("MCP_HEADER_TIMEOUT_SECONDS", 1, 3_600),
        header_bytes_max: count(reader, "MCP_MAX_HEADER_BYTES", 1 << 20).max(HEADER_BYTES_MIN),
        connections_max: count(reader, "MCP_MAX_CONNECTIONS", 10_000_000),
        drain: reader.seconds("MCP_DRAIN_SECONDS", 0, 3_600),
    })
}

fn requests(reader: &mut Reader) -> Option<RequestLimits> {
    let per_address = rate(reader, "MCP_RATE_PER_ADDRESS");
    let failures = rate(reader, "MCP_RATE_FAILED_AUTH");
    let per_caller = rate(reader, "MCP_RATE_PER_CALLER");
    Some(RequestLimits {
        streams_max: count(reader, "MCP_MAX_STREAMS", 10_000_000),
        streams_per_caller_max: count(reader, "MCP_MAX_STREAMS_PER_CALLER", 10_000_000),
        connections_per_address_max: count(reader, "MCP_MAX_CONNECTIONS_PER_ADDRESS", 10_000_000),
        body_pause: reader.seconds("MCP_BODY_TIMEOUT_SECONDS", 1, 3_600),
        per_address: per_address?,
        failures: failures?,
        per_caller: per_caller?,
    })
}

fn rate(reader: &mut Reader, name: &str) -> Option<Rate> {
    let text = reader.text(name);
    let remedy = "write requests per minute/burst, such as 600/60";
    reader.parsed(name, text, remedy)
}

fn count(reader: &mut Reader, name: &str, max: u64) -> usize {
    usize::try_from(reader.number(name, 1, max)).unwrap_or(1)
}
