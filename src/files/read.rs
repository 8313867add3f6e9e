//! Reading a part of a file.

use super::{FACTS_BYTES, FileError, Files, Run, Target, parse_number, parse_words, sha256};
use crate::kasm::plane::Place;

const READ: &str = include_str!("scripts/read.sh");
/// Larger files are not hashed as a whole, because that takes time at each call.
const HASHED_BYTES_MAX: u64 = 64 << 20;

/// A part of a file.
#[derive(Debug)]
pub struct Piece {
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

impl Files {
    /// Reads up to `limit` bytes from `offset` on. Beyond the end, the result is empty.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn read(
        &self,
        place: &Place,
        target: &Target,
        offset: u64,
        limit: u64,
    ) -> Result<Piece, FileError> {
        self.read_hashed(place, target, offset, limit, HASHED_BYTES_MAX)
            .await
    }

    /// Like `read`, but hashes files of up to `hashed_max` bytes as a whole.
    pub(super) async fn read_hashed(
        &self,
        place: &Place,
        target: &Target,
        offset: u64,
        limit: u64,
        hashed_max: u64,
    ) -> Result<Piece, FileError> {
        let args = [offset, limit, hashed_max].map(|number| number.to_string());
        let mut run = Run::new(READ, target.args(args));
        run.output = limit.max(FACTS_BYTES);
        let done = self.run_file_script(place, run).await?;
        let [size, modified, mode, piece, whole] = parse_words(&done.stderr)?;
        if sha256(&done.stdout) != piece {
            return Err(FileError::Mangled);
        }
        Ok(Piece {
            bytes: done.stdout,
            size: parse_number(size)?,
            modified: parse_number(modified)?,
            mode: mode.to_owned(),
            sha256: (whole != "-").then(|| whole.to_owned()),
        })
    }
}
