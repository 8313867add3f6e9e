//! The state of each session in use, and the work that is due.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{SessionLease, TooManyLeases};
use crate::kasm::model::KasmSession;
use crate::kasm::{KasmId, UserId};

/// The most sessions that are remembered. The least recently used one without a lease is removed for a new one.
const SESSIONS_MAX: usize = 10_000;
/// How long to wait after a failure.
const RETRY: SignedDuration = SignedDuration::from_secs(30);
/// The smallest change of an expiry that counts as a new expiry.
const MOVED: SignedDuration = SignedDuration::from_secs(1);

/// A lease as it is stored on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredLease {
    pub(super) kasm_id: KasmId,
    pub(super) user: UserId,
    pub(super) time: Duration,
    /// The last use of the session.
    pub(super) used: Timestamp,
    /// The latest expiry that our own keepalives explain, by Kasm's clock.
    pub(super) expires: Option<Timestamp>,
}

/// Work that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseDuty {
    /// Kasm would end the session soon.
    KeepAlive,
    /// The lease has ended.
    End,
}

#[derive(Debug, Default)]
pub(super) struct LeaseBook {
    sessions: HashMap<KasmId, HeldSession>,
    /// Whether a change is not on disk yet.
    changed: bool,
}

#[derive(Clone, Debug)]
struct HeldSession {
    user: UserId,
    /// The last use, if the session is not in use now.
    used: Timestamp,
    in_use: usize,
    lease: Option<Duration>,
    /// The latest known expiry, by Kasm's clock.
    expires: Option<Timestamp>,
    /// When Kasm reported it, by our clock, and the time left then.
    told: Option<(Timestamp, SignedDuration)>,
    /// A keepalive had no effect: the session has a time limit.
    fixed: bool,
    /// No work is due before this time.
    not_before: Timestamp,
}

impl HeldSession {
    fn new(user: UserId, now: Timestamp) -> Self {
        Self {
            user,
            used: now,
            in_use: 0,
            lease: None,
            expires: None,
            told: None,
            fixed: false,
            not_before: Timestamp::MIN,
        }
    }

    /// Whether `session` expires later than any known expiry.
    fn has_moved(&self, session: &KasmSession) -> bool {
        match (self.expires, session.expiration_date) {
            (Some(known), Some(told)) => told.duration_since(known) > MOVED,
            (None, told) => told.is_some(),
            (Some(_), None) => false,
        }
    }

    fn learn_session(&mut self, session: &KasmSession, now: Timestamp) {
        let Some(expires) = session.expiration_date else {
            return;
        };
        self.expires = Some(expires);
        let left = session
            .current_time
            .map(|told| expires.duration_since(told));
        self.told = left.map(|left| (now, left));
    }

    fn lease_has_ended(&self, now: Timestamp) -> bool {
        self.in_use == 0
            && self
                .lease
                .is_some_and(|time| time_after(self.used, time) <= now)
    }

    /// A session that is in use, or was used since the last keepalive, gets a keepalive when a third of its
    /// time is over; with a lease, until the lease ends.
    fn wants_keepalive(&self, now: Timestamp) -> bool {
        // After a restart, the expiry of a session with a lease is unknown.
        let Some((told, left)) = self.told else {
            return self.lease.is_some();
        };
        // A use right after Kasm's report does not need a new keepalive.
        let used_since = self.used.duration_since(told) > left / 10;
        let wanted = self.in_use > 0 || used_since || self.lease.is_some();
        // A third leaves time for more attempts before Kasm ends the session.
        wanted && !self.fixed && now.duration_since(told) >= left / 3
    }

    /// Whether Kasm has ended the session, as far as is known.
    fn has_expired(&self, now: Timestamp) -> bool {
        let expired = self
            .told
            .is_none_or(|(told, left)| now.duration_since(told) > left);
        self.in_use == 0 && self.lease.is_none() && expired
    }
}

impl LeaseBook {
    pub(super) fn from_stored(known: Vec<StoredLease>) -> Self {
        let held = |kept: StoredLease| {
            let held = HeldSession {
                lease: Some(kept.time),
                expires: kept.expires,
                ..HeldSession::new(kept.user, kept.used)
            };
            (kept.kasm_id, held)
        };
        Self {
            sessions: known.into_iter().map(held).collect(),
            changed: false,
        }
    }

    pub(super) fn begin_use(
        &mut self,
        user: UserId,
        kasm_id: KasmId,
        session: &KasmSession,
        now: Timestamp,
    ) {
        // Without room, the session gets no keepalives from here, but the use itself goes on.
        if !self.sessions.contains_key(&kasm_id) && !self.make_room() {
            return;
        }
        let held = self
            .sessions
            .entry(kasm_id)
            .or_insert_with(|| HeldSession::new(user, now));
        held.user = user;
        held.used = now;
        held.in_use += 1;
        // To note the same expiry again would restart the third of its time with each use, and no keepalive
        // would ever be due.
        if held.told.is_none() || held.has_moved(session) {
            held.fixed = false;
            held.learn_session(session, now);
        }
        self.changed |= held.lease.is_some();
    }

    pub(super) fn end_use(&mut self, kasm_id: KasmId, now: Timestamp) {
        if let Some(held) = self.sessions.get_mut(&kasm_id) {
            // The entry may be younger than the use that ends: the session was forgotten and used again in
            // between.
            held.in_use = held.in_use.saturating_sub(1);
            held.used = now;
            self.changed |= held.lease.is_some();
        }
    }

    pub(super) fn give_lease(
        &mut self,
        user: UserId,
        kasm_id: KasmId,
        time: Duration,
        now: Timestamp,
    ) -> Result<(), TooManyLeases> {
        if !self.sessions.contains_key(&kasm_id) && !self.make_room() {
            return Err(TooManyLeases(SESSIONS_MAX));
        }
        let held = self
            .sessions
            .entry(kasm_id)
            .or_insert_with(|| HeldSession::new(user, now));
        held.used = now;
        held.lease = Some(time);
        self.changed = true;
        Ok(())
    }

    /// False if every entry is in use or has a lease.
    fn make_room(&mut self) -> bool {
        if self.sessions.len() < SESSIONS_MAX {
            return true;
        }
        let free = self.sessions.iter();
        let free = free.filter(|(_, held)| held.lease.is_none() && held.in_use == 0);
        let oldest = free.min_by_key(|(_, held)| held.used).map(|(id, _)| *id);
        oldest.is_some_and(|id| self.sessions.remove(&id).is_some())
    }

    pub(super) fn lease_of(&self, kasm_id: KasmId, now: Timestamp) -> Option<SessionLease> {
        let held = self.sessions.get(&kasm_id)?;
        let time = held.lease?;
        let used = if held.in_use > 0 { now } else { held.used };
        Some(SessionLease {
            time,
            ends: time_after(used, time),
        })
    }

    pub(super) fn forget_session(&mut self, kasm_id: KasmId) {
        let held = self.sessions.remove(&kasm_id);
        self.changed |= held.is_some_and(|held| held.lease.is_some());
    }

    /// Returns the work that is due now, and removes ended sessions.
    pub(super) fn due_duties(&mut self, now: Timestamp) -> Vec<(KasmId, UserId, LeaseDuty)> {
        self.sessions.retain(|_, held| !held.has_expired(now));
        let ready = self.sessions.iter();
        let ready = ready.filter(|(_, held)| held.not_before <= now);
        ready
            .filter_map(|(id, held)| {
                // The end comes first: a keepalive would prolong a session that is to be destroyed.
                let duty = if held.lease_has_ended(now) {
                    LeaseDuty::End
                } else if held.wants_keepalive(now) {
                    LeaseDuty::KeepAlive
                } else {
                    return None;
                };
                Some((*id, held.user, duty))
            })
            .collect()
    }

    /// Whether another client, such as a person's browser, has kept the session alive, as Kasm reports in `session`. That
    /// counts as use.
    pub(super) fn is_kept_by_others(
        &mut self,
        kasm_id: KasmId,
        session: &KasmSession,
        now: Timestamp,
    ) -> bool {
        let Some(held) = self.sessions.get_mut(&kasm_id) else {
            return false;
        };
        // Without a known expiry, a later one proves nothing.
        let kept = held.expires.is_some() && held.has_moved(session);
        if kept {
            held.used = now;
            held.learn_session(session, now);
            self.changed |= held.lease.is_some();
        }
        kept
    }

    /// Whether the lease has still ended, given Kasm's latest answer `session`.
    pub(super) fn is_abandoned(
        &mut self,
        kasm_id: KasmId,
        session: &KasmSession,
        now: Timestamp,
    ) -> bool {
        if self.is_kept_by_others(kasm_id, session, now) {
            return false;
        }
        let held = self.sessions.get(&kasm_id);
        held.is_some_and(|held| held.lease_has_ended(now))
    }

    /// Notes the result of a keepalive.
    pub(super) fn record_keepalive(
        &mut self,
        kasm_id: KasmId,
        session: &KasmSession,
        now: Timestamp,
    ) {
        if let Some(held) = self.sessions.get_mut(&kasm_id) {
            // Kasm accepts keepalives beyond a session's time limit but does not move the expiry.
            held.fixed = !held.has_moved(session);
            held.learn_session(session, now);
            self.changed |= held.lease.is_some();
            if held.told.is_some() {
                return;
            }
        }
        // Without a time from Kasm, the next keepalive cannot be computed, so it is tried after a pause.
        self.postpone_duty(kasm_id, now);
    }

    /// Postpones work on a session.
    pub(super) fn postpone_duty(&mut self, kasm_id: KasmId, now: Timestamp) {
        if let Some(held) = self.sessions.get_mut(&kasm_id) {
            held.not_before = now.checked_add(RETRY).unwrap_or(Timestamp::MAX);
        }
    }

    /// All leases, if they differ from those on disk. The caller writes them.
    pub(super) fn take_changes(&mut self) -> Option<Vec<StoredLease>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let leased = self.sessions.iter().filter_map(|(kasm_id, held)| {
            Some(StoredLease {
                kasm_id: *kasm_id,
                user: held.user,
                time: held.lease?,
                used: held.used,
                expires: held.expires,
            })
        });
        Some(leased.collect())
    }

    /// The caller failed to write them.
    pub(super) fn mark_changed(&mut self) {
        self.changed = true;
    }
}

fn time_after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}
