//! Files that go past the model: what a provider does for `/files/…` and its links.

use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::ToolError;
use crate::caller::Caller;

/// Names a file: whose call it is, and where the file is.
#[derive(Clone, Copy, Debug)]
pub struct FileOf<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The provider's name of the computer that has it, such as a `kasm_id`.
    pub computer: &'a str,
    /// Its path there, absolute.
    pub path: &'a str,
}

/// A file on its way to the caller.
pub struct Download {
    /// Its size, bytes.
    pub size: u64,
    /// When it was last changed, seconds since 1970.
    pub modified: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Opens the bytes of a part of it. An error before their end means that all of them are void.
    pub open: OpenPart,
}

/// The bytes of a file as they come.
pub type FileBytes = BoxStream<'static, Result<Bytes, ToolError>>;
/// Opens a part of a file.
pub type OpenPart = Box<dyn FnOnce(Range<u64>) -> FileBytes + Send>;

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A file on its way from the caller.
pub struct Upload {
    /// How many bytes there are.
    pub length: u64,
    /// They themselves; an error says why they broke off.
    pub bytes: BoxStream<'static, Result<Bytes, String>>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A stored file, as it was found afterwards.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its size, bytes.
    pub size: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A provider that transfers files.
pub trait Transfers: Send + Sync + std::fmt::Debug {
    /// The toolset that does the same for a model: who is not offered that has no transfers either.
    fn toolset(&self) -> &'static str;

    /// Opens a file.
    fn download<'a>(&'a self, file: FileOf<'a>) -> BoxFuture<'a, Result<Download, ToolError>>;

    /// Stores a file, whole or not at all.
    fn upload<'a>(
        &'a self,
        file: FileOf<'a>,
        upload: Upload,
    ) -> BoxFuture<'a, Result<Stored, ToolError>>;
}
