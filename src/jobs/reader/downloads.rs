//! Polls for pieces below `~/Downloads`.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{FAILURE_PATIENCE, OutputReader, ReadStep, ReadVia};
use crate::jobs::JobError;
use crate::jobs::channel_health::{FailureKind, OutputChannel};
use crate::jobs::job_output::{BadRecord, JobState, OutputSink, PieceHead};
use crate::kasm::session_proxy::ProxyError;

/// Pieces in a row without a miss, after which the rest is collected in one.
const STREAK_MAX: u32 = 3;
/// When to look whether a new job has begun at all, while its channel is not known to work.
const START_CHECKS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];
/// Looks after which a job is read through the relay, if there is one: it costs the container less.
const LOOKS_MAX: u32 = 40;
/// How long a channel that never worked may be refused until that is taken for a policy.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// What one look at `~/Downloads` brought.
enum DownloadPoll {
    Found(PieceHead),
    Full,
    Missing,
}

impl OutputReader<'_> {
    /// Polls `~/Downloads` until a piece comes or the time is over. None: the channel has changed.
    pub(super) async fn poll_downloads(
        &mut self,
        sink: &mut dyn OutputSink,
        deadline: Instant,
    ) -> Result<Option<ReadStep>, JobError> {
        loop {
            let now = Instant::now();
            let Some(next) = self.backoff.next_look(now, deadline, self.has_looked) else {
                sleep_until(deadline).await;
                return self.end_of_wait().await.map(Some);
            };
            sleep_until(next).await;
            let begun = Instant::now();
            // A server that is silent does not hold a call for much longer than it wants to wait.
            let patience = FAILURE_PATIENCE.max(deadline - begun);
            let look = self.look_for_piece(sink, patience).await;
            self.has_looked = true;
            let step = match look {
                Ok(DownloadPoll::Found(head)) => self.take_piece(head, sink).await.map(Some),
                Ok(DownloadPoll::Full) => Ok(Some(ReadStep::Full)),
                Ok(DownloadPoll::Missing) => self.take_miss(sink).await,
                Err(LookError::Job(error)) => Err(error),
                Err(LookError::Plane(error)) => {
                    self.take_failure(error, begun).await.map(|()| None)
                }
            };
            let (paces, job) = (&self.jobs.paces, self.job_key());
            if step.is_ok() {
                paces.remember_pace(job, self.cursor.piece, &self.backoff);
            } else {
                paces.forget_pace(job);
            }
            match step? {
                Some(step) => return Ok(Some(step)),
                None if matches!(self.via, ReadVia::Downloads) => {}
                None => return Ok(None),
            }
        }
    }

    /// The time of the call is over, and nothing new came. If the last look succeeded, the job wrote nothing
    /// (`Quiet`); if it failed, the state of the job is unknown, which is an error.
    async fn end_of_wait(&mut self) -> Result<ReadStep, JobError> {
        let Some((kind, why)) = self.trouble.take() else {
            return Ok(ReadStep::Quiet);
        };
        self.check_session().await?;
        let failure = (kind, why.clone());
        let (health, kasm_id) = (&self.jobs.health, self.place.kasm_id);
        health.note_failure(kasm_id, OutputChannel::Downloads, Instant::now(), failure);
        Err(JobError::Unreachable { why })
    }

    /// One look at the piece with the next byte, whose answer has to begin within `patience`.
    async fn look_for_piece(
        &mut self,
        sink: &mut dyn OutputSink,
        patience: Duration,
    ) -> Result<DownloadPoll, LookError> {
        let path = format!(".kmcp-{}/{}", self.id, self.cursor.piece);
        let (kasm, place) = (&self.jobs.kasm, self.place);
        let Some(mut file) = kasm.download_within(place, &path, patience).await? else {
            return Ok(DownloadPoll::Missing);
        };
        // A piece has a head at least. The wrapper leaves an empty file where the disk has no room for one.
        if file.content_length() == Some(0) {
            return Err(LookError::Job(JobError::DiskFull));
        }
        let mut reader = self.cursor.piece_reader();
        let read = async {
            while let Some(chunk) = file.next_chunk().await? {
                reader.feed_bytes(&chunk, sink)?;
                if reader.is_full() {
                    break;
                }
            }
            Ok::<_, LookError>(())
        };
        let read = read.await;
        // What reached the sink counts even if the transfer broke off, or the next try would deliver it
        // twice.
        self.cursor.note_taken(&reader);
        read?;
        let full = reader.is_full();
        let head = reader.into_head()?;
        self.cursor.check_place(&head)?;
        Ok(if full {
            DownloadPoll::Full
        } else {
            DownloadPoll::Found(head)
        })
    }

    async fn take_piece(
        &mut self,
        head: PieceHead,
        sink: &mut dyn OutputSink,
    ) -> Result<ReadStep, JobError> {
        self.note_answer();
        let now = Instant::now();
        self.backoff.note_piece(now);
        self.cursor.piece = head.offset + head.piece_length();
        match head.state {
            JobState::Ended(ended) => {
                // Only a job that was read whole from its first piece shows how long short jobs take.
                let is_first = self.streak == 0 && self.start_checks == 0;
                if is_first && self.cursor.piece == self.cursor.offset {
                    self.learn_duration(now);
                }
                Ok(ReadStep::Ended(ended))
            }
            JobState::Lost => Ok(ReadStep::Lost),
            JobState::Running => {
                // Output proves that the job has begun.
                self.start_checks = START_CHECKS.len();
                self.streak += 1;
                let watched = self.backoff.is_watched();
                if self.streak < STREAK_MAX || watched || sink.room_left() == 0 {
                    return Ok(ReadStep::Piece);
                }
                // This job is far ahead of us: one script brings all of it at once.
                self.streak = 0;
                let step = self
                    .collect_output(OutputChannel::Downloads, Duration::ZERO, sink)
                    .await?;
                let nothing_new = step == ReadStep::Quiet;
                Ok(if nothing_new { ReadStep::Piece } else { step })
            }
        }
    }

    fn learn_duration(&self, now: Instant) {
        if let Some(since) = self.dispatched {
            let (health, looks) = (&self.jobs.health, self.backoff.look_count());
            health.learn_duration(self.place.kasm_id, now - since, looks);
        }
    }

    /// The web server answered.
    fn note_answer(&mut self) {
        self.trouble = None;
        let health = &self.jobs.health;
        health.note_works(self.place.kasm_id, OutputChannel::Downloads);
    }

    /// There is no such piece: the job is quiet, has not begun, is over, lost or unknown, or the offset lies inside a
    /// piece. None: nothing is known that ends the wait.
    async fn take_miss(&mut self, sink: &mut dyn OutputSink) -> Result<Option<ReadStep>, JobError> {
        self.streak = 0;
        self.trouble = None;
        let now = Instant::now();
        self.backoff.note_miss(now);
        let is_first = !std::mem::replace(&mut self.has_missed, true);
        // KasmVNC answers 404 for a piece that is not there yet and for a job that never was: only a script
        // can tell them apart.
        if self.backoff.wants_proof(now, is_first) {
            return self.prove_job(sink).await;
        }
        if let Some(since) = self.dispatched {
            self.check_start(now - since).await?;
        }
        if matches!(self.via, ReadVia::Downloads)
            && self.backoff.look_count() >= LOOKS_MAX
            && self.can_use_relay()
        {
            self.via = ReadVia::Collecting;
        }
        Ok(None)
    }

    /// Asks a script whether the job is still there, and for all it has. A failure of that script says as much as
    /// a look that failed.
    async fn prove_job(&mut self, sink: &mut dyn OutputSink) -> Result<Option<ReadStep>, JobError> {
        match self
            .collect_output(OutputChannel::Downloads, Duration::ZERO, sink)
            .await
        {
            Ok(ReadStep::Quiet) => {
                self.backoff.note_proof(Instant::now());
                Ok(None)
            }
            Ok(step) => {
                self.backoff.note_piece(Instant::now());
                Ok(Some(step))
            }
            Err(JobError::Unreachable { why }) => {
                let now = Instant::now();
                self.backoff.note_failure(now, now);
                self.trouble = Some((FailureKind::Unreachable, why));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks whether a job of ours that has been silent for `waited` has begun, as far as can be seen.
    async fn check_start(&mut self, waited: Duration) -> Result<(), JobError> {
        let kasm_id = self.place.kasm_id;
        let works = self
            .jobs
            .health
            .seems_to_work(kasm_id, OutputChannel::Downloads);
        let due = START_CHECKS
            .get(self.start_checks)
            .is_some_and(|due| waited >= *due);
        if !due || (works && self.start_checks > 0) {
            return Ok(());
        }
        let begun = Instant::now();
        // The wrapper writes `pid` when the command starts, before any output.
        let path = format!(".kmcp-{}/pid", self.id);
        match self.jobs.kasm.open_download(self.place, &path).await {
            Ok(Some(_)) => {
                self.start_checks = START_CHECKS.len();
                self.note_answer();
                Ok(())
            }
            Ok(None) if self.start_checks + 1 < START_CHECKS.len() => {
                self.start_checks += 1;
                Ok(())
            }
            Ok(None) if works => Err(JobError::NotStarted),
            // No file of this session was ever served. That is how a policy looks that Kasm did not announce.
            Ok(None) => {
                let why = "the command's output did not appear below ~/Downloads".to_owned();
                self.fail_over(OutputChannel::Downloads, FailureKind::Forbidden, why)
                    .await
            }
            Err(error) => self.take_failure(error, begun).await,
        }
    }

    /// The look that began at `begun` failed. A hiccup is waited out; what lasts changes the channel.
    async fn take_failure(&mut self, error: ProxyError, begun: Instant) -> Result<(), JobError> {
        let now = Instant::now();
        let failing_for = now - self.backoff.note_failure(begun, now);
        let has_worked = {
            let health = &self.jobs.health;
            health.has_worked(self.place.kasm_id, OutputChannel::Downloads)
        };
        let kind = match error {
            ProxyError::Unavailable(_) | ProxyError::Broken(_) => FailureKind::Unreachable,
            // A channel that has worked is not forbidden: a 401 or 403 passes, as when a login ends.
            ProxyError::Refused(_) | ProxyError::Unexpected(_) if has_worked => {
                FailureKind::Unreachable
            }
            ProxyError::Refused(_) | ProxyError::Unexpected(_) | ProxyError::NoService(_) => {
                FailureKind::Forbidden
            }
        };
        let can_use_relay = self.can_use_relay();
        let is_over = match (&error, kind) {
            (ProxyError::NoService(_), _) => true,
            // It was answered, so there is nothing to wait for where another way is open.
            (ProxyError::Refused(_) | ProxyError::Unexpected(_), _) if can_use_relay => true,
            (_, FailureKind::Forbidden) => failing_for >= REFUSAL_PATIENCE,
            (_, FailureKind::Unreachable) => {
                failing_for >= FAILURE_PATIENCE && (can_use_relay || self.is_internal)
            }
        };
        if is_over {
            let why = error.to_string();
            return self.fail_over(OutputChannel::Downloads, kind, why).await;
        }
        self.trouble = Some((kind, error.to_string()));
        Ok(())
    }
}

/// A look went wrong: in the transfer, or in what came.
enum LookError {
    Plane(ProxyError),
    Job(JobError),
}

impl From<ProxyError> for LookError {
    fn from(error: ProxyError) -> Self {
        Self::Plane(error)
    }
}

impl From<BadRecord> for LookError {
    fn from(error: BadRecord) -> Self {
        Self::Job(error.into())
    }
}
