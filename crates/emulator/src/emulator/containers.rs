//! What a test sees of the containers, and does to them.

use std::path::PathBuf;
use std::time::Duration;

use super::Emulator;
use crate::state::State;
use crate::state::session::Rest;

impl Emulator {
    /// The directory that is the home of the session's user. It is made when
    /// first asked for. Nothing if there is no such session, or no container.
    #[must_use]
    pub fn session_dir(&self, kasm_id: &str) -> Option<PathBuf> {
        let mut state = self.kasm.lock();
        let id = state.container_id(kasm_id)?;
        let State {
            containers,
            profile,
            ..
        } = &mut *state;
        containers.disk(id, profile).ok().map(|disk| disk.home())
    }

    /// Takes all the room on the disk of a session: what commands and uploads
    /// write to its home fails with `ENOSPC`. False if there is none such, or
    /// [`crate::Profile::disk_bytes`] was not set before its container started.
    pub fn fill_disk(&self, kasm_id: &str) -> bool {
        self.with_disk(kasm_id, true)
    }

    /// Gives the room back that [`Self::fill_disk`] took. False if there is no
    /// such.
    pub fn free_disk(&self, kasm_id: &str) -> bool {
        self.with_disk(kasm_id, false)
    }

    /// Lets a container start anew by itself: all its processes are gone, its
    /// disk is there, and Kasm has noticed nothing. False if there is none such.
    pub fn restart_container(&self, kasm_id: &str) -> bool {
        let mut state = self.kasm.lock();
        let id = state.container_id(kasm_id);
        id.is_some_and(|id| {
            state.desktops.forget(id);
            state.containers.restart(id)
        })
    }

    /// Lets a container die, and Kasm has noticed: the session is `stopped`.
    /// False if there is none such.
    pub fn stop_container(&self, kasm_id: &str) -> bool {
        self.with_session(kasm_id, |session, now| {
            session.leave(Rest::Stopped, now, Duration::ZERO);
        })
    }

    /// Lets a container die, and all its processes with it, while Kasm still
    /// takes it to be running. Commands are refused until the session was
    /// stopped and resumed. False if there is none such.
    pub fn kill_container(&self, kasm_id: &str) -> bool {
        let mut state = self.kasm.lock();
        let id = state.container_id(kasm_id);
        id.is_some_and(|id| state.containers.kill(id))
    }

    fn with_disk(&self, kasm_id: &str, full: bool) -> bool {
        let mut state = self.kasm.lock();
        let Some(id) = state.container_id(kasm_id) else {
            return false;
        };
        let State {
            containers,
            profile,
            ..
        } = &mut *state;
        containers.fill(id, profile, full)
    }
}
