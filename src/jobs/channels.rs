//! How results come out of each session: what has worked, what has not, and how long jobs take there.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::id::JobId;
use crate::bounded_map::{BoundedMap, Evict};
use crate::kasm::KasmId;

/// How long a channel that failed is left alone.
const REST: Duration = Duration::from_secs(300);
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

/// What is known of all sessions.
#[derive(Debug)]
pub(super) struct Channels(BoundedMap<KasmId, Mutex<Known>>);

#[derive(Debug)]
struct Known {
    downloads: Health,
    relay: Health,
    typical: Duration,
    /// Folders that nobody will ask for again, and since when.
    done: Vec<(JobId, Instant)>,
    sweeping: bool,
}

#[derive(Debug, Default)]
enum Health {
    #[default]
    Unknown,
    Works,
    Broken {
        since: Instant,
        why: String,
    },
}

impl Evict for Known {
    /// What was learned of a session is good until another one needs the place.
    fn is_idle(&self) -> bool {
        false
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            downloads: Health::default(),
            relay: Health::default(),
            typical: TYPICAL,
            done: Vec::new(),
            sweeping: false,
        }
    }
}

impl Default for Channels {
    fn default() -> Self {
        Self(BoundedMap::new(SESSIONS_MAX))
    }
}

impl Known {
    fn of(&mut self, channel: Channel) -> &mut Health {
        match channel {
            Channel::Downloads => &mut self.downloads,
            Channel::Relay => &mut self.relay,
        }
    }
}

impl Channels {
    fn with<T>(&self, kasm_id: KasmId, change: impl FnOnce(&mut Known) -> T) -> T {
        let known = self.0.get_or_insert(kasm_id, Mutex::default);
        // In a full map the session that was not used for the longest time makes room.
        let known = known.unwrap_or_else(|| self.0.insert(kasm_id, Mutex::default()));
        change(&mut known.lock())
    }

    /// Why a channel is not used at present, if so.
    pub(super) fn broken(&self, kasm_id: KasmId, channel: Channel) -> Option<String> {
        self.with(kasm_id, |known| match known.of(channel) {
            Health::Broken { since, why } if since.elapsed() < REST => Some(why.clone()),
            Health::Broken { .. } | Health::Unknown | Health::Works => None,
        })
    }

    /// Whether a channel has worked and not failed since.
    pub(super) fn works(&self, kasm_id: KasmId, channel: Channel) -> bool {
        self.with(kasm_id, |known| matches!(known.of(channel), Health::Works))
    }

    pub(super) fn note_works(&self, kasm_id: KasmId, channel: Channel) {
        self.with(kasm_id, |known| *known.of(channel) = Health::Works);
    }

    pub(super) fn note_broken(&self, kasm_id: KasmId, channel: Channel, why: String) {
        tracing::info!(%kasm_id, channel = channel.name(), why, "an output channel does not work");
        let since = Instant::now();
        self.with(kasm_id, |known| {
            *known.of(channel) = Health::Broken { since, why }
        });
    }

    /// How long to wait before a job is looked at for the first time.
    pub(super) fn typical(&self, kasm_id: KasmId) -> Duration {
        self.with(kasm_id, |known| known.typical)
    }

    /// Learns from a job that was found finished at its `nth` look.
    pub(super) fn learn(&self, kasm_id: KasmId, took: Duration, looks: u32) {
        self.with(kasm_id, |known| {
            let next = match looks {
                // It may have been sooner.
                0 | 1 => known.typical * 9 / 10,
                _ if took > TYPICAL_MAX => known.typical,
                _ => (known.typical + took) / 2,
            };
            known.typical = next.clamp(TYPICAL_MIN, TYPICAL_MAX);
        });
    }

    /// Notes that nobody will ask for these folders after `delay`. True: somebody has to see to it that
    /// they are removed.
    pub(super) fn done(&self, kasm_id: KasmId, id: JobId, delay: Duration) -> bool {
        self.with(kasm_id, |known| {
            known.done.push((id, Instant::now() + delay));
            !std::mem::replace(&mut known.sweeping, true)
        })
    }

    /// Takes up to `max` folders that may go now and belong to the given user.
    pub(super) fn take_done(&self, kasm_id: KasmId, as_root: bool, max: usize) -> Vec<JobId> {
        let Some(known) = self.0.get(&kasm_id) else {
            return Vec::new();
        };
        let mut known = known.lock();
        let now = Instant::now();
        let mut taken = Vec::new();
        known.done.retain(|(id, since)| {
            let take = *since <= now && id.as_root() == as_root && taken.len() < max;
            if take {
                taken.push(*id);
            }
            !take
        });
        taken
    }

    /// Whether folders are left to remove. If not, nobody sees to it any more.
    pub(super) fn keeps_sweeping(&self, kasm_id: KasmId) -> bool {
        self.0.get(&kasm_id).is_some_and(|known| {
            let mut known = known.lock();
            known.sweeping = !known.done.is_empty();
            known.sweeping
        })
    }
}
