//! Reads the output of a job: polls for its next piece, less often the longer it is silent, and changes channels
//! when one fails.
//!
//! ```text
//!   new job, downloads        new job, relay          job by id, no downloads
//!          |                        |                           |
//!          v        a piece is      v        silence for        v
//!   +-> Downloads   posted: read  Mailbox    10 s: fail over  Collecting <---------+
//!   |    |  |  |                    |                           |  |               |
//!   |    |  |  +-- 10 s of failures, and the relay is there ----+--|---------------+
//!   |    |  |                                                   |  |
//!   |    |  +-- failures until the call ends: Unreachable       |  +-- no answer: fail over --+
//!   |    +-- piece: read it. Nothing new: wait longer           +-- one script sends all      |
//!   +------------------------------------------------------------------------------------------+
//! ```
//!
//! A failure of the web server is not the end of a job: its pieces stay in its folder. So each call tries at once,
//! and one that waits tries until its time is over. `Nothing` is for a job whose output no channel can bring.

mod downloads;
mod relayed;

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::{JobKey, PollBackoff};
use super::channel_health::{ChannelReadiness, FailureKind, OutputChannel};
use super::job_output::{BadRecord, JobEnd, OutputSink, PieceHead, PieceReader};
use super::{JobError, JobId, SessionJobs, StartedJob};
use crate::kasm::KasmError;
use crate::kasm::model::SessionStatus;
use crate::kasm::session_proxy::RunningSession;
use crate::relay::RelayMailbox;

/// How long a script in the workspace waits for something to tell.
const COLLECT_WAIT: Duration = Duration::from_secs(10);
/// How long a channel may fail before another one is used, or a script of ours is given up.
const FAILURE_PATIENCE: Duration = Duration::from_secs(10);

/// What reading brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadStep {
    /// More bytes; the job goes on.
    Piece,
    /// The sink is full; the job may go on or not.
    Full,
    /// All bytes, and the end.
    Ended(JobEnd),
    /// All bytes there are; the job died without an end.
    Lost,
    /// Nothing new before the deadline.
    Quiet,
}

/// How far a job has been read.
#[derive(Clone, Copy, Debug)]
struct ReadCursor {
    /// What of all that was published has been taken.
    offset: u64,
    /// Where the piece begins that has the next byte, as far as is known.
    piece: u64,
}

impl ReadCursor {
    fn at(offset: u64) -> Self {
        Self {
            offset,
            piece: offset,
        }
    }

    /// A reader for the piece that leaves out what was taken of it before.
    fn piece_reader(&self) -> PieceReader {
        PieceReader::after_skipping(self.offset - self.piece)
    }

    /// Counts the bytes that the sink took, so that they are not read again if the rest of the piece fails.
    fn note_taken(&mut self, reader: &PieceReader) {
        self.offset = self.offset.max(self.piece + reader.bytes_taken());
    }

    /// Refuses a piece that says it belongs elsewhere.
    fn check_place(&self, head: &PieceHead) -> Result<(), BadRecord> {
        if head.offset == self.piece {
            Ok(())
        } else {
            Err(BadRecord("the output belongs to another job"))
        }
    }
}

/// Reads the output of one job.
#[derive(Debug)]
pub struct OutputReader<'a> {
    jobs: &'a SessionJobs,
    place: &'a RunningSession,
    id: JobId,
    cursor: ReadCursor,
    backoff: PollBackoff,
    via: ReadVia,
    /// When the job was dispatched, if this process did it just now.
    dispatched: Option<Instant>,
    /// A script of ours is given up when its channel fails for a while; a command is waited for until the deadline.
    is_internal: bool,
    /// This reader has looked at `~/Downloads` at least once.
    has_looked: bool,
    /// A look has found no piece.
    has_missed: bool,
    /// Checks made so far whether a new job has begun at all.
    start_checks: usize,
    /// Pieces in a row without a miss.
    streak: u32,
    /// Why the last look failed, if it did.
    trouble: Option<(FailureKind, String)>,
}

/// Where the output comes from.
#[derive(Debug)]
enum ReadVia {
    Downloads,
    Mailbox {
        mailbox: RelayMailbox,
        greeted: bool,
    },
    /// A script of ours per look, whose answer comes through the relay.
    Collecting,
    Nothing(String),
}

impl<'a> OutputReader<'a> {
    pub(super) fn from_start(
        jobs: &'a SessionJobs,
        place: &'a RunningSession,
        started: StartedJob,
    ) -> Self {
        let via = match (started.via, started.mailbox) {
            // A mailbox is opened only for a job that posts to it, so it decides.
            (_, Some(mailbox)) => ReadVia::Mailbox {
                mailbox,
                greeted: false,
            },
            (Ok(_), None) => ReadVia::Downloads,
            (Err(why), None) => ReadVia::Nothing(why),
        };
        let typical = jobs.health.typical_duration(place.kasm_id);
        let backoff = PollBackoff::of_new_job(started.since, typical);
        Self {
            dispatched: Some(started.since),
            ..Self::new(jobs, place, started.id, ReadCursor::at(0), backoff, via)
        }
    }

    pub(super) fn from_offset(
        jobs: &'a SessionJobs,
        place: &'a RunningSession,
        id: JobId,
        offset: u64,
    ) -> Self {
        let via = match jobs.choose_channel(place) {
            Ok(OutputChannel::Downloads) => ReadVia::Downloads,
            // The mailbox ended with the call that opened it. A script posts the rest to a new one.
            Ok(OutputChannel::Relay) => ReadVia::Collecting,
            Err(why) => ReadVia::Nothing(why),
        };
        let remembered = jobs.paces.recall_pace((place.kasm_id, id), offset);
        let backoff = remembered.unwrap_or_else(|| PollBackoff::of_unknown_job(Instant::now()));
        Self::new(jobs, place, id, ReadCursor::at(offset), backoff, via)
    }

    fn new(
        jobs: &'a SessionJobs,
        place: &'a RunningSession,
        id: JobId,
        cursor: ReadCursor,
        backoff: PollBackoff,
        via: ReadVia,
    ) -> Self {
        Self {
            jobs,
            place,
            id,
            cursor,
            backoff,
            via,
            dispatched: None,
            is_internal: false,
            has_looked: false,
            has_missed: false,
            start_checks: 0,
            streak: 0,
            trouble: None,
        }
    }

    /// Reads a script of ours: when its channel fails for a while, it is given up.
    pub(super) fn of_internal_job(mut self) -> Self {
        self.is_internal = true;
        self
    }

    /// The caller streams the output to its user: look more often.
    pub fn watch_output(&mut self) {
        self.backoff.watch_output();
    }

    /// How much of all that was published has been taken: where to read on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.cursor.offset
    }

    /// How the output comes.
    #[must_use]
    pub fn channel(&self) -> Option<OutputChannel> {
        match self.via {
            ReadVia::Downloads => Some(OutputChannel::Downloads),
            ReadVia::Mailbox { .. } | ReadVia::Collecting => Some(OutputChannel::Relay),
            ReadVia::Nothing(_) => None,
        }
    }

    /// Reads the next piece, or waits for it until `deadline`.
    ///
    /// # Errors
    /// There is no such job, or its output cannot be read. `Unreachable` may pass; `NoChannel` will not.
    pub async fn read_output(
        &mut self,
        sink: &mut dyn OutputSink,
        deadline: Instant,
    ) -> Result<ReadStep, JobError> {
        // Without room a look would cost a request and could not take the answer.
        if sink.room_left() == 0 {
            return Ok(ReadStep::Full);
        }
        loop {
            let step = match &mut self.via {
                ReadVia::Downloads => self.poll_downloads(sink, deadline).await?,
                ReadVia::Mailbox { .. } => self.next_relay_chunk(sink, deadline).await?,
                ReadVia::Collecting => self.collect_until(sink, deadline).await?,
                ReadVia::Nothing(why) => return Err(JobError::NoChannel { why: why.clone() }),
            };
            match step {
                Some(step @ (ReadStep::Ended(_) | ReadStep::Lost)) => {
                    // Without a remembered pace, a call that reads the output again looks at once.
                    self.jobs.paces.forget_pace(self.job_key());
                    return Ok(step);
                }
                Some(step) => return Ok(step),
                None => {}
            }
        }
    }

    fn job_key(&self) -> JobKey {
        (self.place.kasm_id, self.id)
    }

    /// A session that does not run explains every failure.
    async fn check_session(&self) -> Result<(), JobError> {
        let (jobs, place) = (self.jobs, self.place);
        let session = jobs.kasm.session_of(place.user, place.kasm_id).await?;
        if session.status == SessionStatus::Running {
            return Ok(());
        }
        Err(JobError::Kasm(KasmError::InvalidState {
            message: format!(
                "the session is `{}`, so the output of job {} cannot be read",
                session.status.status_word(),
                self.id
            ),
            remedy: "check it with get_session_status; a paused session keeps its jobs, a stopped one has lost its \
                processes"
                .to_owned(),
        }))
    }

    /// A channel does not work: notes it and changes over to another one, or to none.
    async fn fail_over(
        &mut self,
        channel: OutputChannel,
        kind: FailureKind,
        why: String,
    ) -> Result<(), JobError> {
        // A paused session answers nothing. That is the error then, and its channel is not put to rest for
        // it.
        self.check_session().await?;
        let (jobs, place) = (self.jobs, self.place);
        let failure = (kind, why.clone());
        jobs.health
            .note_failure(place.kasm_id, channel, Instant::now(), failure);
        self.trouble = None;
        self.via = match jobs.choose_channel(place) {
            Ok(OutputChannel::Relay) if channel != OutputChannel::Relay => ReadVia::Collecting,
            Ok(OutputChannel::Downloads) if channel != OutputChannel::Downloads => {
                ReadVia::Downloads
            }
            // There is no other channel, and this one may work again: the caller can repeat the call.
            Ok(_) if kind == FailureKind::Unreachable => {
                return Err(JobError::Unreachable { why });
            }
            Ok(_) | Err(_) => ReadVia::Nothing(jobs.no_channel(place, &why)),
        };
        Ok(())
    }

    /// Whether the relay can take over.
    fn can_use_relay(&self) -> bool {
        let jobs = self.jobs;
        let relay = jobs.relay.is_some().then_some(OutputChannel::Relay);
        relay.is_some_and(|relay| {
            let readiness = jobs.readiness(self.place.kasm_id, relay);
            !matches!(readiness, ChannelReadiness::Resting { .. })
        })
    }
}
