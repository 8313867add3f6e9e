//! Jobs: commands that run for real in a workspace, with their output and exit code.
//!
//! Kasm's exec call dispatches and tells nothing. So a job is a constant wrapper script that runs the
//! command, keeps what it writes, and publishes it in pieces below `~/Downloads`, the last with the exit
//! code. The state of a job lives in the workspace alone; its id finds it again after a restart.
//!
//! The pieces come out over a [`Channel`]: fetched through Kasm's own proxy, or posted to [`crate::relay`].
//! Where neither works, a command can be dispatched but not heard of, and that is what is said.

mod channels;
mod follow;
mod id;
mod record;
mod spec;

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

pub use channels::Channel;
pub use follow::{Follow, Step};
pub use id::{BadJobId, JobId};
pub use record::{BadRecord, Ended, Sink, State, Stream, Why};
pub use spec::{Folder, INPUT_BYTES_MAX, JobSpec};

use crate::kasm::plane::Place;
use crate::kasm::{Kasm, KasmError};
use crate::relay::{Mailbox, Relay};
use channels::Channels;

const COLLECT: &str = include_str!("jobs/scripts/collect.sh");
const STOP: &str = include_str!("jobs/scripts/stop.sh");
/// How long the folder of a finished job stays for whoever asks again.
const LINGER: Duration = Duration::from_secs(120);
/// How often folders are removed where no further job does it on its way.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Folders removed by one dispatch.
const SWEEP_MAX: usize = 64;
/// What is added to the time limit of a job before its relay mailbox closes.
const GRACE: Duration = Duration::from_secs(60);
/// What a piece has beside the bytes of its streams.
const HEAD_ROOM: u64 = 4_096;

/// A job gave nothing. A variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError {
    /// Kasm did not take the command.
    #[error(transparent)]
    Kasm(#[from] KasmError),
    /// The command was dispatched, and nothing of it can be heard.
    #[error("{why}")]
    Unheard {
        /// Why no channel works.
        why: String,
    },
    /// The workspace does not answer, so nothing is known of the job at present.
    #[error("the job's state cannot be read now: {why}")]
    Away {
        /// Why it was not heard.
        why: String,
    },
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
pub struct Jobs {
    kasm: Kasm,
    relay: Option<Arc<Relay>>,
    channels: Arc<Channels>,
}

/// A job that was dispatched by this process.
#[derive(Debug)]
pub struct Started {
    /// Its handle.
    pub id: JobId,
    /// When it was dispatched.
    since: Instant,
    mailbox: Option<Mailbox>,
    via: Result<Channel, String>,
}

impl Started {
    /// How its output will come, or why it cannot.
    ///
    /// # Errors
    /// Why no channel works.
    pub fn channel(&self) -> Result<Channel, &str> {
        self.via.as_ref().copied().map_err(String::as_str)
    }
}

/// A short job of ours, to its end.
#[derive(Debug)]
pub struct Finished {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
    /// Which job it was.
    pub id: JobId,
}

impl Jobs {
    /// Runs jobs on `kasm`. Without a relay the only channel is Kasm's proxy.
    #[must_use]
    pub fn new(kasm: Kasm, relay: Option<Arc<Relay>>) -> Self {
        Self {
            kasm,
            relay,
            channels: Arc::default(),
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
    /// Kasm did not take it. That nothing will be heard of it is no error here.
    pub async fn start(&self, place: &Place, spec: &JobSpec) -> Result<Started, JobError> {
        let via = self.choose(place);
        self.start_on(place, spec, via).await
    }

    /// The channel to use, or why there is none.
    fn choose(&self, place: &Place) -> Result<Channel, String> {
        let downloads = match place.session.downloads_allowed {
            Some(false) => Some(
                "downloads are turned off for this user's group (allow_kasm_downloads)".to_owned(),
            ),
            Some(true) | None => self.channels.broken(place.kasm_id, Channel::Downloads),
        };
        let Some(downloads) = downloads else {
            return Ok(Channel::Downloads);
        };
        let relay = match &self.relay {
            None => Some("the relay is off (MCP_PUBLIC_URL is not set)".to_owned()),
            Some(_) => self.channels.broken(place.kasm_id, Channel::Relay),
        };
        match relay {
            None => Ok(Channel::Relay),
            Some(relay) => Err(format!("{downloads}; {relay}")),
        }
    }

    async fn start_on(
        &self,
        place: &Place,
        spec: &JobSpec,
        mut via: Result<Channel, String>,
    ) -> Result<Started, JobError> {
        let id = JobId::random(spec.as_root);
        let mut mailbox = None;
        if via == Ok(Channel::Relay) {
            let expires = Instant::now() + spec.time_limit + GRACE;
            // Pieces repeat their heads; a job makes a few a second at most.
            let room = spec.keep_bytes * 2 + HEAD_ROOM * 1_024;
            mailbox = self
                .relay
                .as_ref()
                .and_then(|relay| relay.open(room, expires));
            if mailbox.is_none() {
                via = Err("the relay has too many open mailboxes".to_owned());
            }
        }
        let sweep = self
            .channels
            .take_done(place.kasm_id, spec.as_root, SWEEP_MAX);
        let url = mailbox
            .as_ref()
            .map(|mailbox| mailbox.url().expose_secret());
        let exec = spec.dispatch(id, &sweep, url);
        let since = Instant::now();
        self.kasm
            .wire()
            .exec(place.user, place.kasm_id, &exec)
            .await?;
        Ok(Started {
            id,
            since,
            mailbox,
            via,
        })
    }

    /// Hears a job that was just started from its beginning.
    pub fn hear<'a>(&'a self, place: &'a Place, started: Started) -> Follow<'a> {
        Follow::from_start(self, place, started)
    }

    /// Follows a job by its id, whoever started it.
    pub fn follow<'a>(&'a self, place: &'a Place, id: JobId, offset: u64) -> Follow<'a> {
        Follow::from_offset(self, place, id, offset)
    }

    /// Runs a short script of ours to its end.
    ///
    /// # Errors
    /// It cannot be run, or nothing is heard of it.
    pub async fn run(&self, place: &Place, spec: &JobSpec) -> Result<Finished, JobError> {
        let started = self.start(place, spec).await?;
        self.heard_out(place, spec, started).await
    }

    async fn heard_out(
        &self,
        place: &Place,
        spec: &JobSpec,
        started: Started,
    ) -> Result<Finished, JobError> {
        let id = started.id;
        let deadline = Instant::now() + spec.time_limit + Duration::from_secs(15);
        let mut follow = self.hear(place, started);
        let mut whole = Whole::default();
        loop {
            match follow.next(&mut whole, deadline).await? {
                Step::Piece | Step::Full => {}
                Step::Ended(ended) => {
                    self.forget(place, id, Duration::ZERO);
                    return Ok(Finished {
                        stdout: whole.stdout,
                        stderr: whole.stderr,
                        ended,
                        id,
                    });
                }
                Step::Lost | Step::Quiet => {
                    return Err(JobError::Unheard {
                        why: "the script did not finish in the session".to_owned(),
                    });
                }
            }
        }
    }

    /// Ends a job with a signal: `TERM` (and `KILL` after five seconds) or another one. False: it was
    /// over already.
    ///
    /// # Errors
    /// There is no such job, or the signal cannot be sent.
    pub async fn stop(&self, place: &Place, id: JobId, signal: &str) -> Result<bool, JobError> {
        let args = vec![id.to_string(), signal.to_owned(), spec::HOME.to_owned()];
        let spec = JobSpec::internal(&[STOP], args).as_root(id.as_root());
        let done = self.run(place, &spec).await?;
        match done.ended.exit_code {
            Some(0) => Ok(done.stdout.trim_ascii() != b"over"),
            Some(60) => Err(JobError::NoSuchJob),
            _ => Err(JobError::BadRecord(BadRecord(
                "the signal could not be sent",
            ))),
        }
    }

    /// Puts a part of something large into the workspace; a later script finds it in the folder of `id`
    /// as `part<index>`.
    ///
    /// # Errors
    /// Kasm did not take it.
    pub async fn put_part(
        &self,
        place: &Place,
        id: JobId,
        index: usize,
        bytes: &[u8],
    ) -> Result<(), JobError> {
        let exec = spec::part(id, index, bytes);
        Ok(self
            .kasm
            .wire()
            .exec(place.user, place.kasm_id, &exec)
            .await?)
    }

    /// A finished job was reported whole: its folder may go, after a while in which the report may still
    /// be asked for again.
    pub fn reported(&self, place: &Place, id: JobId) {
        self.forget(place, id, LINGER);
    }

    /// The folder of `id` may go after `delay`.
    pub fn forget(&self, place: &Place, id: JobId, delay: Duration) {
        if !self.channels.done(place.kasm_id, id, delay) {
            return;
        }
        let (jobs, place) = (self.clone(), place.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                for as_root in [false, true] {
                    let ids = jobs.channels.take_done(place.kasm_id, as_root, SWEEP_MAX);
                    if !ids.is_empty() {
                        let exec = spec::sweep(&ids, as_root);
                        // A session that is gone took its folders along.
                        let _gone = jobs
                            .kasm
                            .wire()
                            .exec(place.user, place.kasm_id, &exec)
                            .await;
                    }
                }
                if !jobs.channels.keeps_sweeping(place.kasm_id) {
                    return;
                }
            }
        });
    }
}

/// All of both streams. The job's own cap bounds it.
#[derive(Debug, Default)]
struct Whole {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Sink for Whole {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> usize {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(bytes),
            Stream::Stderr => self.stderr.extend_from_slice(bytes),
        }
        bytes.len()
    }
}
