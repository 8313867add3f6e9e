//! Hearing a job: looking for its next piece, seldom enough, and changing over when a channel fails.
//!
//! Every look at `~/Downloads` costs memory in the user's container, so looks back off, a job that is far
//! ahead is collected in one piece, and nobody looks at a job that nobody waits for.

mod downloads;
mod relayed;

use std::time::Duration;

use tokio::time::Instant;

use super::channels::Channel;
use super::record::{Ended, Sink};
use super::{JobError, JobId, Jobs, Started};
use crate::kasm::KasmError;
use crate::kasm::model::Status;
use crate::kasm::plane::Place;
use crate::relay::Mailbox;

/// How long a script in the workspace waits for something to tell.
const COLLECT_WAIT: Duration = Duration::from_secs(10);
/// How long a web server that does not answer is given.
const PATIENCE: Duration = Duration::from_secs(10);

/// What listening brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes; the job goes on.
    Piece,
    /// The sink is full; the job may go on or not.
    Full,
    /// All bytes, and the end.
    Ended(Ended),
    /// All bytes there are; the job died without an end.
    Lost,
    /// Nothing new before the deadline.
    Quiet,
}

/// Somebody who listens to a job.
#[derive(Debug)]
pub struct Follow<'a> {
    jobs: &'a Jobs,
    place: &'a Place,
    id: JobId,
    /// What of all that was published has been taken.
    offset: u64,
    /// Where the piece begins that has the next byte, as far as is known.
    piece: u64,
    via: Via,
    since: Instant,
    /// Dispatched by this process just now, so it is known to be there.
    fresh: bool,
    watched: bool,
    looks: u32,
    signs: usize,
    streak: u32,
    pause: Duration,
    failing_since: Option<Instant>,
    /// Why nothing is known of the job, while that is so.
    unknown: Option<String>,
}

#[derive(Debug)]
enum Via {
    Downloads,
    Mailbox {
        mailbox: Mailbox,
        greeted: bool,
    },
    /// A script of ours per look, heard by the relay.
    Collecting,
    Nothing(String),
}

impl<'a> Follow<'a> {
    pub(super) fn from_start(jobs: &'a Jobs, place: &'a Place, started: Started) -> Self {
        let via = match (started.via, started.mailbox) {
            (_, Some(mailbox)) => Via::Mailbox {
                mailbox,
                greeted: false,
            },
            (Ok(_), None) => Via::Downloads,
            (Err(why), None) => Via::Nothing(why),
        };
        Self {
            since: started.since,
            fresh: true,
            pause: jobs.channels.typical(place.kasm_id),
            ..Self::new(jobs, place, started.id, 0, via)
        }
    }

    pub(super) fn from_offset(jobs: &'a Jobs, place: &'a Place, id: JobId, offset: u64) -> Self {
        let via = match jobs.choose(place) {
            Ok(Channel::Downloads) => Via::Downloads,
            Ok(Channel::Relay) => Via::Collecting,
            Err(why) => Via::Nothing(why),
        };
        Self::new(jobs, place, id, offset, via)
    }

    fn new(jobs: &'a Jobs, place: &'a Place, id: JobId, offset: u64, via: Via) -> Self {
        Self {
            jobs,
            place,
            id,
            offset,
            piece: offset,
            via,
            since: Instant::now(),
            fresh: false,
            watched: false,
            looks: 0,
            signs: 0,
            streak: 0,
            pause: Duration::ZERO,
            failing_since: None,
            unknown: None,
        }
    }

    /// Somebody watches the output grow: look more often.
    pub fn watched(&mut self) {
        self.watched = true;
    }

    /// How much of all that was published has been taken: where to read on.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How the output comes.
    #[must_use]
    pub fn channel(&self) -> Option<Channel> {
        match self.via {
            Via::Downloads => Some(Channel::Downloads),
            Via::Mailbox { .. } | Via::Collecting => Some(Channel::Relay),
            Via::Nothing(_) => None,
        }
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// There is no such job, or nothing can be heard of it.
    pub async fn next(&mut self, sink: &mut dyn Sink, deadline: Instant) -> Result<Step, JobError> {
        if sink.room() == 0 {
            return Ok(Step::Full);
        }
        loop {
            let step = match &mut self.via {
                Via::Downloads => self.look_on(sink, deadline).await?,
                Via::Mailbox { .. } => self.open_mail(sink, deadline).await?,
                Via::Collecting => {
                    let wait = deadline
                        .saturating_duration_since(Instant::now())
                        .min(COLLECT_WAIT);
                    let over = Instant::now() + wait >= deadline;
                    match self.collect(Channel::Relay, wait, sink).await {
                        Ok(Step::Quiet) if !over => None,
                        Ok(step) => Some(step),
                        Err(error @ JobError::Unheard { .. }) => {
                            self.give_up(Channel::Relay, error.to_string()).await?;
                            None
                        }
                        Err(error) => return Err(error),
                    }
                }
                Via::Nothing(why) => return Err(JobError::Unheard { why: why.clone() }),
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// A channel does not work: changes over, or ends with the reason.
    async fn give_up(&mut self, channel: Channel, why: String) -> Result<(), JobError> {
        let (jobs, place) = (self.jobs, self.place);
        // A session that has ended explains everything.
        let session = jobs.kasm.session_of(place.user, place.kasm_id).await?;
        if session.status != Status::Running {
            return Err(JobError::Kasm(KasmError::InvalidState {
                message: format!(
                    "the session is `{}`, so the job's output cannot be read",
                    session.status.word()
                ),
                remedy:
                    "check it with get_session_status; a stopped session has lost its processes"
                        .to_owned(),
            }));
        }
        jobs.channels
            .note_broken(place.kasm_id, channel, why.clone());
        self.failing_since = None;
        self.via = match jobs.choose(place) {
            Ok(Channel::Relay) => Via::Collecting,
            Ok(Channel::Downloads) if channel == Channel::Relay => Via::Downloads,
            Ok(Channel::Downloads) => Via::Nothing(why),
            Err(why) => Via::Nothing(why),
        };
        Ok(())
    }
}
