//! A Kasm Workspaces server on loopback.
//!
//! It answers the developer API as a real server is known to answer it, quirks
//! included, and shares no type with the client it is used to test. It is not
//! a Kasm: nothing is virtualised, and a command is a process of this machine
//! inside bubblewrap.
//!
//! Reading order: [`emulator`] is what a test holds, [`profile`] and [`fault`]
//! are what it can turn, [`record`] is what it can look at. Below them,
//! `server` owns the socket, `call` puts each request through the checks in
//! their order, `endpoints` is the one list of names, and `state` holds what
//! Kasm would keep in its database, and `container` the processes and files of
//! each session, `desktop` what is on its screen. `plane` is the data
//! plane of the sessions, everything under `/desktop/`.

pub mod emulator;
pub mod fault;
pub mod profile;
pub mod record;

mod answer;
mod body;
mod call;
mod container;
mod date;
mod desktop;
mod endpoints;
mod id;
mod picture;
mod plane;
mod random;
mod server;
mod state;
mod wording;

/// Whether bubblewrap works here. Where it does not, no command runs unless the
/// server was built with [`Builder::unconfined`].
#[must_use]
pub fn confinement_works() -> bool {
    container::confinement_works()
}

pub use emulator::{Builder, Emulator, StartError, TlsError};
pub use fault::{DesktopFault, Fault};
pub use profile::{
    DesktopSecurity, Mount, NotReadyShape, OwnerField, Profile, RequestToken, ScreenshotMode,
    TimeStyle,
};
pub use record::{
    Area, ClickRecord, CommandRecord, DesktopView, ImageView, KeySpec, KeyboardLayout,
    ModifierMask, RecordingSpec, RequestRecord, SessionView, StrokeRecord, UserView,
};
