//! Jobs: commands that run for real in a workspace, with their output and exit code.
//!
//! Kasm's exec call returns at dispatch, without output or exit code. So a job is a constant wrapper script
//! that runs the command, keeps what it writes, and publishes it in pieces below `~/Downloads`, the last with
//! the exit code. The state of a job lives in the workspace alone; its id finds it again after a restart.
//!
//! The pieces come out over an [`OutputChannel`]: fetched through Kasm's own proxy, or posted to [`crate::relay`].
//! Where neither works, a command is still dispatched, and the reply says that its output cannot be read.

mod backoff;
mod channel_choice;
mod channel_health;
mod id;
mod job_output;
mod reader;
mod spec;
mod stop;
mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

pub use channel_health::OutputChannel;
pub use id::{BadJobId, JobId};
pub use job_output::{BadRecord, EndReason, JobEnd, JobState, OutputSink, OutputStream};
pub use reader::{OutputReader, ReadStep};
pub use spec::{INPUT_BYTES_MAX, JobSpec, WorkingFolder};
pub use stop::{RunningProcess, StopReport};
pub use sweeper::FolderRemoval;

use crate::kasm::session_proxy::RunningSession;
use crate::kasm::{Kasm, KasmError};
use crate::relay::{OutputRelay, RelayMailbox};
use backoff::JobPaces;
use channel_health::ChannelHealth;
use sweeper::FolderSweeper;

const COLLECT: &str = include_str!("jobs/scripts/collect.sh");
/// Added to a job's time limit before its relay mailbox closes, for the last pieces after `KILL`.
const GRACE: Duration = Duration::from_secs(60);
/// How long a script of ours may take beyond its time limit until its end is read.
const END_PATIENCE: Duration = Duration::from_secs(15);
/// Bytes allowed for what a piece has beside its streams.
const HEAD_ROOM: u64 = 4_096;

/// Why a job was not run, or its output not read. Each variant calls for another reaction of the caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError {
    /// Kasm did not take the command.
    #[error(transparent)]
    Kasm(#[from] KasmError),
    /// The command was dispatched, and its output cannot be read: no channel is allowed or works.
    #[error("{why}")]
    NoChannel {
        /// Why no channel works.
        why: String,
    },
    /// The session's web server does not answer, so nothing is known of the job at present.
    #[error("the job's state cannot be read now: {why}")]
    Unreachable {
        /// What failed.
        why: String,
    },
    /// The session's web server failed a moment ago, so a script whose result could not be read was not sent.
    #[error("nothing was sent: {why}")]
    NotSent {
        /// What failed, and when.
        why: String,
        /// When it is worth another try.
        again_in: Duration,
    },
    /// Kasm took the command, and the workspace did not run it, or not to its end.
    #[error("Kasm accepted the command, but it did not run in the session")]
    NotStarted,
    /// The workspace knows no such job: it was never there, or its folder is gone.
    #[error("unknown job")]
    NoSuchJob,
    /// The job never had this offset.
    #[error("the job's output has no offset {0}")]
    NoSuchOffset(u64),
    /// The command did not begin, or is over and how it ended could not be written down.
    #[error("the session's disk is full, so the command's output could not be stored")]
    DiskFull,
    /// What came is not what our wrapper writes.
    #[error(transparent)]
    BadRecord(#[from] BadRecord),
}

/// Runs jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SessionJobs {
    kasm: Kasm,
    relay: Option<Arc<OutputRelay>>,
    health: Arc<ChannelHealth>,
    paces: Arc<JobPaces>,
    sweeper: Arc<FolderSweeper>,
}

/// A job that was dispatched by this process.
#[derive(Debug)]
pub struct StartedJob {
    /// Its id, which finds it again in any process.
    pub id: JobId,
    /// When it was dispatched.
    since: Instant,
    mailbox: Option<RelayMailbox>,
    via: Result<OutputChannel, String>,
}

impl StartedJob {
    /// How its output will come, or why it cannot.
    ///
    /// # Errors
    /// Why no channel works.
    pub fn output_channel(&self) -> Result<OutputChannel, &str> {
        self.via.as_ref().copied().map_err(String::as_str)
    }
}

/// A short job of ours, to its end.
#[derive(Debug)]
pub struct FinishedJob {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub ended: JobEnd,
    /// Which job it was.
    pub id: JobId,
}

impl SessionJobs {
    /// Runs jobs on `kasm`. Without a relay the only channel is Kasm's proxy.
    #[must_use]
    pub fn new(kasm: Kasm, relay: Option<Arc<OutputRelay>>) -> Self {
        Self {
            kasm,
            relay,
            health: Arc::default(),
            paces: Arc::default(),
            sweeper: Arc::default(),
        }
    }

    /// The Kasm server.
    #[must_use]
    pub fn kasm(&self) -> &Kasm {
        &self.kasm
    }

    /// Dispatches a job.
    ///
    /// # Errors
    /// Kasm did not take it. A job without an output channel is not an error here.
    pub async fn start_job(
        &self,
        place: &RunningSession,
        spec: &JobSpec,
    ) -> Result<StartedJob, JobError> {
        let via = self.choose_channel(place);
        self.start_through(place, spec, via).await
    }

    async fn start_through(
        &self,
        place: &RunningSession,
        spec: &JobSpec,
        mut via: Result<OutputChannel, String>,
    ) -> Result<StartedJob, JobError> {
        let id = JobId::random(spec.as_root);
        let mut mailbox = None;
        if via == Ok(OutputChannel::Relay) {
            let expires = Instant::now() + spec.time_limit + GRACE;
            // Pieces repeat their heads; a job makes a few a second at most.
            let room = spec.keep_bytes * 2 + HEAD_ROOM * 1_024;
            mailbox = self
                .relay
                .as_ref()
                .and_then(|relay| relay.open_mailbox(room, expires));
            if mailbox.is_none() {
                via = Err("the relay has too many open mailboxes".to_owned());
            }
        }
        // If the dispatch fails, these folders go with the daily clean-up of a later wrapper.
        let sweep = self.sweeper.take_for_job(place.kasm_id, spec.as_root);
        let url = mailbox
            .as_ref()
            .map(|mailbox| mailbox.posting_url().expose_secret());
        let exec = spec.dispatch_job(id, &sweep, url);
        let since = Instant::now();
        self.kasm
            .api()
            .exec(place.user, place.kasm_id, &exec)
            .await?;
        Ok(StartedJob {
            id,
            since,
            mailbox,
            via,
        })
    }

    /// Reads a job that was just started, from its beginning.
    pub fn read_new<'a>(
        &'a self,
        place: &'a RunningSession,
        started: StartedJob,
    ) -> OutputReader<'a> {
        OutputReader::from_start(self, place, started)
    }

    /// Reads a job by its id, also one of an earlier process. It is tried whatever failed before.
    pub fn read_by_id<'a>(
        &'a self,
        place: &'a RunningSession,
        id: JobId,
        offset: u64,
    ) -> OutputReader<'a> {
        OutputReader::from_offset(self, place, id, offset)
    }

    /// Runs a short script of ours to its end. Where its result could not be read, it is not sent.
    ///
    /// # Errors
    /// It cannot be run, or its result cannot be read.
    pub async fn run_script(
        &self,
        place: &RunningSession,
        spec: &JobSpec,
    ) -> Result<FinishedJob, JobError> {
        self.check_reachable(place).await?;
        let started = self.start_job(place, spec).await?;
        self.run_to_end(place, spec, started).await
    }

    async fn run_to_end(
        &self,
        place: &RunningSession,
        spec: &JobSpec,
        started: StartedJob,
    ) -> Result<FinishedJob, JobError> {
        let id = started.id;
        let deadline = Instant::now() + spec.time_limit + END_PATIENCE;
        let mut reader = self.read_new(place, started).of_internal_job();
        let mut whole = WholeOutput::default();
        loop {
            match reader.read_output(&mut whole, deadline).await? {
                ReadStep::Piece | ReadStep::Full => {}
                ReadStep::Ended(ended) => {
                    self.remove_folder(place, id, FolderRemoval::Now);
                    return Ok(FinishedJob {
                        stdout: whole.stdout,
                        stderr: whole.stderr,
                        ended,
                        id,
                    });
                }
                // A script that ran writes its end, so silence until the deadline means that it did not run.
                ReadStep::Lost | ReadStep::Quiet => return Err(JobError::NotStarted),
            }
        }
    }

    /// Puts a part of something large into the workspace; a later script finds it in the folder of `id`
    /// as `part<index>`.
    ///
    /// # Errors
    /// Kasm did not take it.
    pub async fn put_part(
        &self,
        place: &RunningSession,
        id: JobId,
        index: usize,
        bytes: &[u8],
    ) -> Result<(), JobError> {
        let exec = spec::dispatch_part(id, index, bytes);
        Ok(self
            .kasm
            .api()
            .exec(place.user, place.kasm_id, &exec)
            .await?)
    }

    /// The folder of `id` may go.
    pub fn remove_folder(&self, place: &RunningSession, id: JobId, removal: FolderRemoval) {
        self.sweeper.remove_later(&self.kasm, place, id, removal);
    }
}

/// All of both streams. The job's own cap bounds it.
#[derive(Debug, Default)]
struct WholeOutput {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl OutputSink for WholeOutput {
    fn write_bytes(&mut self, stream: OutputStream, bytes: &[u8]) -> usize {
        match stream {
            OutputStream::Stdout => self.stdout.extend_from_slice(bytes),
            OutputStream::Stderr => self.stderr.extend_from_slice(bytes),
        }
        bytes.len()
    }
}
