//! The desktop of a session: KasmVNC's own form of RFB over WebSocket, as it was observed.
//!
//! One connection for each desktop, kept while it is used. It belongs to a task of its own, so a caller
//! that gives up in the middle of a message breaks nothing. RFB 3.8 (RFC 6143) with what KasmVNC does
//! differently: pointer events of eleven bytes, a binary clipboard, messages of its own that come unasked.

mod connect;
mod desktop;
mod kept;
mod keysym;
mod message;
mod screen;
mod stream;
mod zrle;

pub use desktop::{
    BatchEnd, CLIPBOARD_BYTES_MAX, ClipboardContent, DesktopConnection, InputBatch, InputEvent,
    KnownClipboard,
};
pub(super) use kept::KeptDesktops;
pub use keysym::{character_of, keys_like, keysym_named, keysym_of};
pub use screen::{ScreenArea, ScreenPixels};

use super::ProxyError;

/// Why a desktop could not be used. Each variant calls for another reaction of the caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RfbError {
    /// The upgrade failed at Kasm's proxy or on the way to the session.
    #[error(transparent)]
    Plane(#[from] ProxyError),
    /// The desktop wants a password that is not the one of stock images, or another kind of login.
    #[error("the desktop refused the login: {0}")]
    Refused(String),
    /// The connection ended. Worth another try.
    #[error("the connection to the desktop was closed")]
    Closed,
    /// The server sent what KasmVNC does not send. Another try would meet the same.
    #[error("the desktop gave an unexpected answer: {0}")]
    Protocol(&'static str),
    /// The server did not answer within its time limit.
    #[error("the desktop did not answer in time")]
    TimedOut,
}
