//! Which output channels of each session work, when one that failed is tried again, and how long jobs take.
//!
//! A channel that failed rests for 1, 2, 4 … at most 15 seconds, so a hiccup costs seconds. Any answer of the
//! session's web server ends the rest, whatever the request was. Only a channel that was refused from its first use
//! rests longer: that is how a policy looks that Kasm did not announce.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bounded_map::{BoundedMap, Evict};
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
pub enum OutputChannel {
    /// Files below `~/Downloads`, fetched through Kasm's proxy.
    Downloads,
    /// Posts from the workspace to this server.
    Relay,
}

impl OutputChannel {
    /// Its name in replies.
    #[must_use]
    pub fn channel_name(self) -> &'static str {
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
pub(super) enum ChannelReadiness {
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
#[derive(Debug)]
pub(super) struct ChannelHealth(BoundedMap<KasmId, Mutex<SessionChannels>>);

impl Default for ChannelHealth {
    fn default() -> Self {
        Self(BoundedMap::new(SESSIONS_MAX))
    }
}

#[derive(Debug)]
struct SessionChannels {
    downloads: HealthOfChannel,
    relay: HealthOfChannel,
    typical: Duration,
}

impl Default for SessionChannels {
    fn default() -> Self {
        Self {
            downloads: HealthOfChannel::default(),
            relay: HealthOfChannel::default(),
            typical: TYPICAL,
        }
    }
}

impl Evict for SessionChannels {
    /// What was learned of a session is good until another one needs the place.
    fn is_idle(&self) -> bool {
        false
    }
}

impl SessionChannels {
    fn health_of(&mut self, channel: OutputChannel) -> &mut HealthOfChannel {
        match channel {
            OutputChannel::Downloads => &mut self.downloads,
            OutputChannel::Relay => &mut self.relay,
        }
    }
}

#[derive(Debug, Default)]
struct HealthOfChannel {
    has_worked: bool,
    failure: Option<ChannelFailure>,
}

#[derive(Debug)]
struct ChannelFailure {
    at: Instant,
    /// Failures whose rest was over when the next one came.
    count: u32,
    kind: FailureKind,
    why: String,
}

impl HealthOfChannel {
    fn note_failure(&mut self, now: Instant, kind: FailureKind, why: String) {
        let count = match &self.failure {
            // Calls that fail side by side are one failure.
            Some(earlier) if now < earlier.at + self.rest_after(earlier) => earlier.count,
            Some(earlier) => earlier.count.saturating_add(1),
            None => 0,
        };
        self.failure = Some(ChannelFailure {
            at: now,
            count,
            kind,
            why,
        });
    }

    fn rest_after(&self, failure: &ChannelFailure) -> Duration {
        let longest = if self.seems_forbidden(failure) {
            REST_MAX_FORBIDDEN
        } else {
            REST_MAX
        };
        // The cap keeps the shift below the width of the number; 2^16 seconds exceed both limits.
        let doubled = REST_FIRST.saturating_mul(1 << failure.count.min(16));
        doubled.min(longest)
    }

    fn seems_forbidden(&self, failure: &ChannelFailure) -> bool {
        failure.kind == FailureKind::Forbidden && !self.has_worked
    }

    fn readiness_now(&self, now: Instant, answered: Option<Instant>) -> ChannelReadiness {
        let Some(failure) = &self.failure else {
            return ChannelReadiness::Ready;
        };
        let answered_since = answered.is_some_and(|answered| answered > failure.at);
        // The answer may be one to a look at the desktop: it shows that the web server is up, but not that
        // downloads are allowed.
        if answered_since && !self.seems_forbidden(failure) {
            return ChannelReadiness::Ready;
        }
        let ago = now.saturating_duration_since(failure.at);
        match self.rest_after(failure).checked_sub(ago) {
            Some(left) if !left.is_zero() => ChannelReadiness::Resting {
                why: format!("{} ({} s ago)", failure.why, ago.as_secs()),
                left,
            },
            Some(_) | None => ChannelReadiness::TryAgain,
        }
    }
}

impl ChannelHealth {
    fn with_session<T>(
        &self,
        kasm_id: KasmId,
        change: impl FnOnce(&mut SessionChannels) -> T,
    ) -> T {
        let session = self.0.get_or_insert(kasm_id, Mutex::default);
        // In a full map the session that was not used for the longest time makes room.
        let session = session.unwrap_or_else(|| self.0.insert(kasm_id, Mutex::default()));
        change(&mut session.lock())
    }

    /// Whether a channel should be used at `now`. `answered` is when the session's web server last answered
    /// anything.
    pub(super) fn channel_readiness(
        &self,
        kasm_id: KasmId,
        channel: OutputChannel,
        now: Instant,
        answered: Option<Instant>,
    ) -> ChannelReadiness {
        self.with_session(kasm_id, |session| {
            session.health_of(channel).readiness_now(now, answered)
        })
    }

    /// Whether a channel has ever worked in this session.
    pub(super) fn has_worked(&self, kasm_id: KasmId, channel: OutputChannel) -> bool {
        self.with_session(kasm_id, |session| session.health_of(channel).has_worked)
    }

    /// Whether a channel has worked and not failed since.
    pub(super) fn seems_to_work(&self, kasm_id: KasmId, channel: OutputChannel) -> bool {
        self.with_session(kasm_id, |session| {
            let health = session.health_of(channel);
            health.has_worked && health.failure.is_none()
        })
    }

    pub(super) fn note_works(&self, kasm_id: KasmId, channel: OutputChannel) {
        self.with_session(kasm_id, |session| {
            // Success also forgets the count, so the next failure costs one second again.
            *session.health_of(channel) = HealthOfChannel {
                has_worked: true,
                failure: None,
            };
        });
    }

    pub(super) fn note_failure(
        &self,
        kasm_id: KasmId,
        channel: OutputChannel,
        now: Instant,
        (kind, why): (FailureKind, String),
    ) {
        tracing::info!(%kasm_id, channel = channel.channel_name(), why, "an output channel does not work");
        self.with_session(kasm_id, |session| {
            session.health_of(channel).note_failure(now, kind, why);
        });
    }

    /// How long to wait before a new job is polled for the first time.
    pub(super) fn typical_duration(&self, kasm_id: KasmId) -> Duration {
        self.with_session(kasm_id, |session| session.typical)
    }

    /// Learns from a job that was found finished at its `looks`th look.
    pub(super) fn learn_duration(&self, kasm_id: KasmId, took: Duration, looks: u32) {
        self.with_session(kasm_id, |session| {
            let next = match looks {
                // It may have been sooner.
                0 | 1 => session.typical * 9 / 10,
                // A long job says nothing about how long the short ones take.
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
    fn rests(health: &mut HealthOfChannel, kind: FailureKind, failures: usize) -> Vec<u64> {
        let mut now = Instant::now();
        let mut rests = Vec::new();
        for _ in 0..failures {
            health.note_failure(now, kind, "it is away".to_owned());
            let ChannelReadiness::Resting { left, .. } = health.readiness_now(now, None) else {
                panic!("no rest after a failure");
            };
            rests.push(left.as_secs());
            assert_eq!(
                health.readiness_now(now + left, None),
                ChannelReadiness::TryAgain
            );
            now += left;
        }
        rests
    }

    #[test]
    fn failed_channel_rests_15_seconds_at_most() {
        let unreachable = FailureKind::Unreachable;
        let expected = [1, 2, 4, 8, 15, 15];
        assert_eq!(
            rests(&mut HealthOfChannel::default(), unreachable, 6),
            expected
        );
        let mut worked = HealthOfChannel {
            has_worked: true,
            failure: None,
        };
        assert_eq!(rests(&mut worked, FailureKind::Forbidden, 6), expected);
    }

    #[test]
    fn refused_channel_rests_for_minutes() {
        let rests = rests(&mut HealthOfChannel::default(), FailureKind::Forbidden, 11);
        assert_eq!(rests[3..], [8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn failures_side_by_side_are_one() {
        let (mut health, now) = (HealthOfChannel::default(), Instant::now());
        for _ in 0..5 {
            health.note_failure(now, FailureKind::Unreachable, String::new());
        }
        assert_eq!(health.failure.map(|failure| failure.count), Some(0));
    }

    #[test]
    fn web_server_answer_ends_the_channels_rest() {
        let (mut health, now) = (HealthOfChannel::default(), Instant::now());
        health.note_failure(now, FailureKind::Unreachable, "it is away".to_owned());
        let second = Duration::from_millis(900);
        let why = |health: &HealthOfChannel| match health.readiness_now(now + second, Some(now)) {
            ChannelReadiness::Resting { why, .. } => why,
            ChannelReadiness::Ready | ChannelReadiness::TryAgain => String::new(),
        };
        assert_eq!(why(&health), "it is away (0 s ago)");
        let later = Some(now + second / 2);
        assert_eq!(
            health.readiness_now(now + second, later),
            ChannelReadiness::Ready
        );
        // That a look at the desktop works says nothing about downloads that were never allowed.
        health.note_failure(now, FailureKind::Forbidden, "refused".to_owned());
        assert_ne!(
            health.readiness_now(now + second, later),
            ChannelReadiness::Ready
        );
    }
}
