//! The pipeline of a transfer: the only way to a provider's files, as `pipeline.rs` is for tools. Scope,
//! filter, audit log and metrics are the same as for a call.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::audit_call::{self, Act};
use super::error::{ErrorType, ToolError};
use super::registry::Registry;
use super::transfer::{FileDownload, FileTransfers, FileUpload, StoredFile, TransferTarget};
use super::{Effect, call_log};
use crate::audit::RecordedJson;
use crate::caller::{Caller, FilteredTool, Level, RequestInfo, Scope};
use crate::links::TransferDirection;

/// The caller of a transfer, and the file.
#[derive(Debug)]
pub struct TransferRequest {
    /// The caller.
    pub caller: Caller,
    /// The HTTP request of the transfer.
    pub origin: Option<RequestInfo>,
    /// The name of the provider. None: the first one that transfers files.
    pub provider: Option<String>,
    /// The provider's name of the computer that has the file.
    pub computer: String,
    /// Its path there, absolute.
    pub path: String,
}

/// The direction of a transfer. An upload brings its bytes.
#[derive(Debug)]
pub enum TransferAction {
    /// To the caller.
    Download,
    /// From the caller.
    Upload(FileUpload),
}

/// The result of a transfer.
#[derive(Debug)]
pub enum TransferOutcome {
    /// A file whose bytes come now.
    Opened(FileDownload),
    /// A file that is stored.
    Stored(StoredFile),
}

impl TransferAction {
    /// The direction.
    #[must_use]
    pub fn transfer_direction(&self) -> TransferDirection {
        match self {
            Self::Download => TransferDirection::Download,
            Self::Upload(_) => TransferDirection::Upload,
        }
    }
}

/// The name and the effect of a transfer in the audit log and in the metrics.
fn name_and_effect(direction: TransferDirection) -> (&'static str, Effect) {
    match direction {
        TransferDirection::Download => ("GET /files", Effect::Read),
        TransferDirection::Upload => ("PUT /files", Effect::Write),
    }
}

fn scope_of(transfers: &dyn FileTransfers, direction: TransferDirection) -> Scope {
    let level = match direction {
        TransferDirection::Download => Level::Read,
        TransferDirection::Upload => Level::Use,
    };
    Scope::new(transfers.realm(), level)
}

impl Registry {
    /// The scope that `caller` lacks for a transfer that it could make with it.
    #[must_use]
    pub fn scope_missing_for(
        &self,
        provider: Option<&str>,
        direction: TransferDirection,
        caller: &Caller,
    ) -> Option<Scope> {
        let transfers = &**self.transfers_of(provider)?;
        let needed = scope_of(transfers, direction);
        let in_reach = offers_transfer(transfers, direction, caller);
        (in_reach && !caller.has_scope(needed)).then_some(needed)
    }

    /// Transfers a file. Of a download it is on record whether it began.
    ///
    /// # Errors
    /// The caller may not, the provider cannot, or an upload cannot be written down.
    pub async fn transfer_file(
        &self,
        request: &TransferRequest,
        transfer: TransferAction,
    ) -> Result<TransferOutcome, ToolError> {
        let direction = transfer.transfer_direction();
        let (name, effect) = name_and_effect(direction);
        let started = Instant::now();
        let transfers =
            self.allowed_transfers(request.provider.as_deref(), direction, &request.caller);
        let recorded = match &self.audit {
            Some(audit) => {
                let own = self.transfers_of(request.provider.as_deref());
                let id_name = own.map_or("computer", |own| own.id_name());
                let arguments = json!({ id_name: request.computer, "file_path": request.path });
                let act = Act {
                    tool: name.into(),
                    parent: None,
                    effect,
                    caller: &request.caller,
                    origin: request.origin.as_ref(),
                    // Only an upload that may run has to be on disk before it begins.
                    has_effect: transfers.is_ok() && direction == TransferDirection::Upload,
                    digest: audit.digest_value(&arguments),
                    arguments: RecordedJson::from_arguments(&arguments),
                };
                audit_call::begin_record(audit, act).await.map(Some)
            }
            None => Ok(None),
        };
        let (result, open) = match (transfers, recorded) {
            (Ok(transfers), Ok(open)) => (run_transfer(transfers, request, transfer).await, open),
            // The refusal is the answer even if it cannot be recorded: no file moves.
            (Err(error), open) => (Err(error), open.ok().flatten()),
            (_, Err(error)) => (Err(error), None),
        };
        if let Some(open) = open {
            audit_call::end_transfer(open, result.as_ref().map(drop)).await;
        }
        let took: Duration = started.elapsed();
        call_log::transferred(
            &self.metrics,
            name,
            &request.caller,
            result.as_ref().map(drop),
            took,
        );
        result
    }

    /// The provider's transfers, for a caller who may make one that way.
    fn allowed_transfers(
        &self,
        provider: Option<&str>,
        direction: TransferDirection,
        caller: &Caller,
    ) -> Result<&dyn FileTransfers, ToolError> {
        let transfers = self.transfers_of(provider).ok_or_else(|| {
            let hint = "use the tools for files";
            ToolError::new(
                ErrorType::Unsupported,
                "this server has no file transfers",
                hint,
            )
        })?;
        let transfers = &**transfers;
        let operator = "ask the operator of this server for another token";
        if !offers_transfer(transfers, direction, caller) {
            let message = "this token is not for it: it is read-only, or without these tools";
            let error = ToolError::new(ErrorType::Permission, message, operator);
            return Err(error.with_code("transfer_not_offered"));
        }
        let needed = scope_of(transfers, direction);
        if !caller.has_scope(needed) {
            let message = format!("this needs a token with the scope {needed}");
            let error = ToolError::new(ErrorType::Permission, message, operator);
            return Err(error.with_code("insufficient_scope"));
        }
        Ok(transfers)
    }
}

/// Whether the filter of the caller includes the tools that do the same.
fn offers_transfer(
    transfers: &dyn FileTransfers,
    direction: TransferDirection,
    caller: &Caller,
) -> bool {
    let includes = |name: &&str| {
        caller.reach.includes_tool(FilteredTool {
            name,
            toolset: transfers.toolset(),
            is_read_only: direction == TransferDirection::Download,
        })
    };
    transfers.tools_for(direction).iter().any(includes)
}

async fn run_transfer(
    transfers: &dyn FileTransfers,
    request: &TransferRequest,
    transfer: TransferAction,
) -> Result<TransferOutcome, ToolError> {
    let file = TransferTarget {
        caller: &request.caller,
        computer: &request.computer,
        path: &request.path,
    };
    match transfer {
        TransferAction::Download => transfers.download(file).await.map(TransferOutcome::Opened),
        TransferAction::Upload(upload) => transfers
            .upload(file, upload)
            .await
            .map(TransferOutcome::Stored),
    }
}
