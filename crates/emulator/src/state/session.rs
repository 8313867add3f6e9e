//! One session and how it moves. Nothing ticks: [`Session::settle`] works out
//! where a session is by the time somebody asks.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::date;
use crate::id::Id;
use crate::profile::Profile;

/// How often a page keeps its session alive, within the time that one keepalive gives.
const PAGE_KEEPALIVES: u32 = 10;

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// On its way to running.
    Starting { since: Timestamp, until: Timestamp },
    /// Usable.
    Running,
    /// On its way to a place of rest.
    Leaving { until: Timestamp, to: Rest },
    /// The memory is kept.
    Paused,
    /// The disk is kept.
    Stopped,
    /// To be forgotten.
    Gone,
}

/// Where a session can rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Paused,
    Stopped,
    Gone,
}

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: Id,
    pub(crate) user_id: Id,
    pub(crate) image_id: Id,
    pub(crate) phase: Phase,
    pub(crate) created: Timestamp,
    pub(crate) started: Option<Timestamp>,
    pub(crate) kept_alive: Option<Timestamp>,
    pub(crate) expiration: Timestamp,
    pub(crate) container_id: String,
    pub(crate) server_id: Id,
    pub(crate) share_id: Option<String>,
    pub(crate) persistent_profile_mode: Option<String>,
    /// Addresses of those who watch.
    pub(crate) viewers: Vec<String>,
    /// Users it is shared with by name, and their access.
    pub(crate) shared_with: BTreeMap<Id, String>,
    /// When the screenshot buffer was last filled.
    pub(crate) pictured: Option<Timestamp>,
    /// What `request_kasm` added to the environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Secrets only in shape: they open nothing.
    pub(crate) vnc_password: String,
    pub(crate) container_jwt: String,
}

impl Session {
    /// Moves as far as time allows.
    pub(crate) fn settle(&mut self, now: Timestamp, transition: Duration) {
        loop {
            self.phase = match self.phase {
                Phase::Starting { until, .. } if now >= until => {
                    self.started = Some(until);
                    Phase::Running
                }
                Phase::Running if now >= self.expiration => Phase::Leaving {
                    until: date::after(self.expiration, transition),
                    to: Rest::Gone,
                },
                Phase::Leaving { until, to } if now >= until => {
                    self.viewers.clear();
                    self.pictured = None;
                    match to {
                        Rest::Paused => Phase::Paused,
                        Rest::Stopped => Phase::Stopped,
                        Rest::Gone => Phase::Gone,
                    }
                }
                Phase::Starting { .. }
                | Phase::Running
                | Phase::Leaving { .. }
                | Phase::Paused
                | Phase::Stopped
                | Phase::Gone => return,
            };
        }
    }

    /// The page of somebody who watches keeps the session alive.
    pub(crate) fn watched(&mut self, now: Timestamp, profile: &Profile) {
        let pause = profile.keepalive_expiration / PAGE_KEEPALIVES;
        let due = self
            .kept_alive
            .is_none_or(|kept| date::after(kept, pause) <= now);
        if !self.viewers.is_empty() && self.is_running() && due {
            self.keep_alive(now, profile);
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Sets out for a place of rest.
    pub(crate) fn leave(&mut self, to: Rest, now: Timestamp, transition: Duration) {
        self.phase = Phase::Leaving {
            until: date::after(now, transition),
            to,
        };
    }

    /// Sets out for running.
    pub(crate) fn start(&mut self, now: Timestamp, profile: &Profile) {
        self.phase = Phase::Starting {
            since: now,
            until: date::after(now, profile.start_time),
        };
        let life = profile
            .session_time_limit
            .unwrap_or(profile.keepalive_expiration);
        self.expiration = date::after(now, life);
    }

    /// Moves the expiry, unless the life-time is fixed.
    pub(crate) fn keep_alive(&mut self, now: Timestamp, profile: &Profile) {
        if profile.session_time_limit.is_none() && !profile.usage_reached {
            self.kept_alive = Some(now);
            self.expiration = date::after(now, profile.keepalive_expiration);
        }
    }

    /// The status word.
    pub(crate) fn status(&self, profile: &Profile) -> String {
        let word = match self.phase {
            Phase::Starting { .. } => return profile.transitional_word.clone(),
            Phase::Leaving { to, .. } => match (&profile.leaving_word, to) {
                (Some(word), _) => return word.clone(),
                (None, Rest::Paused) => "pausing",
                (None, Rest::Stopped) => "stopping",
                (None, Rest::Gone) => "deleting",
            },
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Stopped => "stopped",
            Phase::Gone => "deleted",
        };
        word.to_owned()
    }

    /// How far a start has got; the end for anything else.
    pub(crate) fn progress(&self, now: Timestamp) -> u8 {
        match self.phase {
            Phase::Starting { since, until } => date::percent(since, until, now),
            Phase::Running
            | Phase::Leaving { .. }
            | Phase::Paused
            | Phase::Stopped
            | Phase::Gone => 100,
        }
    }
}
