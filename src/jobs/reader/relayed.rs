//! Reading pieces that the workspace posts, and having a script tell everything at once.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{COLLECT_WAIT, FAILURE_PATIENCE, OutputReader, ReadStep, ReadVia};
use crate::jobs::channel_health::{FailureKind, OutputChannel};
use crate::jobs::job_output::{BadRecord, JobState, OutputSink, PieceReader};
use crate::jobs::spec::JobSpec;
use crate::jobs::{COLLECT, HEAD_ROOM, JobError};

/// How long a collecting script may run; it waits up to ten seconds for output.
const COLLECT_TIME_MAX: Duration = Duration::from_secs(60);
/// What is collected at a time.
const COLLECT_BYTES: u64 = 1 << 20;

impl OutputReader<'_> {
    /// Waits for the next post. None: the channel has changed.
    pub(super) async fn next_relay_chunk(
        &mut self,
        sink: &mut dyn OutputSink,
        deadline: Instant,
    ) -> Result<Option<ReadStep>, JobError> {
        let kasm_id = self.place.kasm_id;
        // The wrapper posts a greeting within a second, so longer silence means that posts do not arrive.
        let silent_until = self.dispatched.unwrap_or_else(Instant::now) + FAILURE_PATIENCE;
        loop {
            let ReadVia::Mailbox { mailbox, greeted } = &mut self.via else {
                return Ok(None);
            };
            let until = if *greeted {
                deadline
            } else {
                deadline.min(silent_until)
            };
            let piece = match timeout_at(until, mailbox.next_chunk()).await {
                Ok(Some(piece)) => piece,
                Err(_) if *greeted || Instant::now() < silent_until => {
                    return Ok(Some(ReadStep::Quiet));
                }
                Ok(None) | Err(_) => {
                    let why = "the session cannot reach this server's public URL".to_owned();
                    let kind = FailureKind::Forbidden;
                    return self
                        .fail_over(OutputChannel::Relay, kind, why)
                        .await
                        .map(|()| None);
                }
            };
            if !std::mem::replace(greeted, true) {
                self.jobs.health.note_works(kasm_id, OutputChannel::Relay);
            }
            // The greeting has no bytes.
            if piece.bytes.is_empty() {
                continue;
            }
            let mut reader = self.cursor.piece_reader();
            reader.feed_bytes(&piece.bytes, sink)?;
            return self.read_whole(reader).map(Some);
        }
    }

    /// What a piece that has been read says.
    fn read_whole(&mut self, reader: PieceReader) -> Result<ReadStep, JobError> {
        self.cursor.note_taken(&reader);
        let full = reader.is_full();
        let head = reader.into_head()?;
        self.cursor.check_place(&head)?;
        if full {
            // The post is gone. A later call has a script send the rest again, from the files of the job.
            self.cursor.piece = self.cursor.offset;
            return Ok(ReadStep::Full);
        }
        self.cursor.piece = head.offset + head.piece_length();
        Ok(match head.state {
            // A script that found nothing new answers with an empty piece.
            JobState::Running if head.piece_length() == 0 => ReadStep::Quiet,
            JobState::Running => ReadStep::Piece,
            JobState::Ended(ended) => ReadStep::Ended(ended),
            JobState::Lost => ReadStep::Lost,
        })
    }

    /// Lets scripts wait in the workspace until there is something to tell. None: the channel has changed, or it
    /// is worth another script.
    pub(super) async fn collect_until(
        &mut self,
        sink: &mut dyn OutputSink,
        deadline: Instant,
    ) -> Result<Option<ReadStep>, JobError> {
        let now = Instant::now();
        let wait = deadline.saturating_duration_since(now).min(COLLECT_WAIT);
        let is_last = now + wait >= deadline;
        match self.collect_output(OutputChannel::Relay, wait, sink).await {
            // Silence of a script that waited until the deadline is the answer to the call.
            Ok(ReadStep::Quiet) if !is_last => Ok(None),
            Ok(step) => Ok(Some(step)),
            Err(
                error @ (JobError::NoChannel { .. }
                | JobError::Unreachable { .. }
                | JobError::NotStarted),
            ) => {
                let (kind, why) = (FailureKind::Forbidden, error.to_string());
                self.fail_over(OutputChannel::Relay, kind, why)
                    .await
                    .map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets a script in the workspace tell everything from the offset on, in one piece.
    pub(super) async fn collect_output(
        &mut self,
        channel: OutputChannel,
        wait: Duration,
        sink: &mut dyn OutputSink,
    ) -> Result<ReadStep, JobError> {
        let limit = sink.room_left().min(COLLECT_BYTES);
        let offset = self.cursor.offset;
        let numbers = [offset, limit, wait.as_secs()].map(|number| number.to_string());
        let mut args = vec![self.id.to_string()];
        args.extend(numbers);
        let spec = JobSpec::of_internal_script(&[COLLECT], args)
            .with_limits(COLLECT_TIME_MAX, limit + HEAD_ROOM);
        let started = self
            .jobs
            .start_through(self.place, &spec, Ok(channel))
            .await?;
        // Another reader reads it, which does not collect. Boxed, because the future would contain its own type.
        let done = Box::pin(self.jobs.run_to_end(self.place, &spec, started)).await?;
        match done.ended.exit_code {
            Some(0) => {}
            Some(60) => return Err(JobError::NoSuchJob),
            Some(61) => return Err(JobError::NoSuchOffset(offset)),
            _ => return Err(BadRecord("the output could not be collected").into()),
        }
        self.cursor.piece = offset;
        let mut reader = PieceReader::default();
        reader.feed_bytes(&done.stdout, sink)?;
        self.read_whole(reader)
    }
}
