//! The desktop of a session: KasmVNC's own form of RFB over WebSocket, as it was observed.
//!
//! One connection for each desktop, kept while it is used. It belongs to a task of its own, so a caller
//! that gives up in the middle of a message breaks nothing. RFB 3.8 (RFC 6143) with what KasmVNC does
//! differently: pointer events of eleven bytes, a binary clipboard, messages of its own that come unasked.

mod connect;
mod desktop;
mod keysym;
mod message;
mod screen;
mod stream;
mod zrle;

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

pub use desktop::{CLIPBOARD_BYTES_MAX, Clipboard, Desktop, Input};
pub use keysym::{character_of, keys_like, keysym_named, keysym_of};
pub use screen::Screen;

use super::{Place, PlaneError};
use crate::kasm::{Kasm, KasmId};

/// Connections that are kept at a time.
const DESKTOPS_MAX: usize = 64;
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Why a desktop could not be used. A variant is a decision.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RfbError {
    /// The session plane did not let us in.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// The desktop wants a password that is not the one of stock images, or another kind of login.
    #[error("the desktop refused the login: {0}")]
    Refused(String),
    /// The connection ended. Worth another try.
    #[error("the connection to the desktop was closed")]
    Closed,
    /// It does not speak as KasmVNC does.
    #[error("the desktop gave an unexpected answer: {0}")]
    Protocol(&'static str),
    /// Nothing came in time.
    #[error("the desktop did not answer in time")]
    TimedOut,
}

/// The connections that are kept.
#[derive(Debug, Default)]
pub(super) struct Desktops(Mutex<HashMap<KasmId, Kept>>);

#[derive(Debug)]
struct Kept {
    desktop: Desktop,
    used: Instant,
}

impl Desktops {
    fn all(&self) -> MutexGuard<'_, HashMap<KasmId, Kept>> {
        self.0.lock()
    }

    fn find(&self, kasm_id: KasmId) -> Option<Desktop> {
        let mut all = self.all();
        all.retain(|_, kept| kept.desktop.is_open());
        let kept = all.get_mut(&kasm_id)?;
        kept.used = Instant::now();
        Some(kept.desktop.clone())
    }

    /// Keeps a connection; the longest unused one makes room. One that another caller made meanwhile
    /// goes first.
    fn keep(&self, kasm_id: KasmId, desktop: Desktop) -> Desktop {
        let mut all = self.all();
        if let Some(kept) = all.get(&kasm_id).filter(|kept| kept.desktop.is_open()) {
            return kept.desktop.clone();
        }
        if all.len() >= DESKTOPS_MAX {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.map(|id| all.remove(&id));
        }
        let used = Instant::now();
        all.insert(
            kasm_id,
            Kept {
                desktop: desktop.clone(),
                used,
            },
        );
        desktop
    }
}

impl Kasm {
    /// The desktop of a running session, connected.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn desktop(&self, place: &Place) -> Result<Desktop, RfbError> {
        let desktops = &self.plane.desktops;
        if let Some(desktop) = desktops.find(place.kasm_id) {
            return Ok(desktop);
        }
        let connection = tokio::time::timeout(self.plane.timeout, self.connect_desktop(place));
        let connection = connection.await.map_err(|_| RfbError::TimedOut)??;
        let desktop = Desktop::start(connection, IDLE, self.plane.metrics.desktop());
        Ok(desktops.keep(place.kasm_id, desktop))
    }
}
