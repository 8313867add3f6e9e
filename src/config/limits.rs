//! The limits of one server and its callers.

use super::ServerLimits;
use super::reader::SettingsReader;
use super::variable::{Variable, with_default};
use crate::http::limits::RequestLimits;
use crate::rate::Rate;

/// The smallest limit that hyper accepts.
const HEADER_BYTES_MIN: usize = 8_192;

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    with_default(
        "MCP_RATE_PER_ADDRESS",
        "1200/200",
        "Requests per address (IPv6: per /64 network), counted before authentication: per minute/burst.",
    ),
    with_default(
        "MCP_RATE_FAILED_AUTH",
        "10/10",
        "Failed authentications per address: per minute/burst. Above this limit, an address is accepted only for callers that it recently authenticated, until the limit recovers.",
    ),
    with_default(
        "MCP_RATE_PER_CALLER",
        "600/60",
        "Requests per caller, unless the caller's token sets its own rate: per minute/burst.",
    ),
    with_default(
        "MCP_RATE_COSTLY_TOOLS",
        "30/10",
        "Calls per caller of tools that start a session or change a user: per minute/burst.",
    ),
    with_default("MCP_MAX_BODY_BYTES", "8388608", "The largest request body."),
    with_default(
        "MCP_MAX_SESSIONS",
        "10000",
        "The most MCP sessions (of MCP revisions before 2026-07-28).",
    ),
    with_default(
        "MCP_MAX_SESSIONS_PER_CALLER",
        "100",
        "The most MCP sessions per caller. A new one closes the least recently used one.",
    ),
    with_default(
        "MCP_SESSION_IDLE_SECONDS",
        "1800",
        "How long an MCP session is kept without a request.",
    ),
    with_default(
        "MCP_MAX_CALLS_PER_CALLER",
        "32",
        "The most concurrent tool calls per caller.",
    ),
    with_default(
        "MCP_MAX_TRANSFERS",
        "16",
        "The most concurrent file transfers through `/files/`. An upload takes up to 20 MB of memory.",
    ),
    with_default(
        "MCP_TOOL_TIMEOUT_SECONDS",
        "300",
        "Time limit for one tool call.",
    ),
    with_default(
        "MCP_CONFIRM_TIMEOUT_SECONDS",
        "120",
        "How long a tool waits for a person to approve its call, within the time limit of the call. Without an answer, the call is refused.",
    ),
    with_default(
        "MCP_HEADER_TIMEOUT_SECONDS",
        "60",
        "Time limit for receiving the headers of a request. An idle connection is closed after this time too.",
    ),
    with_default(
        "MCP_BODY_TIMEOUT_SECONDS",
        "30",
        "Time limit for receiving a request body. One second is added for each 8 KiB received.",
    ),
    with_default(
        "MCP_MAX_HEADER_BYTES",
        "65536",
        "The largest size of all headers of a request, at least 8192. A request may have 100 headers.",
    ),
    with_default("MCP_MAX_CONNECTIONS", "20000", "The most open connections."),
    with_default(
        "MCP_MAX_CONNECTIONS_PER_ADDRESS",
        "1000",
        "The most open connections per address. Does not apply to MCP_TRUSTED_PROXIES.",
    ),
    with_default(
        "MCP_MAX_STREAMS",
        "10000",
        "The most open notification streams (GET /mcp, /sse and subscriptions/listen).",
    ),
    with_default(
        "MCP_MAX_STREAMS_PER_CALLER",
        "200",
        "The most open notification streams per caller.",
    ),
    with_default(
        "MCP_DRAIN_SECONDS",
        "20",
        "How long running calls may take to finish after a stop signal.",
    ),
];

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
