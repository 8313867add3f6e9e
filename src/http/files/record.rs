//! The audit lines of a transfer.

use http::StatusCode;
use serde_json::json;

use super::Refusal;
use crate::audit::{Audit, Begun, Ended, Open, Subject};
use crate::caller::Origin;
use crate::links::Direction;
use crate::tool::transfer::FileOf;

/// Writes the line for the begin of a transfer.
///
/// # Errors
/// The line of an upload cannot be written, so the upload is refused.
pub(super) async fn begin(
    audit: Option<&Audit>,
    direction: Direction,
    file: &FileOf<'_>,
    origin: Option<Origin>,
) -> Result<Option<Open>, Refusal> {
    let Some(audit) = audit else {
        return Ok(None);
    };
    let (tool, effect) = match direction {
        Direction::Download => ("GET /files", "read"),
        Direction::Upload => ("PUT /files", "write"),
    };
    let arguments = json!({ "kasm_id": file.computer, "file_path": file.path });
    let begun = Begun {
        request_id: origin.as_ref().map(|origin| origin.request_id.clone()),
        caller: file.caller.name.clone(),
        kasm_user: file.caller.kasm_user.clone(),
        address: origin.and_then(|origin| origin.address),
        tool,
        effect,
        digest: audit.digest(&arguments),
        arguments,
    };
    let open = audit.begin(begun, direction == Direction::Upload).await;
    open.map(Some).map_err(|problem| {
        let detail = format!("{problem}; ask the operator of this server to repair the audit log");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    })
}

/// Writes the line for the end; for a download, of its start.
pub(super) async fn end<T>(record: Option<Open>, result: Result<T, Refusal>) -> Result<T, Refusal> {
    if let Some(record) = record {
        let ended = Ended {
            outcome: result.as_ref().map_or_else(Refusal::word, |_| "ok"),
            subject: Subject::default(),
        };
        record.end(&ended).await;
    }
    result
}
