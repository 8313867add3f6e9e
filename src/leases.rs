//! Keeps sessions alive while they are used, and ends unused ones.
//!
//! Kasm ends a session some time after the last keepalive, and only a browser sends keepalives. So each use of
//! a session is noted here, and a task sends the keepalives that a browser would send. A session may have a
//! lease: until the lease ends, the session is kept alive even if unused, and then it is destroyed. Leases are
//! stored in a file, so they survive a restart.

mod book;
mod keeper;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::clock::WallClock;
use crate::kasm::model::KasmSession;
use crate::kasm::{Kasm, KasmId, UserId};
use book::LeaseBook;
use store::LeaseStore;

/// The sessions in use. Cheap to clone; the last clone ends the task.
#[derive(Clone, Debug)]
pub struct Leases(Arc<LeaseState>);

#[derive(Debug)]
struct LeaseState {
    kasm: Kasm,
    clock: WallClock,
    // Never held across an await: its methods only compute.
    book: Mutex<LeaseBook>,
    // Held while the file is written, so an older state cannot replace a newer one.
    store: Option<tokio::sync::Mutex<LeaseStore>>,
}

/// The current state of a session's lease.
#[derive(Clone, Copy, Debug)]
pub struct SessionLease {
    /// How long the session may be unused.
    pub time: Duration,
    /// When it ends, unless the session is used before.
    pub ends: Timestamp,
}

/// No lease is possible: too many sessions have one.
#[derive(Debug, thiserror::Error)]
#[error("{0} sessions have a lease, which is the limit")]
pub struct TooManyLeases(usize);

impl Leases {
    /// Keeps sessions of `kasm` alive, with leases stored in `directory`. Without a usable directory, leases
    /// are lost when the process ends; Kasm's own expiry then ends those sessions.
    ///
    /// Uses `clock` for all times. Call it inside a tokio runtime.
    #[must_use]
    pub fn new(kasm: Kasm, directory: Option<&Path>, clock: WallClock) -> Self {
        let (store, known) = match directory.map(LeaseStore::open) {
            Some(Ok((store, known))) => (Some(store.into()), known),
            Some(Err(problem)) => {
                tracing::warn!(
                    %problem,
                    "leases are not stored on disk: after a restart, Kasm's own expiry ends those sessions"
                );
                (None, Vec::new())
            }
            None => (None, Vec::new()),
        };
        let inner = Arc::new(LeaseState {
            kasm,
            clock,
            book: Mutex::new(LeaseBook::from_stored(known)),
            store,
        });
        // The task has a weak reference, so the last clone of `Leases` ends it.
        tokio::spawn(keeper::keep_leases(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Marks a session of `user` as in use until the returned guard is dropped. `session` is Kasm's latest
    /// answer about it.
    #[must_use]
    pub fn begin_use(&self, user: UserId, kasm_id: KasmId, session: &KasmSession) -> SessionUse {
        let now = self.0.clock.now();
        self.0.lock_book().begin_use(user, kasm_id, session, now);
        SessionUse {
            leases: self.clone(),
            kasm_id,
        }
    }

    /// Gives a session of `user` a lease, or replaces it.
    ///
    /// # Errors
    /// Too many sessions have a lease.
    pub fn give_lease(
        &self,
        user: UserId,
        kasm_id: KasmId,
        time: Duration,
    ) -> Result<(), TooManyLeases> {
        self.0
            .lock_book()
            .give_lease(user, kasm_id, time, self.0.clock.now())
    }

    /// Whether all leases are stored on disk now, so that they survive this process.
    pub async fn save_changes(&self) -> bool {
        self.0.save_changes().await
    }

    /// The lease of a session, if it has one.
    #[must_use]
    pub fn lease_of(&self, kasm_id: KasmId) -> Option<SessionLease> {
        self.0.lock_book().lease_of(kasm_id, self.0.clock.now())
    }

    /// Removes a session that has ended.
    pub fn forget_session(&self, kasm_id: KasmId) {
        self.0.lock_book().forget_session(kasm_id);
    }
}

impl LeaseState {
    fn lock_book(&self) -> MutexGuard<'_, LeaseBook> {
        self.book.lock()
    }

    async fn save_changes(&self) -> bool {
        let Some(store) = &self.store else {
            return false;
        };
        let mut store = store.lock().await;
        // The changes are taken under the store's lock: a second caller waits and then knows that they are on
        // disk.
        let Some(leases) = self.lock_book().take_changes() else {
            return true;
        };
        let saved = store.write_leases(leases).await;
        if let Err(problem) = &saved {
            tracing::error!(%problem, "cannot write the leases of sessions");
            self.lock_book().mark_changed();
        }
        saved.is_ok()
    }
}

/// A use of a session. It ends when this is dropped.
#[derive(Debug)]
pub struct SessionUse {
    leases: Leases,
    kasm_id: KasmId,
}

impl Drop for SessionUse {
    fn drop(&mut self) {
        let inner = &self.leases.0;
        inner.lock_book().end_use(self.kasm_id, inner.clock.now());
    }
}
