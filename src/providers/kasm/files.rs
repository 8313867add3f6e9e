//! The `files` toolset: reads, writes, edits and lists files of a session, and creates links to transfer them.

mod edit;
mod link;
mod list;
mod read;
mod write;

use super::{KasmProvider, denied_command};
use crate::caller::{Level, Realm, Scope};
use crate::files::{CheckedTarget, FileError};
use crate::jobs::JobError;
use crate::policy::FileAccess;
use crate::tool::{ErrorType, ToolError, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "files",
    about: "Read, write and transfer the files of a session",
    scope: Scope::new(Realm::KASM, Level::Read),
    tools: &[
        &read::ReadKasmFile,
        &write::WriteKasmFile,
        &edit::EditKasmFile,
        &list::ListKasmFiles,
        &link::LinkKasmFile,
    ],
};

/// Judges a path by the policy.
fn checked_target(
    provider: &KasmProvider,
    path: &str,
    access: FileAccess,
) -> Result<CheckedTarget, ToolError> {
    CheckedTarget::new(&provider.policy, path, access).map_err(|denial| denied_command(&denial))
}

/// A change whose result is unknown, because the answer was lost.
fn unconfirmed_change(error: FileError) -> ToolError {
    // Only these errors leave open whether the session made the change.
    let FileError::Job(
        error @ (JobError::NoChannel { .. } | JobError::Unreachable { .. } | JobError::NotStarted),
    ) = error
    else {
        return error.into();
    };
    let why = error.to_string();
    ToolError::new(
        ErrorType::Unavailable,
        format!("the change was sent, but its result is unknown: {why}"),
        format!(
            "check the file on the desktop, or once output can be read again; {}",
            super::exec::REMEDY
        ),
    )
    .with_code("change_unconfirmed")
}

impl From<FileError> for ToolError {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        let code = error_code(&error);
        let (error_type, hint) = match error {
            FileError::Job(error) => return error.into(),
            FileError::Missing => (
                ErrorType::NotFound,
                "list_kasm_files lists the files; paths must be absolute, and upper and lower case differ",
            ),
            FileError::Folder => (
                ErrorType::Validation,
                "give the path of a file in it; list_kasm_files lists them",
            ),
            FileError::NoFolder => (
                ErrorType::Validation,
                "a part of the path is a file where a folder is needed; correct the path",
            ),
            FileError::NoRegularFile => (
                ErrorType::Validation,
                "only regular files can be read and written; use execute_kasm_command for others",
            ),
            FileError::Denied => (
                ErrorType::Permission,
                "the file's permissions deny access; execute_kasm_command with `ls -ld` shows owner and mode",
            ),
            FileError::Escapes(_) => (
                ErrorType::Security,
                "links are resolved before the policy judges a path: use a path that stays in the allowed folders",
            ),
            FileError::Full => (
                ErrorType::Unavailable,
                "remove files that are not needed, then check the file and try again",
            ),
            FileError::Changed => (
                ErrorType::Conflict,
                "read the file again, then repeat the change if it still \
                applies",
            ),
            FileError::Mangled => (
                ErrorType::Api,
                "nothing was changed; try again, and check for a full disk (df -h) if it fails again",
            ),
            FileError::TooLarge { .. } => (
                ErrorType::Validation,
                "read a part with read_kasm_file (offset and limit), or split the file in the session",
            ),
            FileError::Told(_) => (ErrorType::Api, "the message is from a tool in the session"),
            FileError::TimedOut => (
                ErrorType::Timeout,
                "the session is busy or its disk is slow; try again",
            ),
            FileError::Broken(_) => (
                ErrorType::Validation,
                "nothing was changed; send the content again",
            ),
            FileError::Plane(_) => (
                ErrorType::Unavailable,
                "try again; for large files, an administrator must allow uploads (allow_kasm_uploads)",
            ),
        };
        Self::new(error_type, message, hint).with_code(code)
    }
}

/// The stable name of the cause. An error of a job has the code of its own conversion.
fn error_code(error: &FileError) -> &'static str {
    match error {
        FileError::Job(_) => "job_failed",
        FileError::Missing => "file_not_found",
        FileError::Folder => "file_is_folder",
        FileError::NoFolder => "path_is_no_folder",
        FileError::NoRegularFile => "file_not_regular",
        FileError::Denied => "file_not_permitted",
        FileError::Escapes(_) => "path_leaves_roots",
        FileError::Full => "disk_full",
        FileError::Changed => "file_changed",
        FileError::Mangled => "file_damaged",
        FileError::TooLarge { .. } => "file_too_large",
        FileError::Told(_) => "file_operation_failed",
        FileError::TimedOut => "file_timeout",
        FileError::Broken(_) => "upload_damaged",
        FileError::Plane(_) => "session_proxy_failed",
    }
}
