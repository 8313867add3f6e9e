//! Files in a workspace: read, written, listed and moved in both directions.
//!
//! Each operation is a short job: a constant script that follows the links of a path, checks once more
//! that it stays in the allowed folders, does its work and tells sizes and hashes. What comes back is
//! compared with these. Contents come out as the job's output or through Kasm's proxy, and go in with the
//! dispatch, in parts, or through Kasm's upload service.

mod incoming;
mod list;
mod outgoing;
mod read;
mod write;

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

pub use incoming::Content;
pub use list::{Entry, Kind, Listing};
pub use outgoing::Outgoing;
pub use read::Piece;
pub use write::{Writing, Written};

use crate::jobs::{Finished, JobError, JobSpec, Jobs, Why};
use crate::kasm::plane::{Place, PlaneError};
use crate::policy::{Access, CheckedPath, Denial, Permit, Policy};

const PATHS: &str = include_str!("files/scripts/paths.sh");
/// What the scripts print beside contents.
const FACTS_BYTES: u64 = 16 * 1024;

/// A file operation failed. A variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FileError {
    /// There is nothing at the path.
    #[error("there is no such file")]
    Missing,
    /// It is a folder where a file is wanted.
    #[error("the path is a folder")]
    Folder,
    /// It is no folder where one is wanted.
    #[error("the path is not a folder")]
    NoFolder,
    /// It is a device, a pipe or a socket.
    #[error("the path is not a regular file")]
    NoRegularFile,
    /// The session's user may not.
    #[error("the session's user lacks permission")]
    Denied,
    /// Links lead out of the allowed folders, or into one that is off limits.
    #[error("the path leads to {0}, which the policy forbids")]
    Escapes(String),
    /// The disk of the workspace is full.
    #[error("the session's disk is full")]
    Full,
    /// It was changed by somebody else meanwhile.
    #[error("the file was changed meanwhile")]
    Changed,
    /// What arrived is not what was sent.
    #[error("the received content differs from the sent content")]
    Mangled,
    /// It is larger than this server transfers.
    #[error("the file has {size} bytes, but at most {max} are allowed")]
    TooLarge {
        /// Its size, bytes.
        size: u64,
        /// The limit, bytes.
        max: u64,
    },
    /// Something else, in the words of the workspace's tools.
    #[error("{0}")]
    Told(String),
    /// It took longer than it may.
    #[error("the operation took too long in the session")]
    TimedOut,
    /// Whoever sends the content broke off.
    #[error("the content was not received completely: {0}")]
    Broken(String),
    /// The job could not be run, or nothing was heard of it.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Kasm's proxy did not do it.
    #[error(transparent)]
    Plane(#[from] PlaneError),
}

/// A path that the policy permits, with what it takes to check it again where the file is.
#[derive(Clone, Debug)]
pub struct Target {
    path: Permit<CheckedPath>,
    roots: Vec<String>,
    barred: Vec<String>,
}

impl Target {
    /// Asks the policy.
    ///
    /// # Errors
    /// The policy's denial.
    pub fn new(policy: &Policy, path: &str, access: Access) -> Result<Self, Denial> {
        Ok(Self {
            path: policy.path(path, access)?,
            roots: policy.roots().to_vec(),
            barred: policy.barred(access),
        })
    }

    /// The path, absolute and without `.` and `..`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.get().as_str()
    }

    /// The arguments of a script.
    fn args(&self, more: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut args = Vec::new();
        for folders in [&self.roots, &self.barred] {
            args.push(folders.len().to_string());
            args.extend(folders.iter().cloned());
        }
        args.push(self.path().to_owned());
        args.extend(more);
        args
    }
}

/// Works on the files of workspaces. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    jobs: Jobs,
}

/// One run of a script.
struct Run {
    script: &'static str,
    args: Vec<String>,
    stdin: Vec<u8>,
    /// How much it may print, bytes.
    output: u64,
    time_limit: Duration,
}

impl Run {
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

impl Files {
    /// Works through `jobs`.
    #[must_use]
    pub fn new(jobs: Jobs) -> Self {
        Self { jobs }
    }

    async fn run(&self, place: &Place, run: Run) -> Result<Finished, FileError> {
        let spec = JobSpec::internal(&[PATHS, run.script], run.args)
            .with_stdin(run.stdin)
            .with_limits(run.time_limit, run.output.max(FACTS_BYTES));
        let done = match self.jobs.run(place, &spec).await {
            Err(JobError::DiskFull) => return Err(FileError::Full),
            done => done?,
        };
        match (done.ended.why, done.ended.exit_code) {
            (Why::Exited, Some(0)) if done.ended.stdout_cut => Err(FileError::Mangled),
            (Why::Exited, Some(0)) => Ok(done),
            // What the script said was dropped to make room for the news of its end.
            (Why::Exited, Some(_)) if done.ended.stderr_cut => Err(FileError::Full),
            (Why::Exited, Some(code)) => Err(failure(code, &done.stderr)),
            _ => Err(FileError::TimedOut),
        }
    }
}

/// What the exit code of a script means (`files/scripts/paths.sh`).
fn failure(code: i32, stderr: &[u8]) -> FileError {
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
fn words<const N: usize>(printed: &[u8]) -> Result<[&str; N], FileError> {
    let text = std::str::from_utf8(printed).map_err(|_| FileError::Mangled)?;
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.try_into().map_err(|_| FileError::Mangled)
}

fn number(word: &str) -> Result<u64, FileError> {
    word.parse().map_err(|_| FileError::Mangled)
}

/// SHA-256 in lower-case hex.
fn hex_digest(hasher: Sha256) -> String {
    HEXLOWER.encode(&hasher.finalize())
}

fn sha256(bytes: &[u8]) -> String {
    hex_digest(Sha256::new_with_prefix(bytes))
}
