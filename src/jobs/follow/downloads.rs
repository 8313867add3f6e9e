//! Looking for pieces below `~/Downloads`.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Follow, PATIENCE, Step, Via};
use crate::jobs::JobError;
use crate::jobs::channels::Channel;
use crate::jobs::record::{BadRecord, Head, Reader, Sink, State};
use crate::kasm::plane::PlaneError;

/// Longest pause between looks, before the wait is so long that a twentieth of it is longer.
const PAUSE_MAX: Duration = Duration::from_secs(2);
const WAIT_PER_PAUSE: u32 = 20;
/// The same while somebody watches the output grow.
const PAUSE_MAX_WATCHED: Duration = Duration::from_millis(700);
/// After a piece the next one is some time away: the wrapper makes a few a second at most.
const PAUSE_AFTER_PIECE: Duration = Duration::from_millis(400);
/// Pieces in a row without a miss, after which the rest is collected in one.
const STREAK_MAX: u32 = 3;
/// When to look whether the job has begun at all, while its channel is not known to work.
const SIGNS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];
/// Looks after which a job is heard by the relay, if there is one: it costs the container less.
const LOOKS_MAX: u32 = 40;

/// What one look at `~/Downloads` brought.
enum Look {
    Found(Head),
    Full,
    Missing,
}

impl Follow<'_> {
    /// Looks at `~/Downloads` again and again. None: the channel has changed.
    pub(super) async fn look_on(
        &mut self,
        sink: &mut dyn Sink,
        deadline: Instant,
    ) -> Result<Option<Step>, JobError> {
        loop {
            let now = Instant::now();
            if self.looks > 0 && now >= deadline {
                // Silence of a workspace that answers is news of a job; any other is none.
                return match self.unknown.take() {
                    None => Ok(Some(Step::Quiet)),
                    Some(why) => Err(JobError::Away { why }),
                };
            }
            let next = (now + self.pause).min(deadline);
            sleep_until(next).await;
            self.looks += 1;
            match self.look(sink).await {
                Ok(Look::Found(head)) => return self.found(head, sink).await.map(Some),
                Ok(Look::Full) => return Ok(Some(Step::Full)),
                Ok(Look::Missing) => {
                    self.streak = 0;
                    self.failing_since = None;
                    self.unknown = None;
                    if !self.fresh {
                        // It may be over, lost, unknown, or the offset inside a piece.
                        self.fresh = true;
                        self.pause = PAUSE_AFTER_PIECE;
                        let step = self
                            .collect(Channel::Downloads, Duration::ZERO, sink)
                            .await?;
                        if step == Step::Quiet {
                            continue;
                        }
                        return Ok(Some(step));
                    }
                    self.back_off();
                    if !self.shows_signs().await? || self.prefers_relay() {
                        return Ok(None);
                    }
                }
                Err(LookError::Job(error)) => return Err(error),
                Err(LookError::Plane(error)) => {
                    if self.fails(error).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn back_off(&mut self) {
        self.pause = longer(self.pause, self.watched, self.since.elapsed());
    }

    /// One look at the piece with the next byte.
    async fn look(&mut self, sink: &mut dyn Sink) -> Result<Look, LookError> {
        let path = format!(".kmcp-{}/{}", self.id, self.piece);
        let Some(mut file) = self.jobs.kasm.download(self.place, &path).await? else {
            return Ok(Look::Missing);
        };
        if file.length() == Some(0) {
            return Err(LookError::Job(JobError::DiskFull));
        }
        let mut reader = Reader::after(self.offset - self.piece);
        let read = async {
            while let Some(chunk) = file.chunk().await? {
                reader.feed(&chunk, sink)?;
                if reader.is_full() {
                    break;
                }
            }
            Ok::<_, LookError>(())
        };
        let read = read.await;
        // What was taken is not taken again, whatever came of the rest.
        self.offset = self.offset.max(self.piece + reader.taken());
        read?;
        let full = reader.is_full();
        let head = reader.finish()?;
        if head.offset != self.piece {
            return Err(BadRecord("the file belongs to another job").into());
        }
        Ok(if full { Look::Full } else { Look::Found(head) })
    }

    async fn found(&mut self, head: Head, sink: &mut dyn Sink) -> Result<Step, JobError> {
        let kasm_id = self.place.kasm_id;
        self.jobs.channels.note_works(kasm_id, Channel::Downloads);
        self.failing_since = None;
        self.unknown = None;
        self.piece = head.offset + head.length();
        match head.state {
            State::Ended(ended) => {
                if self.streak == 0 && self.piece == self.offset && self.signs == 0 {
                    self.jobs
                        .channels
                        .learn(kasm_id, self.since.elapsed(), self.looks);
                }
                Ok(Step::Ended(ended))
            }
            State::Lost => Ok(Step::Lost),
            State::Running => {
                self.signs = SIGNS.len();
                self.streak += 1;
                self.pause = PAUSE_AFTER_PIECE;
                if self.streak >= STREAK_MAX && !self.watched && sink.room() > 0 {
                    self.streak = 0;
                    let step = self
                        .collect(Channel::Downloads, Duration::ZERO, sink)
                        .await?;
                    let nothing_new = step == Step::Quiet;
                    return Ok(if nothing_new { Step::Piece } else { step });
                }
                Ok(Step::Piece)
            }
        }
    }

    /// Whether the job has begun, as far as can be seen. False: the channel has changed.
    async fn shows_signs(&mut self) -> Result<bool, JobError> {
        let works = self
            .jobs
            .channels
            .works(self.place.kasm_id, Channel::Downloads);
        let due = SIGNS
            .get(self.signs)
            .is_some_and(|due| self.since.elapsed() >= *due);
        if !due || (works && self.signs > 0) {
            return Ok(true);
        }
        let path = format!(".kmcp-{}/pid", self.id);
        match self.jobs.kasm.download(self.place, &path).await {
            Ok(Some(_)) => {
                self.signs = SIGNS.len();
                self.jobs
                    .channels
                    .note_works(self.place.kasm_id, Channel::Downloads);
                Ok(true)
            }
            Ok(None) if self.signs + 1 < SIGNS.len() => {
                self.signs += 1;
                Ok(true)
            }
            Ok(None) if works => Err(JobError::Unheard {
                why: "Kasm accepted the command, but it did not start in the session".to_owned(),
            }),
            Ok(None) => {
                let why = "the command's output did not appear below ~/Downloads".to_owned();
                self.give_up(Channel::Downloads, why).await.map(|()| false)
            }
            Err(error) => self.fails(error).await.map(|changed| !changed),
        }
    }

    /// A look failed. True: the channel has changed.
    async fn fails(&mut self, error: PlaneError) -> Result<bool, JobError> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let passing = matches!(error, PlaneError::Unavailable(_) | PlaneError::Broken(_));
        if passing && since.elapsed() < PATIENCE {
            if !self.fresh {
                self.unknown = Some(error.to_string());
            }
            self.pause = self.pause.max(Duration::from_millis(100));
            self.back_off();
            return Ok(false);
        }
        self.give_up(Channel::Downloads, error.to_string())
            .await
            .map(|()| true)
    }

    /// Whether to change over to the relay because the job takes many looks.
    fn prefers_relay(&mut self) -> bool {
        let kasm_id = self.place.kasm_id;
        let usable = self.jobs.relay.is_some()
            && self.jobs.channels.broken(kasm_id, Channel::Relay).is_none();
        let change = usable && self.looks >= LOOKS_MAX;
        if change {
            self.via = Via::Collecting;
        }
        change
    }
}

/// The pause after a look that found nothing, `waited` after the first.
fn longer(pause: Duration, watched: bool, waited: Duration) -> Duration {
    let longest = if watched {
        PAUSE_MAX_WATCHED
    } else {
        PAUSE_MAX.max(waited / WAIT_PER_PAUSE)
    };
    (pause * 3 / 2).clamp(Duration::from_millis(10), longest)
}

/// A look went wrong: in the transfer, or in what came.
enum LookError {
    Plane(PlaneError),
    Job(JobError),
}

impl From<PlaneError> for LookError {
    fn from(error: PlaneError) -> Self {
        Self::Plane(error)
    }
}

impl From<BadRecord> for LookError {
    fn from(error: BadRecord) -> Self {
        Self::Job(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::longer;

    /// How many looks a silent job gets in so many seconds, and the longest pause between two.
    fn looks(seconds: u64, watched: bool) -> (u32, Duration) {
        let (mut waited, mut pause) = (Duration::ZERO, Duration::from_millis(40));
        let (mut looks, mut longest) = (0, pause);
        while waited < Duration::from_secs(seconds) {
            waited += pause;
            looks += 1;
            longest = longest.max(pause);
            pause = longer(pause, watched, waited);
        }
        (looks, longest)
    }

    #[test]
    fn a_silent_job_costs_few_looks_however_long_it_takes() {
        for (seconds, looks_max, longest_ms) in [
            (1, 8, 500),
            (30, 25, 2_000),
            (300, 72, 15_000),
            (3_600, 125, 180_000),
        ] {
            let (count, longest) = looks(seconds, false);
            assert!(count <= looks_max, "{seconds} s: {count}");
            assert!(longest <= Duration::from_millis(longest_ms), "{longest:?}");
        }
    }

    #[test]
    fn whoever_watches_sees_a_line_within_a_second() {
        let (_, longest) = looks(300, true);
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }
}
