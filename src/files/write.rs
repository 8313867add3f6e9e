//! Writes a file or appends to it: always to a temporary file beside it, then by rename.

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    CheckedTarget, FileError, ScriptRun, SessionFiles, parse_number, parse_words, sha256_hex,
};
use crate::jobs::{FolderRemoval, INPUT_BYTES_MAX, JobId};
use crate::kasm::session_proxy::RunningSession;

pub(super) const WRITE: &str = include_str!("scripts/write.sh");
/// Beyond this size, one upload is cheaper than many dispatches.
const PARTS_BYTES_MAX: usize = 1 << 20;
/// The most concurrent dispatches.
const PARTS_AT_A_TIME: usize = 4;

/// Options of a write.
#[derive(Clone, Debug, Default)]
pub struct WriteRequest {
    /// Permissions, octal. None: unchanged, or 644 for a new file.
    pub mode: Option<String>,
    /// Append instead of replacing the file.
    pub append: bool,
    /// The SHA-256 in hex that the file must still have.
    pub replaces: Option<String>,
}

/// A written file, as found afterwards.
#[derive(Clone, Debug)]
pub struct WriteResult {
    /// Its size in bytes.
    pub size: u64,
    /// Its permissions, octal.
    pub mode: String,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl SessionFiles {
    /// Writes `bytes`. Missing folders are created.
    ///
    /// # Errors
    /// See [`FileError`]. `JobError::NoChannel` and `JobError::Unreachable` mean that the write was sent
    /// and its result is unknown.
    pub async fn write_file(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        bytes: &[u8],
        writing: &WriteRequest,
    ) -> Result<WriteResult, FileError> {
        let hash = sha256_hex(bytes);
        if bytes.len() <= INPUT_BYTES_MAX {
            let mut run = write_run(target, writing, &hash, &[]);
            run.stdin = bytes.to_vec();
            return self.finish_write(place, run).await;
        }
        if bytes.len() > PARTS_BYTES_MAX && place.session.uploads_allowed != Some(false) {
            match self.write_uploaded(place, target, bytes, writing).await {
                // The upload service is missing or differs: dispatches do not need it.
                Err(error @ (FileError::Plane(_) | FileError::Mangled)) => {
                    tracing::info!(kasm_id = %place.kasm_id, %error, "an upload failed; sending in parts");
                }
                done => return done,
            }
        }
        self.jobs.check_reachable(place).await?;
        let id = JobId::random(false);
        let parts = bytes.chunks(INPUT_BYTES_MAX).enumerate();
        // Kasm reports no end of a dispatch. Each part is a file of its own, and the script waits for all of
        // them, so their order does not matter.
        let sends: Vec<_> = parts
            .map(|(index, part)| self.jobs.put_part(place, id, index, part))
            .collect();
        let sent = stream::iter(sends)
            .buffer_unordered(PARTS_AT_A_TIME)
            .try_collect::<()>();
        let done = match sent.await {
            Ok(()) => {
                let count = bytes.len().div_ceil(INPUT_BYTES_MAX);
                let sources: Vec<_> = (0..count)
                    .map(|index| format!("Downloads/.kmcp-{id}/part{index}"))
                    .collect();
                let run = write_run(target, writing, &hash, &sources);
                self.finish_write(place, run).await
            }
            Err(error) => Err(error.into()),
        };
        self.jobs.remove_folder(place, id, FolderRemoval::Now);
        done
    }

    /// Runs the script that moves a file to its place.
    pub(super) async fn finish_write(
        &self,
        place: &RunningSession,
        run: ScriptRun,
    ) -> Result<WriteResult, FileError> {
        let done = self.run_file_script(place, run).await?;
        let [size, mode, sha256] = parse_words(&done.stdout)?;
        Ok(WriteResult {
            size: parse_number(size)?,
            mode: mode.to_owned(),
            sha256: sha256.to_owned(),
        })
    }
}

/// The script run that assembles a file from `sources`, or from its standard input.
pub(super) fn write_run(
    target: &CheckedTarget,
    writing: &WriteRequest,
    hash: &str,
    sources: &[String],
) -> ScriptRun {
    // The order is that of `write.sh`, where an empty argument means that it was not given.
    let mut args = vec![
        writing.mode.clone().unwrap_or_default(),
        u8::from(writing.append).to_string(),
        hash.to_owned(),
        writing.replaces.clone().unwrap_or_default(),
    ];
    args.extend_from_slice(sources);
    ScriptRun::new(WRITE, target.script_args(args))
}
