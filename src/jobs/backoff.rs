//! When to look at a job again.
//!
//! Every look at `~/Downloads` costs memory in the user's container, so looks become rarer the longer a job
//! says nothing. The pace belongs to the job and not to the call: a reader that comes back goes on at the pace
//! that the last one had reached. Time comes in as an argument, so all of this is arithmetic.

use std::time::Duration;

use tokio::time::Instant;

use super::id::JobId;
use crate::bounded_map::{BoundedMap, Evict};
use crate::kasm::KasmId;

/// The longest pause of a job that has just been quiet for a little while.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The same while the output is streamed to a user.
const PAUSE_MAX_WATCHED: Duration = Duration::from_millis(700);
/// A pause is at most this part of the time that the job has been quiet.
const QUIET_PER_PAUSE: u32 = 6;
const QUIET_PER_PAUSE_WATCHED: u32 = 10;
/// The longest pause of all: four looks a minute.
const PAUSE_MAX_QUIET: Duration = Duration::from_secs(15);
/// From here on a job is quiet: calls that end soon after a look make no further one.
const QUIET_AFTER: Duration = Duration::from_secs(60);
/// After a piece the next one is some time away: the wrapper makes a few a second at most.
const PAUSE_AFTER_PIECE: Duration = Duration::from_millis(400);
/// The first pause after a look that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long a web server that fails is asked as often as one that works.
const FAILURE_PATIENCE: Duration = Duration::from_secs(10);
/// How long it is taken for granted that a job is still there: at least, and at most.
const PROOF_AGE_MIN: Duration = Duration::from_secs(2);
const PROOF_AGE_MAX: Duration = Duration::from_secs(60);
/// Jobs whose pace is remembered.
const JOBS_MAX: usize = 10_000;

/// When one job is polled next.
#[derive(Clone, Debug)]
pub(super) struct PollBackoff {
    pause: Duration,
    /// When the job last said something, or was dispatched.
    news_at: Instant,
    last_look: Instant,
    looks: u32,
    /// When the job was last known to be there, and how long that is taken for granted.
    proof_at: Option<Instant>,
    proof_age_max: Duration,
    failing_since: Option<Instant>,
    watched: bool,
}

impl PollBackoff {
    /// The pace of a job that was dispatched at `since`; the shortest take `typical`.
    pub(super) fn of_new_job(since: Instant, typical: Duration) -> Self {
        Self {
            pause: typical,
            news_at: since,
            last_look: since,
            looks: 0,
            proof_at: Some(since),
            proof_age_max: PROOF_AGE_MAX,
            failing_since: None,
            watched: false,
        }
    }

    /// The pace of a job of which nothing is known: the first look is due, and so is a proof that it is there.
    pub(super) fn of_unknown_job(now: Instant) -> Self {
        Self {
            proof_at: None,
            ..Self::of_new_job(now, Duration::ZERO)
        }
    }

    /// The caller streams the output to its user: look more often.
    pub(super) fn watch_output(&mut self) {
        self.watched = true;
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// When to look next in a call that ends at `deadline`. None: not again in this call.
    pub(super) fn next_look(
        &self,
        now: Instant,
        deadline: Instant,
        has_looked: bool,
    ) -> Option<Instant> {
        if now >= deadline {
            // A call without time to wait still gets one look, and so all that is there.
            return (!has_looked).then_some(now);
        }
        let due = self.last_look + self.pause;
        if due <= deadline {
            return Some(due.max(now));
        }
        // A look at the deadline itself brings the output of the last pause. A quiet job is spared it if it
        // was looked at a moment ago: KasmVNC leaks 47 kB for each answer over TLS.
        let is_quiet = self.quiet_for(now) >= QUIET_AFTER;
        let is_recent = deadline < self.last_look + PAUSE_MAX_QUIET;
        (!(is_quiet && is_recent)).then_some(deadline)
    }

    /// A look found nothing new.
    pub(super) fn note_miss(&mut self, now: Instant) {
        self.count_look(now);
        self.failing_since = None;
        let quiet = self.quiet_for(now);
        // The pause grows in proportion to the silence, so the number of looks grows with its logarithm.
        let longest = if self.watched {
            PAUSE_MAX_WATCHED.max(quiet / QUIET_PER_PAUSE_WATCHED)
        } else {
            PAUSE_MAX.max(quiet / QUIET_PER_PAUSE)
        };
        self.lengthen_pause(longest.min(PAUSE_MAX_QUIET));
    }

    /// A look found a piece.
    pub(super) fn note_piece(&mut self, now: Instant) {
        self.count_look(now);
        self.failing_since = None;
        self.news_at = now;
        self.pause = PAUSE_AFTER_PIECE;
        // The piece of a job that this server does not know may be old.
        if self.proof_at.is_some() {
            self.note_proof(now);
        }
    }

    /// The look that began at `begun` failed. Returns since when they fail: a server that is silent has failed since it
    /// was asked.
    pub(super) fn note_failure(&mut self, begun: Instant, now: Instant) -> Instant {
        self.count_look(now);
        let since = *self.failing_since.get_or_insert(begun);
        let longest = if now < since + FAILURE_PATIENCE {
            PAUSE_MAX
        } else {
            PAUSE_MAX_QUIET
        };
        // The first pauses of a job are those of short jobs (20 ms), too fast for a server that is
        // restarting.
        self.pause = self.pause.max(PAUSE_AFTER_FAILURE);
        self.lengthen_pause(longest);
        since
    }

    fn count_look(&mut self, now: Instant) {
        self.looks = self.looks.saturating_add(1);
        self.last_look = now;
    }

    fn lengthen_pause(&mut self, longest: Duration) {
        // The floor is for a job of which nothing is known: its first pause is zero and would stay zero.
        self.pause = (self.pause * 3 / 2).clamp(Duration::from_millis(10), longest);
    }

    /// The job is there, for certain.
    pub(super) fn note_proof(&mut self, now: Instant) {
        // A job that was quiet for a minute is likely to be quiet for another one: the proof holds as long as
        // the silence before it.
        self.proof_age_max = self.quiet_for(now).clamp(PROOF_AGE_MIN, PROOF_AGE_MAX);
        self.proof_at = Some(now);
    }

    /// Whether it should be proved that the job is still there. A call asks sooner at its first miss.
    pub(super) fn wants_proof(&self, now: Instant, is_first_miss: bool) -> bool {
        let age_max = if is_first_miss {
            self.proof_age_max
        } else {
            PROOF_AGE_MAX
        };
        self.proof_at.is_none_or(|proof| now >= proof + age_max)
    }

    /// Looks so far.
    pub(super) fn look_count(&self) -> u32 {
        self.looks
    }

    fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.news_at)
    }
}

/// A job in the session that it is looked for in. The session counts: what is known of a job in one says nothing of
/// the same id in another.
pub(super) type JobKey = (KasmId, JobId);

/// The pace of each job that was polled lately.
#[derive(Debug)]
pub(super) struct JobPaces(BoundedMap<JobKey, JobPace>);

/// The pace of a job, and the offset of the piece that is looked for.
#[derive(Debug)]
struct JobPace {
    piece: u64,
    backoff: PollBackoff,
}

impl Evict for JobPace {
    /// It is worth a place until another job needs it.
    fn is_idle(&self) -> bool {
        false
    }
}

impl Default for JobPaces {
    fn default() -> Self {
        Self(BoundedMap::new(JOBS_MAX))
    }
}

impl JobPaces {
    /// The pace that the last reader had reached, if it looked for the same piece.
    pub(super) fn recall_pace(&self, job: JobKey, piece: u64) -> Option<PollBackoff> {
        let pace = self.0.get(&job).filter(|pace| pace.piece == piece)?;
        Some(PollBackoff {
            // The next reader may not stream. It says so itself.
            watched: false,
            ..pace.backoff.clone()
        })
    }

    pub(super) fn remember_pace(&self, job: JobKey, piece: u64, backoff: &PollBackoff) {
        let backoff = backoff.clone();
        self.0.insert(job, JobPace { piece, backoff });
    }

    pub(super) fn forget_pace(&self, job: JobKey) {
        self.0.remove(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The looks at a silent job by a reader that always waits, in calls of `wait` each: for each look, how long after
    /// the start it was. A proof counts for two.
    fn looks(total: Duration, wait: Duration, watched: bool) -> Vec<Duration> {
        let start = Instant::now();
        let mut backoff = PollBackoff::of_new_job(start, Duration::from_millis(40));
        let mut looks = Vec::new();
        let mut now = start;
        while now < start + total {
            let deadline = now + wait;
            backoff.watched = watched;
            let mut has_looked = false;
            while let Some(next) = backoff.next_look(now, deadline, has_looked) {
                now = next;
                looks.push(now - start);
                backoff.note_miss(now);
                if backoff.wants_proof(now, !has_looked) {
                    looks.extend([now - start; 2]);
                    backoff.note_proof(now);
                }
                has_looked = true;
            }
            now = deadline;
        }
        looks
    }

    #[test]
    fn backoff_of_waiting_reader_polls_six_times_a_minute() {
        for wait in [3, 5, 10, 30, 55, 600].map(seconds) {
            for watched in [false, true] {
                let looks = looks(seconds(3_600), wait, watched);
                for minute in 3..60 {
                    let within = seconds(minute * 60)..seconds(minute * 60 + 60);
                    let count = looks.iter().filter(|at| within.contains(*at)).count();
                    assert!(count <= 6, "{wait:?}, minute {minute}: {count}");
                }
            }
        }
    }

    #[test]
    fn backoff_of_silent_job_polls_seldom() {
        for (time, most) in [(1, 8), (30, 25), (60, 40)] {
            let count = looks(seconds(time), seconds(time), false).len();
            assert!(count <= most, "{time} s: {count}");
        }
    }

    #[test]
    fn backoff_of_watched_job_polls_within_a_second() {
        let start = Instant::now();
        let mut backoff = PollBackoff::of_new_job(start, Duration::from_millis(40));
        backoff.watch_output();
        let mut now = start;
        for _ in 0..10 {
            now = backoff.next_look(now, now + seconds(60), true).unwrap();
            backoff.note_miss(now);
            assert!(backoff.pause <= PAUSE_MAX_WATCHED, "{:?}", backoff.pause);
        }
    }

    #[test]
    fn backoff_of_call_without_wait_polls_at_once() {
        let now = Instant::now();
        let mut backoff = PollBackoff::of_new_job(now, Duration::ZERO);
        backoff.note_miss(now + seconds(600));
        let later = now + seconds(601);
        assert_eq!(backoff.next_look(later, later, false), Some(later));
        assert_eq!(backoff.next_look(later, later, true), None);
    }

    #[test]
    fn backoff_after_output_polls_often_again() {
        let now = Instant::now();
        let mut backoff = PollBackoff::of_new_job(now, Duration::ZERO);
        let later = now + seconds(600);
        (0..20).for_each(|_| backoff.note_miss(later));
        assert_eq!(backoff.pause, PAUSE_MAX_QUIET);
        backoff.note_piece(later);
        let next = backoff.next_look(later, later + seconds(30), true);
        assert_eq!(next, Some(later + PAUSE_AFTER_PIECE));
    }

    #[test]
    fn backoff_checks_the_job_at_intervals() {
        let now = Instant::now();
        let mut backoff = PollBackoff::of_unknown_job(now);
        assert!(backoff.wants_proof(now, true));
        backoff.note_proof(now);
        assert!(!backoff.wants_proof(now + seconds(1), true));
        assert!(backoff.wants_proof(now + seconds(2), true));
        assert!(!backoff.wants_proof(now + seconds(59), false));
        assert!(backoff.wants_proof(now + seconds(60), false));
    }
}
