//! Logs and counts the outcome of a call.

use std::time::Duration;

use serde_json::Value;

use super::error::{ErrorType, ToolError};
use super::mounted_tool::MountedTool;
use crate::caller::Caller;
use crate::metrics::ServerMetrics;

/// Logs and counts a call with `result`: its data, a question, or a failure.
pub(super) fn log_end_of_call(
    metrics: &ServerMetrics,
    tool: &MountedTool,
    caller: &Caller,
    result: Result<Option<&Value>, &ToolError>,
    took: Duration,
) {
    let outcome = match result {
        Ok(Some(_)) => "ok",
        Ok(None) => "asks",
        Err(error) => error.error_type.type_name(),
    };
    let (info, calls) = (&tool.info, tool.call_counters(metrics));
    calls.count_call(outcome, took);
    // A tool that can continue starts a command, even if that ended before the reply.
    if outcome == "ok" && info.continues.is_some() {
        metrics.count_job();
    }
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (tool, caller) = (&*info.name, &*caller.name);
    match result {
        // A validation error repeats the argument, which may be a secret.
        Err(error) if error.error_type != ErrorType::Validation => {
            if error.error_type == ErrorType::Security {
                calls.count_denial();
            }
            tracing::info!(tool, caller, took_ms, outcome, error = %error.message, "tool call");
        }
        Ok(_) | Err(_) => tracing::info!(tool, caller, took_ms, outcome, "tool call"),
    }
}

/// Logs and counts a transfer.
pub(super) fn transferred(
    metrics: &ServerMetrics,
    tool: &'static str,
    caller: &Caller,
    result: Result<(), &ToolError>,
    took: Duration,
) {
    let outcome = result
        .err()
        .map_or("ok", |error| error.error_type.type_name());
    let transfers = metrics.call_counters(tool);
    transfers.count_call(outcome, took);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let caller = &*caller.name;
    match result {
        // As for calls: a validation error may repeat a secret.
        Err(error) if error.error_type != ErrorType::Validation => {
            if error.error_type == ErrorType::Security {
                transfers.count_denial();
            }
            tracing::info!(tool, caller, took_ms, outcome, error = %error.message, "transfer");
        }
        Ok(()) | Err(_) => tracing::info!(tool, caller, took_ms, outcome, "transfer"),
    }
}
