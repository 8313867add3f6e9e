//! File transfers for `/files/…`: the checks of the file tools, with bytes instead of replies.

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::{KasmProvider, SessionNeed, denied_command, running_session_of};
use crate::caller::Realm;
use crate::files::{CheckedTarget, FileError};
use crate::kasm::KasmId;
use crate::kasm::session_proxy::RunningSession;
use crate::leases::SessionUse;
use crate::links::TransferDirection;
use crate::policy::FileAccess;
use crate::tool::transfer::{FileDownload, FileTransfers, FileUpload, StoredFile, TransferTarget};
use crate::tool::{ErrorType, ToolError};

impl KasmProvider {
    /// The file and its session, if the caller may use both. The session counts as in use while the guard
    /// lives.
    async fn open_target(
        &self,
        file: TransferTarget<'_>,
        access: FileAccess,
    ) -> Result<(RunningSession, CheckedTarget, SessionUse), ToolError> {
        // The id is a part of the URL's path, so an invalid one is reported like one that does not exist.
        let kasm_id: KasmId = file.computer.parse().map_err(|error| {
            ToolError::new(
                ErrorType::NotFound,
                format!("{error}"),
                "list_user_sessions lists the sessions",
            )
            .with_code("session_not_found")
        })?;
        let target = CheckedTarget::new(&self.policy, file.path, access);
        let target = target.map_err(|denial| denied_command(&denial))?;
        let (place, in_use) =
            running_session_of(self, file.caller, kasm_id, None, SessionNeed::Files).await?;
        Ok((place, target, in_use))
    }
}

impl FileTransfers for KasmProvider {
    fn toolset(&self) -> &'static str {
        super::files::TOOLSET.name
    }

    fn id_name(&self) -> &'static str {
        "kasm_id"
    }

    fn realm(&self) -> Realm {
        super::files::TOOLSET.scope.realm
    }

    fn tools_for(&self, direction: TransferDirection) -> &'static [&'static str] {
        match direction {
            TransferDirection::Download => &["read_kasm_file", "link_kasm_file"],
            TransferDirection::Upload => &["write_kasm_file", "link_kasm_file"],
        }
    }

    fn download<'a>(
        &'a self,
        file: TransferTarget<'a>,
    ) -> BoxFuture<'a, Result<FileDownload, ToolError>> {
        async move {
            let (place, target, in_use) = self.open_target(file, FileAccess::Read).await?;
            let max = self.file_limits.link_bytes;
            let file = self.files.send_out(&place, &target, max).await?;
            Ok(FileDownload {
                size: file.size,
                modified: file.modified,
                sha256: file.sha256.clone(),
                open: Box::new(move |part| {
                    let bytes = file.into_bytes(part).map(move |bytes| {
                        // This moves the guard into the stream, so the session counts as in use until the
                        // last chunk.
                        let _until_the_last = &in_use;
                        bytes.map_err(ToolError::from)
                    });
                    bytes.boxed()
                }),
            })
        }
        .boxed()
    }

    fn upload<'a>(
        &'a self,
        file: TransferTarget<'a>,
        upload: FileUpload,
    ) -> BoxFuture<'a, Result<StoredFile, ToolError>> {
        async move {
            let max = self.file_limits.link_bytes;
            // The length is known before the body, so too large a file is refused without reading it.
            if upload.length > max {
                let size = upload.length;
                let error = ToolError::from(FileError::TooLarge { size, max });
                return Err(error.with_code("body_too_large"));
            }
            let (place, target, _in_use) = self.open_target(file, FileAccess::Write).await?;
            let written = self
                .files
                .receive_file(&place, &target, upload.length, upload.bytes)
                .await?;
            Ok(StoredFile {
                size: written.size,
                sha256: written.sha256,
            })
        }
        .boxed()
    }
}
