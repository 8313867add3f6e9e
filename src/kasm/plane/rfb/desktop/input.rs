//! Keys and the pointer: what is sent, and what is held down meanwhile.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{RfbError, Task};

/// One thing that a hand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The pointer is at a place, with these buttons down (bit n is button n + 1), and turns the wheel:
    /// positive is right and down, 50 is one notch.
    Pointer {
        /// The buttons.
        buttons: u16,
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
        /// The wheel.
        scroll: (i16, i16),
    },
    /// A key goes down or up.
    Key {
        /// Down.
        down: bool,
        /// Which, as X names it.
        keysym: u32,
    },
    /// Caps Lock is off from here on, if its state is known, so that keys mean what they say.
    LiftLocks,
    /// Caps Lock is again as it was before [`Self::LiftLocks`].
    RestoreLocks,
    /// Nothing for a while.
    Pause(Duration),
}

/// What is held down.
#[derive(Debug, Default)]
pub(super) struct Hand {
    buttons: u16,
    x: u16,
    y: u16,
    keys: Vec<u32>,
    /// Caps Lock was on, and was switched off for what is being typed.
    pub(super) caps_lifted: bool,
}

impl Task {
    pub(super) async fn perform<T>(
        &mut self,
        inputs: &[Input],
        wanted: &oneshot::Sender<T>,
    ) -> Result<(), RfbError> {
        for input in inputs {
            if wanted.is_closed() {
                self.let_go().await?;
                self.restore_locks().await?;
                break;
            }
            match *input {
                Input::Pointer {
                    buttons,
                    x,
                    y,
                    scroll,
                } => self.point(buttons, x, y, scroll).await?,
                Input::Key { down, keysym } => self.key(down, keysym).await?,
                Input::LiftLocks => self.lift_locks().await?,
                Input::RestoreLocks => self.restore_locks().await?,
                Input::Pause(time) => sleep(time).await,
            }
        }
        self.round_trip().await
    }

    /// PointerEvent of KasmVNC: eleven bytes.
    async fn point(
        &mut self,
        buttons: u16,
        x: u16,
        y: u16,
        scroll: (i16, i16),
    ) -> Result<(), RfbError> {
        let mut bytes = vec![5];
        for number in [buttons, x, y] {
            bytes.extend(number.to_be_bytes());
        }
        for number in [scroll.0, scroll.1] {
            bytes.extend(number.to_be_bytes());
        }
        self.hand.buttons = buttons;
        (self.hand.x, self.hand.y) = (x, y);
        self.stream.send(&bytes).await
    }

    pub(super) async fn key(&mut self, down: bool, keysym: u32) -> Result<(), RfbError> {
        let mut bytes = vec![4, u8::from(down), 0, 0];
        bytes.extend(keysym.to_be_bytes());
        self.hand.keys.retain(|held| *held != keysym);
        if down {
            self.hand.keys.push(keysym);
        }
        self.stream.send(&bytes).await
    }

    /// Releases what is held down. The server releases keys at the end of a connection, but no buttons.
    pub(super) async fn let_go(&mut self) -> Result<(), RfbError> {
        for keysym in std::mem::take(&mut self.hand.keys).into_iter().rev() {
            self.key(false, keysym).await?;
        }
        if self.hand.buttons != 0 {
            self.point(0, self.hand.x, self.hand.y, (0, 0)).await?;
        }
        Ok(())
    }
}
