//! Caps Lock while something is typed: off, and afterwards as it was.
//!
//! The server finds a key for each character even under Caps Lock, by pressing Shift for a moment. Yet programs
//! raise what comes by a spare key, lose letters that have no capital, and see a Shift that nobody pressed in a
//! command such as `ctrl+c`. So the lock is lifted. That takes a server that tells of its locks (KasmVNC does);
//! one that does not is typed to as if none were on.

use super::{ConnectionTask, RfbError};

const CAPS_LOCK: u32 = 0xffe5;
/// The light of Caps Lock among those that the server tells of.
const CAPS_LIGHT: u8 = 4;

impl ConnectionTask {
    /// Switches Caps Lock off if it is on, and remembers it.
    pub(super) async fn lift_locks(&mut self) -> Result<(), RfbError> {
        // What the lights were is told with the answer.
        self.round_trip().await?;
        if !self.hand.caps_lifted && self.caps_lock_is_on() {
            self.hand.caps_lifted = true;
            self.tap_caps_lock().await?;
        }
        Ok(())
    }

    /// Switches Caps Lock on again if it was lifted. Where the key of that name does something else, the lock
    /// is still on, and the key is not pressed again.
    pub(super) async fn restore_locks(&mut self) -> Result<(), RfbError> {
        if !self.hand.caps_lifted {
            return Ok(());
        }
        self.round_trip().await?;
        if !self.caps_lock_is_on() {
            self.tap_caps_lock().await?;
            // On a connection that has just ended the tap is lost, and the next one has to make up for it.
            self.round_trip().await?;
        }
        self.hand.caps_lifted = false;
        Ok(())
    }

    fn caps_lock_is_on(&self) -> bool {
        let lights = self.canvas.lights;
        lights.is_some_and(|lights| lights & CAPS_LIGHT != 0)
    }

    async fn tap_caps_lock(&mut self) -> Result<(), RfbError> {
        self.send_key(true, CAPS_LOCK).await?;
        self.send_key(false, CAPS_LOCK).await
    }
}
