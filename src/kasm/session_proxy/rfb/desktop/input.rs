//! Keys and the pointer: what is sent, and what is held down meanwhile.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{ConnectionTask, ORDERS_MAX, RfbError};

/// One event of the keyboard or the pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputEvent {
    /// The pointer is at a place, with these buttons down (bit n is button n + 1), and turns the wheel:
    /// positive is right and down, 50 is one notch.
    Pointer {
        /// The mask of the buttons that are down.
        buttons: u16,
        /// Pixels from the left.
        x: u16,
        /// Pixels from the top.
        y: u16,
        /// The turn of the wheel: right and down.
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

/// Actions that belong together: no input of another caller comes between them.
#[derive(Clone, Debug)]
pub struct InputBatch {
    /// The size of the desktop that the places were chosen on.
    pub size: (u16, u16),
    /// The input events of each action.
    pub actions: Vec<Vec<InputEvent>>,
}

/// How a batch ended.
#[derive(Clone, Debug)]
pub enum BatchEnd {
    /// The server has taken all of it.
    Complete,
    /// The desktop had another size before the next action; the rest was not done.
    Resized {
        /// Actions that were done.
        done: usize,
    },
    /// The connection ended.
    Broken {
        /// Actions that the server has taken for certain.
        done: usize,
        /// Why.
        error: RfbError,
    },
}

/// What is held down.
#[derive(Debug, Default)]
pub(super) struct HeldInput {
    buttons: u16,
    x: u16,
    y: u16,
    keys: Vec<u32>,
    /// Caps Lock was on, and was switched off for what is being typed.
    pub(super) caps_lifted: bool,
    /// A button went down, and the server has not confirmed since that it is up: what is sent on a
    /// connection that has just ended is lost without a word.
    pressed: bool,
}

impl HeldInput {
    fn is_empty(&self) -> bool {
        self.buttons == 0 && self.keys.is_empty()
    }

    /// Where a button is or may be down.
    pub(super) fn pressed_at(&self) -> Option<(u16, u16)> {
        self.pressed.then_some((self.x, self.y))
    }

    /// The server has taken all that was sent.
    pub(super) fn note_confirmed(&mut self) {
        self.pressed = self.buttons != 0;
    }
}

impl ConnectionTask {
    pub(super) async fn perform_batch<T>(
        &mut self,
        batch: &InputBatch,
        wanted: &mut oneshot::Sender<T>,
    ) -> BatchEnd {
        for (done, action) in batch.actions.iter().enumerate() {
            let screen = self.canvas.screen.whole_area();
            // A place on the old desktop is another place on this one, so no further action is safe.
            if (screen.width, screen.height) != batch.size {
                return BatchEnd::Resized { done };
            }
            if let Err(error) = self.perform_action(action, wanted).await {
                return BatchEnd::Broken { done, error };
            }
            if wanted.is_closed() {
                break;
            }
            if let Err(error) = self.serve_waiting_looks().await {
                let done = done + 1;
                return BatchEnd::Broken { done, error };
            }
        }
        BatchEnd::Complete
    }

    /// Does one action. The round trip at its end confirms it, and brings the news of another size of the
    /// desktop.
    async fn perform_action<T>(
        &mut self,
        inputs: &[InputEvent],
        wanted: &mut oneshot::Sender<T>,
    ) -> Result<(), RfbError> {
        for input in inputs {
            if wanted.is_closed() {
                self.release_held().await?;
                break;
            }
            match *input {
                InputEvent::Pointer {
                    buttons,
                    x,
                    y,
                    scroll,
                } => self.send_pointer(buttons, x, y, scroll).await?,
                InputEvent::Key { down, keysym } => self.send_key(down, keysym).await?,
                InputEvent::LiftLocks => self.lift_locks().await?,
                InputEvent::RestoreLocks => self.restore_locks().await?,
                InputEvent::Pause(time) => self.pause_input(time, wanted).await?,
            }
        }
        self.round_trip().await
    }

    /// Nothing for a while, or until the caller has gone. Looks of others are served meanwhile, but not
    /// while something is held down: a key that is held for long repeats itself.
    async fn pause_input<T>(
        &mut self,
        time: Duration,
        wanted: &mut oneshot::Sender<T>,
    ) -> Result<(), RfbError> {
        let end = Instant::now() + time;
        loop {
            // `postponed` is bounded: orders beyond it stay in the channel, and their callers wait.
            let takes_orders = self.hand.is_empty() && self.postponed.len() < ORDERS_MAX;
            tokio::select! {
                () = sleep_until(end) => return Ok(()),
                () = wanted.closed() => return Ok(()),
                Some(order) = self.orders.recv(), if takes_orders => {
                    self.perform_or_postpone(order).await?;
                }
                ready = self.stream.wait_for(1) => {
                    ready?;
                    self.read_event().await?;
                }
            }
        }
    }

    async fn serve_waiting_looks(&mut self) -> Result<(), RfbError> {
        while self.hand.is_empty() && self.postponed.len() < ORDERS_MAX {
            let Ok(order) = self.orders.try_recv() else {
                break;
            };
            self.perform_or_postpone(order).await?;
        }
        Ok(())
    }

    /// PointerEvent of KasmVNC: eleven bytes.
    pub(super) async fn send_pointer(
        &mut self,
        buttons: u16,
        x: u16,
        y: u16,
        scroll: (i16, i16),
    ) -> Result<(), RfbError> {
        // RFC 6143 has a mask of one byte and no wheel. KasmVNC would read on beyond those six bytes.
        let mut bytes = vec![5];
        for number in [buttons, x, y] {
            bytes.extend(number.to_be_bytes());
        }
        for number in [scroll.0, scroll.1] {
            bytes.extend(number.to_be_bytes());
        }
        // Noted before it is sent: a send that fails may have reached the server.
        self.hand.pressed |= buttons != 0;
        self.hand.buttons = buttons;
        (self.hand.x, self.hand.y) = (x, y);
        self.stream.send_bytes(&bytes).await
    }

    pub(super) async fn send_key(&mut self, down: bool, keysym: u32) -> Result<(), RfbError> {
        // KeyEvent (RFC 6143, section 7.5.4).
        let mut bytes = vec![4, u8::from(down), 0, 0];
        bytes.extend(keysym.to_be_bytes());
        self.hand.keys.retain(|held| *held != keysym);
        if down {
            self.hand.keys.push(keysym);
        }
        self.stream.send_bytes(&bytes).await
    }

    /// Releases what is held down, and puts the locks back. The server releases keys at the end of a connection,
    /// but no buttons.
    pub(super) async fn release_held(&mut self) -> Result<(), RfbError> {
        // Keys before buttons, and the last key first: a modifier that was held outlasts what it modified.
        for keysym in std::mem::take(&mut self.hand.keys).into_iter().rev() {
            self.send_key(false, keysym).await?;
        }
        if self.hand.buttons != 0 {
            self.send_pointer(0, self.hand.x, self.hand.y, (0, 0))
                .await?;
        }
        self.restore_locks().await
    }
}
