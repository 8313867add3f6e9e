//! The audit lines of a call.

use serde_json::Value;

use super::error::{ErrorType, ToolError};
use super::invocation::CallOptions;
use super::{Effect, JsonObject, ToolInfo};
use crate::audit::{Audit, Begun, Ended, GIVEN_UP, Open, Subject};

/// Writes the line for the begin of a call.
///
/// # Errors
/// `unavailable`: the line of a call that changes something cannot be written, so the call is not made.
pub(super) async fn begin(
    audit: &Audit,
    tool: &ToolInfo,
    args: &JsonObject,
    options: &CallOptions,
    acts: bool,
) -> Result<Option<Open>, ToolError> {
    let args = Value::Object(args.clone());
    let caller = &options.caller;
    let begun = Begun {
        request_id: options
            .origin
            .as_ref()
            .map(|origin| origin.request_id.clone()),
        caller: caller.name.clone(),
        kasm_user: caller.kasm_user.clone(),
        address: options.origin.as_ref().and_then(|origin| origin.address),
        tool: tool.name,
        effect: word(tool.effect),
        arguments: tool.recorded.of(&args),
        digest: audit.digest(&args),
    };
    let open = audit.begin(begun, acts).await.map_err(|problem| {
        ToolError::new(
            ErrorType::Unavailable,
            problem.to_string(),
            "calls that change something are refused until then: ask the operator of this server to repair the \
             audit log (MCP_AUDIT_FILE); read-only tools still work",
        )
    })?;
    Ok(Some(open))
}

/// Writes the line for the end of a call. `left`: the caller no longer waited for the result.
pub(super) async fn end(open: Open, result: Result<Option<&Value>, &ToolError>, left: bool) {
    let (outcome, data) = match result {
        Ok(Some(data)) => ("ok", Some(data)),
        Ok(None) => ("asks", None),
        Err(_) if left => (GIVEN_UP, None),
        Err(error) => (error.error_type.name(), None),
    };
    let id = |name| Some(data?.get(name)?.as_str()?.to_owned());
    let ended = Ended {
        outcome,
        subject: Subject {
            kasm_id: id("kasm_id"),
            job_id: id("job_id"),
            user_id: id("user_id"),
        },
    };
    open.end(&ended).await;
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Destroy => "destroy",
    }
}
