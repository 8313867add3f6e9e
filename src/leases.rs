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
use crate::kasm::model::Session;
use crate::kasm::{Kasm, KasmId, UserId};
use book::Book;
use store::Store;

/// The sessions in use. Cheap to clone; the last clone ends the task.
#[derive(Clone, Debug)]
pub struct Leases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kasm: Kasm,
    clock: WallClock,
    book: Mutex<Book>,
    store: Option<tokio::sync::Mutex<Store>>,
}

/// The current state of a session's lease.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
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
        let (store, known) = match directory.map(Store::open) {
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
        let inner = Arc::new(Inner {
            kasm,
            clock,
            book: Mutex::new(Book::of(known)),
            store,
        });
        tokio::spawn(keeper::run(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Marks a session of `user` as in use until the returned guard is dropped. `session` is Kasm's latest
    /// answer about it.
    #[must_use]
    pub fn used(&self, user: UserId, kasm_id: KasmId, session: &Session) -> Use {
        let now = self.0.clock.now();
        self.0.book().begin(user, kasm_id, session, now);
        Use {
            leases: self.clone(),
            kasm_id,
        }
    }

    /// Gives a session of `user` a lease, or replaces it.
    ///
    /// # Errors
    /// Too many sessions have a lease.
    pub fn give(&self, user: UserId, kasm_id: KasmId, time: Duration) -> Result<(), TooManyLeases> {
        self.0.book().give(user, kasm_id, time, self.0.clock.now())
    }

    /// Whether all leases are stored on disk now, so that they survive this process.
    pub async fn save(&self) -> bool {
        self.0.save().await
    }

    /// The lease of a session, if it has one.
    #[must_use]
    pub fn of(&self, kasm_id: KasmId) -> Option<Lease> {
        self.0.book().lease(kasm_id, self.0.clock.now())
    }

    /// Removes a session that has ended.
    pub fn forget(&self, kasm_id: KasmId) {
        self.0.book().forget(kasm_id);
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }

    async fn save(&self) -> bool {
        let Some(store) = &self.store else {
            return false;
        };
        let mut store = store.lock().await;
        let Some(leases) = self.book().changed() else {
            return true;
        };
        let saved = store.write(leases).await;
        if let Err(problem) = &saved {
            tracing::error!(%problem, "cannot write the leases of sessions");
            self.book().changed_again();
        }
        saved.is_ok()
    }
}

/// A use of a session. It ends when this is dropped.
#[derive(Debug)]
pub struct Use {
    leases: Leases,
    kasm_id: KasmId,
}

impl Drop for Use {
    fn drop(&mut self) {
        let inner = &self.leases.0;
        inner.book().end(self.kasm_id, inner.clock.now());
    }
}
