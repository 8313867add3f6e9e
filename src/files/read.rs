//! Reading a part of a file.

use super::{
    CheckedTarget, FACTS_BYTES, FileError, ScriptRun, SessionFiles, parse_number, parse_words,
    sha256_hex,
};
use crate::kasm::session_proxy::RunningSession;

const READ: &str = include_str!("scripts/read.sh");
/// Larger files are not hashed as a whole, because that takes time at each call.
const HASHED_BYTES_MAX: u64 = 64 << 20;

/// A part of a file.
#[derive(Debug)]
pub struct FilePiece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The size of the whole file in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub modified: u64,
    /// Its permissions, octal.
    pub mode: String,
    /// SHA-256 of the whole file in hex, unless it is very large.
    pub sha256: Option<String>,
}

impl SessionFiles {
    /// Reads up to `limit` bytes from `offset` on. Beyond the end, the result is empty.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn read_part(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        offset: u64,
        limit: u64,
    ) -> Result<FilePiece, FileError> {
        self.read_hashed(place, target, offset, limit, HASHED_BYTES_MAX)
            .await
    }

    /// Like `read`, but hashes files of up to `hashed_max` bytes as a whole.
    pub(super) async fn read_hashed(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        offset: u64,
        limit: u64,
        hashed_max: u64,
    ) -> Result<FilePiece, FileError> {
        let args = [offset, limit, hashed_max].map(|number| number.to_string());
        let mut run = ScriptRun::new(READ, target.script_args(args));
        run.output = limit.max(FACTS_BYTES);
        let done = self.run_file_script(place, run).await?;
        let [size, modified, mode, piece, whole] = parse_words(&done.stderr)?;
        // The bytes passed through Kasm's proxy or the relay.
        if sha256_hex(&done.stdout) != piece {
            return Err(FileError::Mangled);
        }
        Ok(FilePiece {
            bytes: done.stdout,
            size: parse_number(size)?,
            modified: parse_number(modified)?,
            mode: mode.to_owned(),
            sha256: (whole != "-").then(|| whole.to_owned()),
        })
    }
}
