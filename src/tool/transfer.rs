//! File transfers that bypass the model: the provider's part of `/files/…` and its links.

use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::ToolError;
use crate::caller::{Caller, Realm};
use crate::links::TransferDirection;

/// The caller, and the file to transfer.
#[derive(Clone, Copy, Debug)]
pub struct TransferTarget<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The provider's name of the computer with the file, such as a `kasm_id`.
    pub computer: &'a str,
    /// The absolute path.
    pub path: &'a str,
}

/// A download.
pub struct FileDownload {
    /// Size in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub modified: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Opens the bytes of a part of it. An error before their end means that all of them are void.
    pub open: OpenPart,
}

/// The bytes of a file as they come.
pub type FileBytes = BoxStream<'static, Result<Bytes, ToolError>>;
/// Opens a part of a file.
// Called once at most: a HEAD and an unsatisfiable range read no byte of the file.
pub type OpenPart = Box<dyn FnOnce(Range<u64>) -> FileBytes + Send>;

impl std::fmt::Debug for FileDownload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// An upload.
pub struct FileUpload {
    /// The number of bytes.
    pub length: u64,
    /// The bytes; an error says why the upload was interrupted.
    pub bytes: BoxStream<'static, Result<Bytes, String>>,
}

impl std::fmt::Debug for FileUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A stored file, as found after the upload.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A provider that transfers files.
pub trait FileTransfers: Send + Sync + std::fmt::Debug {
    /// The toolset with the corresponding tools: a caller without it has no transfers either.
    fn toolset(&self) -> &'static str;

    /// The name of a computer's id in the audit log, such as `kasm_id`.
    fn id_name(&self) -> &'static str;

    /// The realm of the scopes that a transfer needs.
    fn realm(&self) -> Realm;

    /// The tools that transfer a file this way: a caller whose filter has none of them has no transfers either.
    fn tools_for(&self, direction: TransferDirection) -> &'static [&'static str];

    /// Opens a file.
    fn download<'a>(
        &'a self,
        file: TransferTarget<'a>,
    ) -> BoxFuture<'a, Result<FileDownload, ToolError>>;

    /// Stores a file, completely or not at all.
    fn upload<'a>(
        &'a self,
        file: TransferTarget<'a>,
        upload: FileUpload,
    ) -> BoxFuture<'a, Result<StoredFile, ToolError>>;
}
