//! Which output channels of each session work, when one that failed is tried again, and how long jobs take.
//!
//! A channel that failed rests for 1, 2, 4 … at most 15 seconds, so a hiccup costs seconds. Any answer of the
//! session's web server ends the rest, whoever got it. Only a channel that was refused from its first use
//! rests longer: that is how a policy looks that Kasm did not announce.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kasm::KasmId;

/// The first rest of a channel that failed. It doubles with each further failure.
const REST_FIRST: Duration = Duration::from_secs(1);
/// The longest rest of a channel that may work again at any time.
const REST_MAX: Duration = Duration::from_secs(15);
/// The longest rest of a channel that a policy or the network seems to forbid.
const REST_MAX_FORBIDDEN: Duration = Duration::from_secs(300);
/// Sessions that are remembered.
const SESSIONS_MAX: usize = 10_000;
/// The first guess of how long the shortest jobs take.
const TYPICAL: Duration = Duration::from_millis(40);
const TYPICAL_MIN: Duration = Duration::from_millis(20);
const TYPICAL_MAX: Duration = Duration::from_millis(400);

/// A way for results to come out of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Files below `~/Downloads`, fetched through Kasm's proxy.
    Downloads,
    /// Posts from the workspace to this server.
    Relay,
}

impl Channel {
    /// Its name in replies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Downloads => "downloads",
            Self::Relay => "relay",
        }
    }
}

/// What a failure says about the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Nothing answered, or not as it should. It may work again at any time.
    Unreachable,
    /// It was answered with a refusal, or the workspace never got through.
    Forbidden,
}

/// Whether a channel should be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Nothing speaks against it.
    Ready,
    /// It failed, and its rest is over: one try decides.
    TryAgain,
    /// It failed a moment ago.
    Resting {
        /// The failure, and how long ago it was.
        why: String,
        /// How long the rest still lasts.
        left: Duration,
    },
}

/// What is known of the channels of all sessions.
#[derive(Debug, Default)]
pub(super) struct ChannelHealth(Mutex<HashMap<KasmId, SessionChannels>>);

#[derive(Debug)]
struct SessionChannels {
    used: Instant,
    downloads: Health,
    relay: Health,
    typical: Duration,
}

impl SessionChannels {
    fn of(&mut self, channel: Channel) -> &mut Health {
        match channel {
            Channel::Downloads => &mut self.downloads,
            Channel::Relay => &mut self.relay,
        }
    }
}

#[derive(Debug, Default)]
struct Health {
    has_worked: bool,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    at: Instant,
    /// Failures whose rest was over when the next one came.
    count: u32,
    kind: FailureKind,
    why: String,
}

impl Health {
    fn note_failure(&mut self, now: Instant, kind: FailureKind, why: String) {
        let count = match &self.failure {
            // Calls that fail side by side are one failure.
            Some(earlier) if now < earlier.at + self.rest(earlier) => earlier.count,
            Some(earlier) => earlier.count.saturating_add(1),
            None => 0,
        };
        self.failure = Some(Failure {
            at: now,
            count,
            kind,
            why,
        });
    }

    fn rest(&self, failure: &Failure) -> Duration {
        let longest = if self.seems_forbidden(failure) {
            REST_MAX_FORBIDDEN
        } else {
            REST_MAX
        };
        let doubled = REST_FIRST.saturating_mul(1 << failure.count.min(16));
        doubled.min(longest)
    }

    fn seems_forbidden(&self, failure: &Failure) -> bool {
        failure.kind == FailureKind::Forbidden && !self.has_worked
    }

    fn readiness(&self, now: Instant, answered: Option<Instant>) -> Readiness {
        let Some(failure) = &self.failure else {
            return Readiness::Ready;
        };
        let answered_since = answered.is_some_and(|answered| answered > failure.at);
        if answered_since && !self.seems_forbidden(failure) {
            return Readiness::Ready;
        }
        let ago = now.saturating_duration_since(failure.at);
        match self.rest(failure).checked_sub(ago) {
            Some(left) if !left.is_zero() => Readiness::Resting {
                why: format!("{} ({} s ago)", failure.why, ago.as_secs()),
                left,
            },
            Some(_) | None => Readiness::TryAgain,
        }
    }
}

impl ChannelHealth {
    fn with<T>(&self, kasm_id: KasmId, change: impl FnOnce(&mut SessionChannels) -> T) -> T {
        let mut all = self.0.lock();
        if all.len() >= SESSIONS_MAX && !all.contains_key(&kasm_id) {
            let oldest = all.iter().min_by_key(|(_, session)| session.used);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.map(|id| all.remove(&id));
        }
        let session = all.entry(kasm_id).or_insert_with(|| SessionChannels {
            used: Instant::now(),
            downloads: Health::default(),
            relay: Health::default(),
            typical: TYPICAL,
        });
        session.used = Instant::now();
        change(session)
    }

    /// Whether a channel should be used at `now`. `answered` is when the session's web server last answered
    /// anything.
    pub(super) fn readiness(
        &self,
        kasm_id: KasmId,
        channel: Channel,
        now: Instant,
        answered: Option<Instant>,
    ) -> Readiness {
        self.with(kasm_id, |session| {
            session.of(channel).readiness(now, answered)
        })
    }

    /// Whether a channel has ever worked in this session.
    pub(super) fn has_worked(&self, kasm_id: KasmId, channel: Channel) -> bool {
        self.with(kasm_id, |session| session.of(channel).has_worked)
    }

    /// Whether a channel has worked and not failed since.
    pub(super) fn works(&self, kasm_id: KasmId, channel: Channel) -> bool {
        self.with(kasm_id, |session| {
            let health = session.of(channel);
            health.has_worked && health.failure.is_none()
        })
    }

    pub(super) fn note_works(&self, kasm_id: KasmId, channel: Channel) {
        self.with(kasm_id, |session| {
            *session.of(channel) = Health {
                has_worked: true,
                failure: None,
            };
        });
    }

    pub(super) fn note_failure(
        &self,
        kasm_id: KasmId,
        channel: Channel,
        now: Instant,
        (kind, why): (FailureKind, String),
    ) {
        tracing::info!(%kasm_id, channel = channel.name(), why, "an output channel does not work");
        self.with(kasm_id, |session| {
            session.of(channel).note_failure(now, kind, why);
        });
    }

    /// How long to wait before a job is looked at for the first time.
    pub(super) fn typical_duration(&self, kasm_id: KasmId) -> Duration {
        self.with(kasm_id, |session| session.typical)
    }

    /// Learns from a job that was found finished at its `looks`th look.
    pub(super) fn learn_duration(&self, kasm_id: KasmId, took: Duration, looks: u32) {
        self.with(kasm_id, |session| {
            let next = match looks {
                // It may have been sooner.
                0 | 1 => session.typical * 9 / 10,
                _ if took > TYPICAL_MAX => session.typical,
                _ => (session.typical + took) / 2,
            };
            session.typical = next.clamp(TYPICAL_MIN, TYPICAL_MAX);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rests after failures in a row, each right after the rest before it, in seconds.
    fn rests(health: &mut Health, kind: FailureKind, failures: usize) -> Vec<u64> {
        let mut now = Instant::now();
        let mut rests = Vec::new();
        for _ in 0..failures {
            health.note_failure(now, kind, "it is away".to_owned());
            let Readiness::Resting { left, .. } = health.readiness(now, None) else {
                panic!("no rest after a failure");
            };
            rests.push(left.as_secs());
            assert_eq!(health.readiness(now + left, None), Readiness::TryAgain);
            now += left;
        }
        rests
    }

    #[test]
    fn a_channel_that_failed_rests_a_quarter_of_a_minute_at_most() {
        let unreachable = FailureKind::Unreachable;
        let expected = [1, 2, 4, 8, 15, 15];
        assert_eq!(rests(&mut Health::default(), unreachable, 6), expected);
        let mut worked = Health {
            has_worked: true,
            failure: None,
        };
        assert_eq!(rests(&mut worked, FailureKind::Forbidden, 6), expected);
    }

    #[test]
    fn a_channel_that_was_always_refused_rests_for_minutes() {
        let rests = rests(&mut Health::default(), FailureKind::Forbidden, 11);
        assert_eq!(rests[3..], [8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn failures_side_by_side_are_one() {
        let (mut health, now) = (Health::default(), Instant::now());
        for _ in 0..5 {
            health.note_failure(now, FailureKind::Unreachable, String::new());
        }
        assert_eq!(health.failure.map(|failure| failure.count), Some(0));
    }

    #[test]
    fn an_answer_of_the_web_server_ends_the_rest() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.note_failure(now, FailureKind::Unreachable, "it is away".to_owned());
        let second = Duration::from_millis(900);
        let why = |health: &Health| match health.readiness(now + second, Some(now)) {
            Readiness::Resting { why, .. } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(&health), "it is away (0 s ago)");
        let later = Some(now + second / 2);
        assert_eq!(health.readiness(now + second, later), Readiness::Ready);
        // That a look at the desktop works says nothing about downloads that were never allowed.
        health.note_failure(now, FailureKind::Forbidden, "refused".to_owned());
        assert_ne!(health.readiness(now + second, later), Readiness::Ready);
    }
}
