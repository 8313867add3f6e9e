//! The audit lines of a call.

use std::sync::Arc;

use serde_json::Value;

use super::Effect;
use super::error::{ErrorType, ToolError};
use crate::audit::{
    ArgumentDigest, AuditLog, AuditSubject, CallBegin, CallEnd, GIVEN_UP, OpenCall, RecordedJson,
};
use crate::caller::{Caller, RequestInfo};

/// An act for the audit log: a call of a tool, or a transfer.
pub(super) struct Act<'a> {
    pub(super) tool: Arc<str>,
    pub(super) effect: Effect,
    pub(super) caller: &'a Caller,
    pub(super) origin: Option<&'a RequestInfo>,
    /// The call that it is made inside of, by its number in the audit log.
    pub(super) parent: Option<u64>,
    /// Whether it may change something: then it waits until it is on record.
    pub(super) has_effect: bool,
    /// The arguments that may be recorded. The digest is of all arguments.
    pub(super) arguments: RecordedJson,
    pub(super) digest: ArgumentDigest,
}

/// Notes that an act begins.
///
/// # Errors
/// `unavailable`: an act with effect cannot be written down, so it is not made.
pub(super) async fn begin_record(audit: &AuditLog, act: Act<'_>) -> Result<OpenCall, ToolError> {
    let begun = CallBegin {
        request_id: act.origin.map(|origin| origin.request_id.clone()),
        caller: act.caller.name.clone(),
        kasm_user: act.caller.accounts().kasm.clone(),
        address: act.origin.and_then(|origin| origin.address),
        tool: act.tool,
        parent: act.parent,
        effect: effect_word(act.effect),
        arguments: act.arguments,
        digest: act.digest,
    };
    let open = audit.begin_call(begun, act.has_effect).await;
    open.map_err(|problem| {
        ToolError::new(
            ErrorType::Unavailable,
            problem.to_string(),
            "calls that change something are refused until then: ask the operator of this server to repair the \
             audit log (MCP_AUDIT_FILE); read-only tools still work",
        )
        .with_code("audit_unwritable")
    })
}

/// Notes how a transfer ended; of a download, whether it began.
pub(super) async fn end_transfer(open: OpenCall, result: Result<(), &ToolError>) {
    let outcome = result
        .err()
        .map_or("ok", |error| error.error_type.type_name());
    let subject = AuditSubject::default();
    open.end_call(&CallEnd { outcome, subject }).await;
}

/// Writes the line for the end of a call. `left`: the caller no longer waited for the result.
pub(super) async fn end_record(
    open: OpenCall,
    result: Result<Option<&Value>, &ToolError>,
    left: bool,
) {
    let (outcome, data) = match result {
        Ok(Some(data)) => ("ok", Some(data)),
        Ok(None) => ("asks", None),
        // The tool was stopped for this reason, so its own error says less.
        Err(_) if left => (GIVEN_UP, None),
        Err(error) => (error.error_type.type_name(), None),
    };
    // Only ids: results may hold the contents of files and of screens.
    let id = |name| data?.get(name)?.as_str();
    let ended = CallEnd {
        outcome,
        subject: AuditSubject {
            kasm_id: id("kasm_id"),
            job_id: id("job_id"),
            user_id: id("user_id"),
        },
    };
    open.end_call(&ended).await;
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Destroy => "destroy",
    }
}
