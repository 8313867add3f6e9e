//! The `files` toolset: read, write, edit and list the files of a session, and links to move them.

mod edit;
mod link;
mod list;
mod read;
mod write;

use super::{KasmProvider, denied};
use crate::caller::Scope;
use crate::files::{FileError, Target};
use crate::jobs::JobError;
use crate::policy::Access;
use crate::tool::{ErrorType, ToolError, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "files",
    about: "Read, write and move the files of a session",
    scope: Scope::Read,
    tools: &[
        &read::ReadKasmFile,
        &write::WriteKasmFile,
        &edit::EditKasmFile,
        &list::ListKasmFiles,
        &link::LinkKasmFile,
    ],
};

/// Asks the policy about a path.
fn target(provider: &KasmProvider, path: &str, access: Access) -> Result<Target, ToolError> {
    Target::new(&provider.policy, path, access).map_err(|denial| denied(&denial))
}

/// A change that nobody heard of any more: whether it was made is not known.
fn unconfirmed(error: FileError) -> ToolError {
    let FileError::Job(
        error @ (JobError::NoChannel { .. } | JobError::Unreachable { .. } | JobError::NotStarted),
    ) = error
    else {
        return error.into();
    };
    let why = error.to_string();
    ToolError::new(
        ErrorType::Unavailable,
        format!("the change was sent off, but whether it was made cannot be told: {why}"),
        format!(
            "look at the desktop, or once output can be had again; {}",
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
                "list_kasm_files shows what is there; paths are absolute, and names know upper and lower case",
            ),
            FileError::Folder => (
                ErrorType::Validation,
                "name a file in it; list_kasm_files shows them",
            ),
            FileError::NoFolder => (
                ErrorType::Validation,
                "name a folder: a file is where one has to be on this path",
            ),
            FileError::NoRegularFile => (
                ErrorType::Validation,
                "only regular files can be read and written; execute_kasm_command can use others",
            ),
            FileError::Denied => (
                ErrorType::Permission,
                "files of other users are out of reach; execute_kasm_command with `ls -ld` shows owner and mode",
            ),
            FileError::Escapes(_) => (
                ErrorType::Security,
                "links are followed before a path is judged: use a path that stays in the allowed folders",
            ),
            FileError::Full => (
                ErrorType::Unavailable,
                "remove files that are not needed, then look at the file and try again",
            ),
            FileError::Changed => (ErrorType::Conflict, "read it again, then decide anew"),
            FileError::Mangled => (
                ErrorType::Api,
                "nothing was changed; try again, and look for a full disk (df -h) if it stays",
            ),
            FileError::TooLarge { .. } => (
                ErrorType::Validation,
                "take a part of it: read_kasm_file with offset and limit, or split it in the workspace",
            ),
            FileError::Told(_) => (
                ErrorType::Api,
                "the words are those of the workspace's own tools",
            ),
            FileError::TimedOut => (
                ErrorType::Timeout,
                "the workspace is busy or its disk slow; try again",
            ),
            FileError::Broken(_) => (ErrorType::Validation, "nothing was changed; send it again"),
            FileError::Plane(_) => (
                ErrorType::Unavailable,
                "try again; for large uploads an administrator has to allow them (allow_kasm_uploads)",
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
