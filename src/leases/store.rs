//! Leases on disk: one small JSON file, replaced atomically.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::book::StoredLease;
use crate::kasm::{KasmId, UserId};

/// The file, in the state directory.
const NAME: &str = "leases.json";
/// The lock of the one process that may write.
const LOCK: &str = "leases.lock";

#[derive(Debug)]
pub(super) struct LeaseStore {
    path: PathBuf,
    _lock: File,
}

/// Why leases cannot be kept on disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseStoreError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{0} is in use by another kasm-mcp: give each server its own MCP_STATE_DIR")]
    Taken(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct LeaseFile {
    leases: Vec<LeaseFileEntry>,
}

#[derive(Serialize, Deserialize)]
struct LeaseFileEntry {
    kasm_id: KasmId,
    user_id: UserId,
    lease_seconds: f64,
    used: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl LeaseStore {
    /// Opens the file in `directory`, which must exist. An unreadable file is renamed and kept.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<StoredLease>), LeaseStoreError> {
        let lock_path = directory.join(LOCK);
        let lock = private_file().write(true).create(true).open(&lock_path);
        let lock = lock.map_err(write_error(&lock_path))?;
        // The kernel releases the lock when the process ends, even by a crash.
        lock.try_lock()
            .map_err(|_| LeaseStoreError::Taken(directory.to_owned()))?;
        let path = directory.join(NAME);
        let known = match fs::read(&path) {
            Ok(bytes) => read_leases(&path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(write_error(&path)(error)),
        };
        Ok((Self { path, _lock: lock }, known))
    }

    pub(super) async fn write_leases(
        &mut self,
        leases: Vec<StoredLease>,
    ) -> Result<(), LeaseStoreError> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace_file(&path, leases)).await;
        written
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(write_error(&self.path))
    }
}

fn read_leases(path: &Path, bytes: &[u8]) -> Result<Vec<StoredLease>, LeaseStoreError> {
    match serde_json::from_slice::<LeaseFile>(bytes) {
        Ok(on_disk) => Ok(on_disk
            .leases
            .into_iter()
            .filter_map(LeaseFileEntry::into_stored)
            .collect()),
        Err(error) => {
            let aside = path.with_extension("json.unreadable");
            fs::rename(path, &aside).map_err(write_error(path))?;
            tracing::error!(%error, aside = %aside.display(), "cannot read the leases of sessions");
            Ok(Vec::new())
        }
    }
}

impl LeaseFileEntry {
    fn into_stored(self) -> Option<StoredLease> {
        Some(StoredLease {
            kasm_id: self.kasm_id,
            user: self.user_id,
            // A number that is no duration, such as a negative one, drops this entry alone.
            time: Duration::try_from_secs_f64(self.lease_seconds).ok()?,
            used: self.used,
            expires: self.expires,
        })
    }
}

fn replace_file(path: &Path, leases: Vec<StoredLease>) -> io::Result<()> {
    let leases = leases.into_iter().map(|kept| LeaseFileEntry {
        kasm_id: kept.kasm_id,
        user_id: kept.user,
        lease_seconds: kept.time.as_secs_f64(),
        used: kept.used,
        expires: kept.expires,
    });
    let text = serde_json::to_vec(&LeaseFile {
        leases: leases.collect(),
    })?;
    let new = path.with_extension("json.new");
    // A leftover of a crash may be overwritten: the lock makes this process the only writer.
    let mut file = private_file()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&new)?;
    file.write_all(&text)?;
    // The bytes reach the disk before the rename: after a power failure, the old file or the new one is
    // there.
    file.sync_all()?;
    fs::rename(&new, path)
}

/// A file for this user only.
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> LeaseStoreError {
    let path = path.to_owned();
    move |error| LeaseStoreError::File {
        path: path.clone(),
        error,
    }
}
