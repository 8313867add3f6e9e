//! A connected desktop: a task that owns the connection and does what it is asked, one thing after the
//! other.

mod clipboard;
mod input;
mod left_behind;
mod locks;
mod order;
mod picture;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

pub use clipboard::{CLIPBOARD_BYTES_MAX, ClipboardContent, KnownClipboard};
pub use input::{BatchEnd, InputBatch, InputEvent};
pub(super) use left_behind::LeftBehind;

use super::RfbError;
use super::connect::RfbConnection;
use super::message::{LED_STATE, ScreenCanvas};
use super::screen::ScreenPixels;
use super::stream::RfbStream;
use crate::metrics::GaugeGuard;
use input::HeldInput;
use order::ConnectionOrder;

/// How long the orderly end of a connection may take.
const LEAVE: Duration = Duration::from_secs(2);
/// Orders that wait in the channel, and as many postponed ones.
const ORDERS_MAX: usize = 16;
/// How often one pixel is requested on an unused connection. Proxies close a silent socket, after 60 s by
/// default in nginx and after 5 s in the strictest in use.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// A connected desktop. Clones share the connection; it ends some time after the last use.
#[derive(Clone, Debug)]
pub struct DesktopConnection {
    orders: mpsc::Sender<ConnectionOrder>,
    owns_clipboard: Arc<AtomicBool>,
    hands_proven: Arc<AtomicBool>,
}

/// How long a connection is kept, and what comes after it.
pub(super) struct ConnectionLife {
    /// How long it is kept after its last use.
    pub idle: Duration,
    pub counting: GaugeGuard,
    /// Takes what this connection could not finish.
    pub at_end: Box<dyn FnOnce(LeftBehind) + Send>,
}

impl DesktopConnection {
    pub(super) fn start(connection: RfbConnection, life: ConnectionLife) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let owns_clipboard = Arc::<AtomicBool>::default();
        let task = ConnectionTask {
            stream: connection.stream,
            canvas: ScreenCanvas::new(connection.screen),
            is_whole: false,
            markers: 0,
            clipboard: KnownClipboard::unknown_content(),
            hand: HeldInput::default(),
            own_text: None,
            owns_clipboard: owns_clipboard.clone(),
            left: LeftBehind::default(),
            orders: waiting,
            postponed: VecDeque::new(),
        };
        tokio::spawn(async move {
            let left = task.run_until_idle(life.idle).await;
            drop(life.counting);
            (life.at_end)(left);
        });
        Self {
            orders,
            owns_clipboard,
            hands_proven: Arc::default(),
        }
    }

    /// Whether the connection is there, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.orders.is_closed()
    }

    /// Whether a text that this connection brought is on the clipboard: it would go with the connection.
    pub(super) fn owns_clipboard(&self) -> bool {
        self.owns_clipboard.load(Ordering::Relaxed)
    }

    /// Whether the pointer was seen to follow on this connection.
    #[must_use]
    pub fn hands_proven(&self) -> bool {
        self.hands_proven.load(Ordering::Relaxed)
    }

    /// Notes that the pointer was seen to follow.
    pub fn note_proven_hands(&self) {
        self.hands_proven.store(true, Ordering::Relaxed);
    }

    async fn send_order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, RfbError>>) -> ConnectionOrder,
    ) -> Result<T, RfbError> {
        let (reply, answer) = oneshot::channel();
        // The task may end before it takes the order, or before it answers: both are a closed connection.
        let sent = self.orders.send(order(reply)).await;
        sent.map_err(|_| RfbError::Closed)?;
        answer.await.map_err(|_| RfbError::Closed)?
    }

    /// The whole screen, every pixel of it sent for this.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn read_screen(&self) -> Result<ScreenPixels, RfbError> {
        self.send_order(|reply| ConnectionOrder::Look { whole: true, reply })
            .await
    }

    /// The screen by what changed since the last look. It may be behind by one frame of the server, about
    /// 40 ms, and costs the server next to nothing while nothing changes.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn update_screen(&self) -> Result<ScreenPixels, RfbError> {
        let whole = false;
        self.send_order(|reply| ConnectionOrder::Look { whole, reply })
            .await
    }

    /// Does the actions of a batch in their order, and waits after each until the server has taken it.
    /// When the caller gives up, the rest is not done and what is held down is released.
    ///
    /// # Errors
    /// `Closed` if the connection had ended before; later ends are in [`BatchEnd`].
    pub async fn perform_batch(&self, batch: InputBatch) -> Result<BatchEnd, RfbError> {
        self.send_order(|reply| ConnectionOrder::Do(batch, reply))
            .await
    }

    /// Puts a text of at most [`CLIPBOARD_BYTES_MAX`] on the clipboard. It stays there for ten minutes,
    /// over lost connections too, unless something else is copied.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn copy_text(&self, text: String) -> Result<(), RfbError> {
        self.send_order(|reply| ConnectionOrder::Copy(text, reply))
            .await
    }

    /// Does what a connection that was cut left.
    pub(super) async fn finish_left(&self, work: LeftBehind) -> Result<(), RfbError> {
        self.send_order(|reply| ConnectionOrder::Finish(work, reply))
            .await
    }

    /// What is known of the clipboard.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn read_clipboard(&self) -> Result<KnownClipboard, RfbError> {
        self.send_order(ConnectionOrder::Copied).await
    }
}

struct ConnectionTask {
    stream: RfbStream,
    canvas: ScreenCanvas,
    /// The canvas has had all pixels of a screen of this size.
    is_whole: bool,
    /// Small requests that were sent, which take turns with two places.
    markers: u64,
    clipboard: KnownClipboard,
    hand: HeldInput,
    /// The text that this side has on the clipboard, and until when it is kept there.
    own_text: Option<(String, Instant)>,
    owns_clipboard: Arc<AtomicBool>,
    left: LeftBehind,
    orders: mpsc::Receiver<ConnectionOrder>,
    /// Orders that came during a pause and are not looks.
    postponed: VecDeque<ConnectionOrder>,
}

impl ConnectionTask {
    /// Serves until the connection was unused for `idle`, or until it ends. Returns what remains to be done.
    async fn run_until_idle(mut self, idle: Duration) -> LeftBehind {
        if self.set_up().await.is_err() {
            return LeftBehind::default();
        }
        let mut end = Instant::now() + idle;
        let mut next_sign = Instant::now() + KEEP_ALIVE;
        loop {
            // Postponed orders came before those that are still in the channel.
            if let Some(order) = self.postponed.pop_front() {
                if self.perform_and_note(order).await.is_err() {
                    return self.remaining_work();
                }
                continue;
            }
            // KasmVNC drops the text of a viewer that goes, so a promised text outlives the idle time.
            let kept_until = self.own_text.as_ref().map_or(end, |(_, until)| *until);
            let done = tokio::select! {
                order = self.orders.recv() => match order {
                    None => break,
                    Some(order) => {
                        let done = self.perform_and_note(order).await;
                        end = Instant::now() + idle;
                        next_sign = Instant::now() + KEEP_ALIVE;
                        done
                    }
                },
                // Waiting may be given up at any time. The message is read below, outside of the select, to
                // its end.
                ready = self.stream.wait_for(1) => match ready {
                    Ok(()) => self.read_event().await.map(drop),
                    Err(error) => Err(error),
                },
                () = sleep_until(next_sign) => {
                    next_sign = Instant::now() + KEEP_ALIVE;
                    self.round_trip().await
                }
                () = sleep_until(end.max(kept_until)) => break,
            };
            if let Err(error) = done {
                tracing::info!(%error, "a desktop connection ended");
                return self.remaining_work();
            }
        }
        // Bounded: a server that does not answer must not keep the task.
        let _gone_already = timeout(LEAVE, self.take_leave()).await;
        LeftBehind::default()
    }

    /// Pixels of four bytes, blue first; ZRLE or raw; other sizes and the lights of the locks are understood,
    /// and updates whose number of rectangles is not known before: KasmVNC closes on a client without it as
    /// soon as it takes many full pictures for a video. No cursor encoding, so that the pointer is in the
    /// picture.
    async fn set_up(&mut self) -> Result<(), RfbError> {
        // SetPixelFormat (RFC 6143, section 7.5.1): 32 bits, depth 24, little-endian, true colour, 255 as the
        // largest of each colour, red at bit 16, green at 8, blue at 0.
        let mut bytes = vec![
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ];
        // SetEncodings (section 7.5.2): five of them.
        bytes.extend([2, 0, 0, 5]);
        for encoding in [16_i32, 0, -223, -224, LED_STATE] {
            bytes.extend(encoding.to_be_bytes());
        }
        self.stream.send_bytes(&bytes).await
    }

    /// Nothing stays held down, and nothing that was sent is lost.
    async fn take_leave(&mut self) -> Result<(), RfbError> {
        self.release_held().await?;
        self.round_trip().await?;
        self.stream.close_socket().await;
        Ok(())
    }
}
