//! Hearing pieces that the workspace posts, and having it tell everything at once.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Follow, PATIENCE, Step, Via};
use crate::jobs::channels::Channel;
use crate::jobs::record::{BadRecord, Reader, Sink, State};
use crate::jobs::spec::JobSpec;
use crate::jobs::{COLLECT, HEAD_ROOM, JobError};

/// How long a collecting script may run; it waits up to ten seconds for output.
const COLLECT_TIME_MAX: Duration = Duration::from_secs(60);
/// What is collected at a time.
const COLLECT_BYTES: u64 = 1 << 20;

impl Follow<'_> {
    /// Waits for the next post. None: the channel has changed.
    pub(super) async fn open_mail(
        &mut self,
        sink: &mut dyn Sink,
        deadline: Instant,
    ) -> Result<Option<Step>, JobError> {
        let kasm_id = self.place.kasm_id;
        loop {
            let Via::Mailbox { mailbox, greeted } = &mut self.via else {
                return Ok(None);
            };
            let silent_until = self.since + PATIENCE;
            let until = if *greeted {
                deadline
            } else {
                deadline.min(silent_until)
            };
            let piece = match timeout_at(until, mailbox.next()).await {
                Ok(Some(piece)) => piece,
                Err(_) if *greeted || Instant::now() < silent_until => {
                    return Ok(Some(Step::Quiet));
                }
                Ok(None) | Err(_) => {
                    let why = "the session cannot reach this server's public URL".to_owned();
                    return self.give_up(Channel::Relay, why).await.map(|()| None);
                }
            };
            if !std::mem::replace(greeted, true) {
                self.jobs.channels.note_works(kasm_id, Channel::Relay);
            }
            if piece.bytes.is_empty() {
                continue;
            }
            let mut reader = Reader::after(self.offset - self.piece);
            reader.feed(&piece.bytes, sink)?;
            return self.read_whole(reader).map(Some);
        }
    }

    /// What a piece that has been read says.
    fn read_whole(&mut self, reader: Reader) -> Result<Step, JobError> {
        self.offset = self.offset.max(self.piece + reader.taken());
        let full = reader.is_full();
        let head = reader.finish()?;
        if head.offset != self.piece {
            return Err(BadRecord("the output belongs to another job").into());
        }
        if full {
            // The rest has to be asked for again, from where it is kept.
            self.piece = self.offset;
            return Ok(Step::Full);
        }
        self.piece = head.offset + head.length();
        Ok(match head.state {
            State::Running if head.length() == 0 => Step::Quiet,
            State::Running => Step::Piece,
            State::Ended(ended) => Step::Ended(ended),
            State::Lost => Step::Lost,
        })
    }

    /// Lets a script in the workspace tell everything from the offset on, in one piece.
    pub(super) async fn collect(
        &mut self,
        channel: Channel,
        wait: Duration,
        sink: &mut dyn Sink,
    ) -> Result<Step, JobError> {
        let limit = sink.room().min(COLLECT_BYTES);
        let numbers = [self.offset, limit, wait.as_secs()].map(|number| number.to_string());
        let mut args = vec![self.id.to_string()];
        args.extend(numbers);
        let spec =
            JobSpec::internal(&[COLLECT], args).with_limits(COLLECT_TIME_MAX, limit + HEAD_ROOM);
        let started = self.jobs.start_on(self.place, &spec, Ok(channel)).await?;
        // It is heard by another follower, which does not collect.
        let done = Box::pin(self.jobs.heard_out(self.place, &spec, started)).await?;
        match done.ended.exit_code {
            Some(0) => {}
            Some(60) => return Err(JobError::NoSuchJob),
            Some(61) => return Err(JobError::NoSuchOffset(self.offset)),
            _ => return Err(BadRecord("the output could not be collected").into()),
        }
        self.piece = self.offset;
        let mut reader = Reader::default();
        reader.feed(&done.stdout, sink)?;
        self.read_whole(reader)
    }
}
