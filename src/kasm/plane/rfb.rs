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

use std::time::Duration;

pub use desktop::{CLIPBOARD_BYTES_MAX, Clipboard, Desktop, Input};
pub use keysym::{character_of, keys_like, keysym_named, keysym_of};
pub use screen::Screen;

use super::{Place, PlaneError};
use crate::bounded_map::{BoundedMap, Evict};
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
    #[error("the connection to the desktop ended")]
    Closed,
    /// It does not speak as KasmVNC does.
    #[error("the desktop answered with something unexpected: {0}")]
    Protocol(&'static str),
    /// Nothing came in time.
    #[error("the desktop did not answer in time")]
    TimedOut,
}

/// The connections that are kept.
#[derive(Debug)]
pub(super) struct Desktops(BoundedMap<KasmId, Desktop>);

impl Evict for Desktop {
    fn is_idle(&self) -> bool {
        !self.is_open()
    }
}

impl Default for Desktops {
    fn default() -> Self {
        Self(BoundedMap::new(DESKTOPS_MAX))
    }
}

impl Desktops {
    fn find(&self, kasm_id: KasmId) -> Option<Desktop> {
        let kept = self.0.get(&kasm_id)?;
        kept.is_open().then(|| Desktop::clone(&kept))
    }

    /// Keeps a connection; the longest unused one makes room. One that another caller made meanwhile
    /// goes first.
    fn keep(&self, kasm_id: KasmId, desktop: Desktop) -> Desktop {
        let other = self.find(kasm_id);
        other.unwrap_or_else(|| Desktop::clone(&self.0.insert(kasm_id, desktop)))
    }
}

impl Kasm {
    /// The desktop of a running session, connected.
    ///
    /// # Errors
    /// As [`RfbError`] tells.
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
