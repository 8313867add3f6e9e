//! What a connection that was cut leaves to the next one: a button that is down, a lock that was lifted, and
//! a text that was promised to stay on the clipboard.

use tokio::time::Instant;

use super::{ConnectionTask, RfbError};

/// What remains to be done on a desktop.
#[derive(Clone, Debug, Default)]
pub(in crate::kasm::session_proxy::rfb) struct LeftBehind {
    /// Where a button is down. KasmVNC releases keys at the end of a connection, but no buttons.
    pub pressed_at: Option<(u16, u16)>,
    /// Caps Lock was lifted for what was being typed, and is to be put back.
    pub caps_lifted: bool,
    /// A text for the clipboard, and until when it is kept there. KasmVNC drops what a gone viewer owned.
    pub text: Option<(String, Instant)>,
    /// The connection that leaves this had itself done what one before it left.
    pub is_second: bool,
}

impl LeftBehind {
    pub(in crate::kasm::session_proxy::rfb) fn is_nothing(&self) -> bool {
        self.pressed_at.is_none() && !self.caps_lifted && self.text.is_none()
    }

    /// The later of two counts.
    pub(in crate::kasm::session_proxy::rfb) fn add_later(&mut self, later: Self) {
        self.pressed_at = later.pressed_at.or(self.pressed_at);
        self.caps_lifted |= later.caps_lifted;
        self.text = later.text.or(self.text.take());
    }
}

impl ConnectionTask {
    /// Does what an earlier connection left. It is forgotten only when the server has taken it.
    pub(super) async fn finish_left_work(&mut self) -> Result<(), RfbError> {
        if let Some((x, y)) = self.left.pressed_at {
            self.send_pointer(0, x, y, (0, 0)).await?;
            self.round_trip().await?;
            self.left.pressed_at = None;
        }
        if std::mem::take(&mut self.left.caps_lifted) {
            // Now it is this connection that lifted it, so it leaves it behind again if it is cut here.
            self.hand.caps_lifted = true;
            self.restore_locks().await?;
        }
        if let Some((text, until)) = self.left.text.clone() {
            if until > Instant::now() {
                self.send_text(&text).await?;
                self.note_own_text(text, until);
            }
            self.left.text = None;
        }
        self.left.is_second = true;
        Ok(())
    }

    /// What this connection leaves to the next one.
    pub(super) fn remaining_work(self) -> LeftBehind {
        // What this connection has left comes before what it took over and had no time to finish.
        let held = self.hand.pressed_at();
        let own = self.own_text.filter(|(_, until)| *until > Instant::now());
        LeftBehind {
            pressed_at: held.or(self.left.pressed_at),
            caps_lifted: self.hand.caps_lifted || self.left.caps_lifted,
            text: own.or(self.left.text),
            is_second: self.left.is_second,
        }
    }
}
