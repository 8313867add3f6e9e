//! The connections that are kept, and what those that were cut left behind.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use super::RfbError;
use super::desktop::{ConnectionLife, DesktopConnection, LeftBehind};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::{Kasm, KasmId, WeakKasm};

/// Connections that are kept at a time.
const DESKTOPS_MAX: usize = 64;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Desktops whose unfinished work is remembered at a time. Each has a task that tries to connect.
const LEFT_MAX: usize = 64;
/// Pauses before the tries to connect again where something was left behind. The last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// How long what was left behind is remembered: as long as a text is promised to stay on the clipboard.
const LEFT_KEPT: Duration = Duration::from_secs(600);

/// The connections that are kept.
#[derive(Debug, Default)]
pub(in crate::kasm::session_proxy) struct KeptDesktops {
    connected: Mutex<HashMap<KasmId, KeptDesktop>>,
    left: Mutex<HashMap<KasmId, UnfinishedWork>>,
}

#[derive(Debug)]
struct KeptDesktop {
    desktop: DesktopConnection,
    used: Instant,
}

/// What remains to be done on a desktop.
#[derive(Debug)]
struct UnfinishedWork {
    work: LeftBehind,
    since: Instant,
    tries: usize,
}

impl KeptDesktops {
    fn lock_connected(&self) -> MutexGuard<'_, HashMap<KasmId, KeptDesktop>> {
        self.connected.lock()
    }

    fn find_open(&self, kasm_id: KasmId) -> Option<DesktopConnection> {
        let mut all = self.lock_connected();
        // A connection that ended is found here and not by a callback, so the map needs no task of its own.
        all.retain(|_, kept| kept.desktop.is_open());
        let kept = all.get_mut(&kasm_id)?;
        kept.used = Instant::now();
        Some(kept.desktop.clone())
    }

    /// Keeps a connection; the longest unused one makes room, one without a text on a clipboard first. One
    /// that another caller made meanwhile goes first.
    fn keep_connection(&self, kasm_id: KasmId, desktop: DesktopConnection) -> DesktopConnection {
        let mut all = self.lock_connected();
        if let Some(kept) = all.get(&kasm_id).filter(|kept| kept.desktop.is_open()) {
            return kept.desktop.clone();
        }
        if all.len() >= DESKTOPS_MAX {
            let oldest = all
                .iter()
                .min_by_key(|(_, kept)| (kept.desktop.owns_clipboard(), kept.used));
            let oldest = oldest.map(|(id, _)| *id);
            // Its task goes on as long as a call has a clone, then releases what is held and takes its leave.
            oldest.map(|id| all.remove(&id));
        }
        let used = Instant::now();
        all.insert(
            kasm_id,
            KeptDesktop {
                desktop: desktop.clone(),
                used,
            },
        );
        desktop
    }

    fn left_work(&self, kasm_id: KasmId) -> Option<LeftBehind> {
        let left = self.left.lock();
        left.get(&kasm_id).map(|left| left.work.clone())
    }

    /// Notes what a connection left. False: a task for this desktop is connecting already.
    fn note_left(&self, kasm_id: KasmId, work: LeftBehind) -> bool {
        let mut all = self.left.lock();
        if let Some(left) = all.get_mut(&kasm_id) {
            left.work.add_later(work);
            return false;
        }
        if all.len() >= LEFT_MAX {
            let oldest = all.iter().min_by_key(|(_, left)| left.since);
            let oldest = oldest.map(|(id, _)| *id);
            // Its task finds nothing left to do after its pause, and ends.
            oldest.map(|id| all.remove(&id));
        }
        let left = UnfinishedWork {
            // A connection that was made for this and ended at once is not made again at once.
            tries: if work.is_second { 2 } else { 0 },
            work,
            since: Instant::now(),
        };
        all.insert(kasm_id, left);
        true
    }

    fn forget_left(&self, kasm_id: KasmId) {
        self.left.lock().remove(&kasm_id);
    }

    /// How long to wait before the next try. None: nothing is left to do.
    fn next_pause(&self, kasm_id: KasmId) -> Option<Duration> {
        let mut all = self.left.lock();
        let left = all.get_mut(&kasm_id)?;
        if left.since.elapsed() > LEFT_KEPT {
            all.remove(&kasm_id);
            return None;
        }
        let pause = PAUSES.get(left.tries).or(PAUSES.last()).copied();
        left.tries += 1;
        pause
    }
}

impl Kasm {
    /// The desktop of a running session, connected.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn connected_desktop(
        &self,
        place: &RunningSession,
    ) -> Result<DesktopConnection, RfbError> {
        let desktops = &self.proxy.desktops;
        let desktop = match desktops.find_open(place.kasm_id) {
            Some(desktop) => desktop,
            None => self.connect_and_keep(place).await?,
        };
        // The first user of a new connection does what one that was cut left.
        if let Some(work) = desktops.left_work(place.kasm_id) {
            // Forgotten only after the server has taken it. A failure leaves it to the next connection.
            desktop.finish_left(work).await?;
            desktops.forget_left(place.kasm_id);
        }
        Ok(desktop)
    }

    async fn connect_and_keep(
        &self,
        place: &RunningSession,
    ) -> Result<DesktopConnection, RfbError> {
        let connection = tokio::time::timeout(self.proxy.timeout, self.connect_desktop(place));
        let connection = connection.await.map_err(|_| RfbError::TimedOut)??;
        let keeper = ConnectionKeeper {
            kasm: self.downgrade(),
            place: place.clone(),
        };
        let life = ConnectionLife {
            idle: IDLE,
            counting: self.proxy.metrics.count_desktop(),
            at_end: Box::new(move |left| keeper.take_over(left)),
        };
        let desktop = DesktopConnection::start(connection, life);
        Ok(self.proxy.desktops.keep_connection(place.kasm_id, desktop))
    }
}

/// Connects again where a connection was cut that left something behind.
struct ConnectionKeeper {
    kasm: WeakKasm,
    place: RunningSession,
}

impl ConnectionKeeper {
    fn take_over(self, work: LeftBehind) {
        if work.is_nothing() {
            return;
        }
        let Some(kasm) = self.kasm.upgrade() else {
            return;
        };
        let is_new = kasm.proxy.desktops.note_left(self.place.kasm_id, work);
        // The task below holds the weak reference only, so it does not keep a stopped server alive while it
        // sleeps.
        drop(kasm);
        if is_new {
            tokio::spawn(self.connect_again());
        }
    }

    /// Tries until any connection has done what was left.
    async fn connect_again(self) {
        loop {
            let pause = {
                let Some(kasm) = self.kasm.upgrade() else {
                    return;
                };
                kasm.proxy.desktops.next_pause(self.place.kasm_id)
            };
            let Some(pause) = pause else {
                return;
            };
            sleep(pause).await;
            let Some(kasm) = self.kasm.upgrade() else {
                return;
            };
            match kasm.connected_desktop(&self.place).await {
                Ok(_) => {
                    tracing::info!(kasm_id = %self.place.kasm_id, "connected again to finish what was left")
                }
                Err(error) => {
                    tracing::info!(kasm_id = %self.place.kasm_id, %error, "what was left has to wait")
                }
            }
        }
    }
}
