//! Files in a session: read, write, list, and transfer in both directions.
//!
//! Each operation is a short job: a constant script that resolves the links of a path, checks again that it
//! stays in the allowed folders, does its work and reports sizes and hashes, which are compared with the
//! content. Content is read as the job's output or through Kasm's proxy, and written with the dispatch, in
//! parts, or through Kasm's upload service.

mod incoming;
mod list;
mod outgoing;
mod read;
mod write;

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

pub use incoming::FileContentStream;
pub use list::{EntryKind, FolderEntry, FolderListing};
pub use outgoing::OutgoingFile;
pub use read::FilePiece;
pub use write::{WriteRequest, WriteResult};

use crate::jobs::{EndReason, FinishedJob, JobError, JobSpec, SessionJobs};
use crate::kasm::session_proxy::{ProxyError, RunningSession};
use crate::policy::{CheckedPath, Denial, FileAccess, Permit, Policy};

const PATHS: &str = include_str!("files/scripts/paths.sh");
/// The most that the scripts print beside contents.
const FACTS_BYTES: u64 = 16 * 1024;

/// A failed file operation. Each variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FileError {
    /// The path does not exist.
    #[error("there is no such file")]
    Missing,
    /// It is a folder, but a file is needed.
    #[error("the path is a folder")]
    Folder,
    /// It is not a folder, but a folder is needed.
    #[error("the path is not a folder")]
    NoFolder,
    /// It is a device, a pipe or a socket.
    #[error("the path is not a regular file")]
    NoRegularFile,
    /// The session's user lacks permission.
    #[error("the session's user lacks permission")]
    Denied,
    /// Links lead out of the allowed folders, or into a forbidden one.
    #[error("the path leads to {0}, which the policy forbids")]
    Escapes(String),
    /// The session's disk is full.
    #[error("the session's disk is full")]
    Full,
    /// Another process changed it meanwhile.
    #[error("the file was changed meanwhile")]
    Changed,
    /// The received content differs from the sent content.
    #[error("the received content differs from the sent content")]
    Mangled,
    /// It is larger than this server transfers.
    #[error("the file has {size} bytes, but at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// Another failure, in the words of the session's tools.
    #[error("{0}")]
    Told(String),
    /// It exceeded its time limit.
    #[error("the operation took too long in the session")]
    TimedOut,
    /// The sender interrupted the content.
    #[error("the content was not received completely: {0}")]
    Broken(String),
    /// The job could not be run, or its output could not be read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Kasm's proxy failed.
    #[error(transparent)]
    Plane(#[from] ProxyError),
}

/// A path that the policy permits, with the rules that the script checks again in the session.
#[derive(Clone, Debug)]
pub struct CheckedTarget {
    path: Permit<CheckedPath>,
    roots: Vec<String>,
    barred: Vec<String>,
}

impl CheckedTarget {
    /// Judges the path by the policy.
    ///
    /// # Errors
    /// The policy's denial.
    pub fn new(policy: &Policy, path: &str, access: FileAccess) -> Result<Self, Denial> {
        Ok(Self {
            path: policy.judge_path(path, access)?,
            roots: policy.roots().to_vec(),
            barred: policy.protected_paths(access),
        })
    }

    /// The path, absolute and without `.` and `..`.
    #[must_use]
    pub fn path_text(&self) -> &str {
        self.path.permitted_value().as_str()
    }

    /// The arguments of a script.
    fn script_args(&self, more: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut args = Vec::new();
        // The counts come first, so names of folders need no mark between them.
        for folders in [&self.roots, &self.barred] {
            args.push(folders.len().to_string());
            args.extend(folders.iter().cloned());
        }
        args.push(self.path_text().to_owned());
        args.extend(more);
        args
    }
}

/// File operations in sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SessionFiles {
    jobs: SessionJobs,
}

/// One run of a script.
struct ScriptRun {
    script: &'static str,
    args: Vec<String>,
    stdin: Vec<u8>,
    /// The most that it may print, in bytes.
    output: u64,
    time_limit: Duration,
}

impl ScriptRun {
    fn new(script: &'static str, args: Vec<String>) -> Self {
        Self {
            script,
            args,
            stdin: Vec::new(),
            output: FACTS_BYTES,
            time_limit: Duration::from_secs(120),
        }
    }
}

impl SessionFiles {
    /// Uses `jobs` to run the scripts.
    #[must_use]
    pub fn new(jobs: SessionJobs) -> Self {
        Self { jobs }
    }

    async fn run_file_script(
        &self,
        place: &RunningSession,
        run: ScriptRun,
    ) -> Result<FinishedJob, FileError> {
        let spec = JobSpec::of_internal_script(&[PATHS, run.script], run.args)
            .with_stdin(run.stdin)
            .with_limits(run.time_limit, run.output.max(FACTS_BYTES));
        let done = match self.jobs.run_script(place, &spec).await {
            Err(JobError::DiskFull) => return Err(FileError::Full),
            done => done?,
        };
        match (done.ended.why, done.ended.exit_code) {
            // Output that was cut is not what the script wrote, so no word of it counts.
            (EndReason::Exited, Some(0)) if done.ended.stdout_cut => Err(FileError::Mangled),
            (EndReason::Exited, Some(0)) => Ok(done),
            // The script's output was dropped to make room for its end.
            (EndReason::Exited, Some(_)) if done.ended.stderr_cut => Err(FileError::Full),
            (EndReason::Exited, Some(code)) => Err(script_failure(code, &done.stderr)),
            _ => Err(FileError::TimedOut),
        }
    }
}

/// What the exit code of a script means (`files/scripts/paths.sh`).
fn script_failure(code: i32, stderr: &[u8]) -> FileError {
    let told = String::from_utf8_lossy(stderr).trim().to_owned();
    match code {
        40 => FileError::Missing,
        41 => FileError::Folder,
        42 => FileError::Denied,
        43 | 44 => FileError::Escapes(told),
        45 => FileError::NoRegularFile,
        46 => FileError::Mangled,
        47 => FileError::Changed,
        48 => FileError::NoFolder,
        // The scripts run in the C locale.
        _ if told.contains("No space left on device") || told.contains("quota exceeded") => {
            FileError::Full
        }
        _ if told.contains("Permission denied") => FileError::Denied,
        _ if told.contains("Not a directory") || told.contains("File exists") => {
            FileError::NoFolder
        }
        _ => FileError::Told(format!("the session reports: {told} (status {code})")),
    }
}

/// The words that a script printed.
fn parse_words<const N: usize>(printed: &[u8]) -> Result<[&str; N], FileError> {
    let text = std::str::from_utf8(printed).map_err(|_| FileError::Mangled)?;
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.try_into().map_err(|_| FileError::Mangled)
}

fn parse_number(word: &str) -> Result<u64, FileError> {
    word.parse().map_err(|_| FileError::Mangled)
}

/// SHA-256 in lower-case hex.
fn hex_digest(hasher: Sha256) -> String {
    HEXLOWER.encode(&hasher.finalize())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex_digest(Sha256::new_with_prefix(bytes))
}
