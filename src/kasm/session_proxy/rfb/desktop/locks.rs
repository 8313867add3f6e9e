//! Caps Lock while something is typed: off, and afterwards as it was.
//!
//! The server finds a key for each character even under Caps Lock, by pressing Shift for a moment. Yet programs
//! make capitals of what comes by a spare key, lose letters that have no capital, and see a Shift in a command
//! such as `ctrl+c` that has none. So the lock is lifted. That needs a server that reports its locks (KasmVNC
//! does); to any other, text is typed as if none were on.

use super::{ConnectionTask, RfbError};

const CAPS_LOCK: u32 = 0xffe5;
/// The bit of Caps Lock in the lights that the server reports.
const CAPS_LIGHT: u8 = 4;

impl ConnectionTask {
    /// Switches Caps Lock off if it is on, and remembers it.
    pub(super) async fn lift_locks(&mut self) -> Result<(), RfbError> {
        // The answer brings the state of the lights with it.
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
