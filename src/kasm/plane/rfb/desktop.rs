//! A connected desktop: a task that owns the connection and does what it is asked, one thing after the
//! other.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::RfbError;
use super::connect::Connection;
use super::message::{Canvas, Event};
use super::screen::{Area, Screen};
use super::stream::Stream;
use crate::metrics::Counting;

/// How long the server may take for a picture, or for one message.
const ANSWER: Duration = Duration::from_secs(15);
/// In how many updates one picture may come.
const PARTS_MAX: usize = 8;
/// How long taking leave may take.
const LEAVE: Duration = Duration::from_secs(2);
/// How long a connection is kept for a text that it has put on the clipboard, which ends with it.
const COPIED_KEPT: Duration = Duration::from_secs(600);
/// Orders that wait.
const ORDERS_MAX: usize = 16;
/// The longest text that goes onto the clipboard, bytes.
pub const CLIPBOARD_BYTES_MAX: usize = 1 << 20;

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
    /// Nothing for a while.
    Pause(Duration),
}

/// What is known of the desktop's clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clipboard {
    /// Nothing was copied since this connection began.
    Unknown,
    /// This text.
    Text(String),
}

enum Order {
    Look(oneshot::Sender<Result<Screen, RfbError>>),
    Do(Vec<Input>, oneshot::Sender<Result<(), RfbError>>),
    Copy(String, oneshot::Sender<Result<(), RfbError>>),
    Copied(oneshot::Sender<Result<Clipboard, RfbError>>),
}

/// A connected desktop. Clones share the connection; it ends some time after the last use.
#[derive(Clone, Debug)]
pub struct Desktop {
    orders: mpsc::Sender<Order>,
}

impl Desktop {
    pub(super) fn start(connection: Connection, idle: Duration, counting: Counting) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let task = Task {
            stream: connection.stream,
            canvas: Canvas::new(connection.screen),
            clipboard: Clipboard::Unknown,
            hand: Hand::default(),
            copied_here: None,
        };
        tokio::spawn(async move {
            task.run(waiting, idle).await;
            drop(counting);
        });
        Self { orders }
    }

    /// Whether the connection is there, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.orders.is_closed()
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, RfbError>>) -> Order,
    ) -> Result<T, RfbError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.send(order(reply)).await;
        sent.map_err(|_| RfbError::Closed)?;
        answer.await.map_err(|_| RfbError::Closed)?
    }

    /// The whole screen as it is now.
    ///
    /// # Errors
    /// As [`RfbError`] tells.
    pub async fn look(&self) -> Result<Screen, RfbError> {
        self.order(Order::Look).await
    }

    /// Does these things in their order and waits until the server has taken them all. When the caller
    /// gives up, the rest is not done and what is held down is let go.
    ///
    /// # Errors
    /// As [`RfbError`] tells; some of them may have been done.
    pub async fn input(&self, inputs: Vec<Input>) -> Result<(), RfbError> {
        self.order(|reply| Order::Do(inputs, reply)).await
    }

    /// Puts a text of at most [`CLIPBOARD_BYTES_MAX`] on the clipboard, where it stays while this
    /// connection lives.
    ///
    /// # Errors
    /// As [`RfbError`] tells.
    pub async fn copy(&self, text: String) -> Result<(), RfbError> {
        self.order(|reply| Order::Copy(text, reply)).await
    }

    /// What was copied last.
    ///
    /// # Errors
    /// As [`RfbError`] tells.
    pub async fn copied(&self) -> Result<Clipboard, RfbError> {
        self.order(Order::Copied).await
    }
}

/// What is held down.
#[derive(Debug, Default)]
struct Hand {
    buttons: u16,
    x: u16,
    y: u16,
    keys: Vec<u32>,
}

struct Task {
    stream: Stream,
    canvas: Canvas,
    clipboard: Clipboard,
    hand: Hand,
    /// When this side put something on the clipboard.
    copied_here: Option<Instant>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, idle: Duration) {
        if self.set_up().await.is_err() {
            return;
        }
        let mut end = Instant::now() + idle;
        loop {
            let done = tokio::select! {
                order = orders.recv() => match order {
                    None => break,
                    Some(order) => {
                        let done = self.obey(order).await;
                        let copied = self.copied_here.map(|since| since + COPIED_KEPT);
                        end = (Instant::now() + idle).max(copied.unwrap_or(end));
                        done
                    }
                },
                ready = self.stream.wait_for(1) => match ready {
                    Ok(()) => self.event().await.map(drop),
                    Err(error) => Err(error),
                },
                () = sleep_until(end) => break,
            };
            if let Err(error) = done {
                tracing::info!(%error, "a desktop connection ended");
                return;
            }
        }
        let _gone_already = timeout(LEAVE, self.leave()).await;
    }

    /// Pixels of four bytes, blue first; ZRLE or raw; other sizes are understood. No cursor encoding, so
    /// that the pointer is in the picture.
    async fn set_up(&mut self) -> Result<(), RfbError> {
        let mut bytes = vec![
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ];
        bytes.extend([2, 0, 0, 3]);
        for encoding in [16_i32, 0, -223] {
            bytes.extend(encoding.to_be_bytes());
        }
        self.stream.send(&bytes).await
    }

    /// Does one thing. An error ends the connection.
    async fn obey(&mut self, order: Order) -> Result<(), RfbError> {
        match order {
            Order::Look(reply) => {
                let picture = self.look(self.canvas.screen.area()).await;
                let picture = picture.map(|()| self.canvas.screen.clone());
                answer(reply, picture)
            }
            Order::Do(inputs, reply) => {
                let done = self.perform(&inputs, &reply).await;
                answer(reply, done)
            }
            Order::Copy(text, reply) => {
                let done = self.copy(&text).await;
                self.clipboard = Clipboard::Text(text);
                self.copied_here = Some(Instant::now());
                answer(reply, done)
            }
            Order::Copied(reply) => {
                // What was copied before this is on its way before the answer to this.
                let done = self.round_trip().await;
                answer(reply, done.map(|()| self.clipboard.clone()))
            }
        }
    }

    /// Asks for a part of the picture and waits for it.
    async fn look(&mut self, area: Area) -> Result<(), RfbError> {
        let (mut left, mut parts) = (area.pixels(), 0);
        let work = async {
            self.request(area).await?;
            loop {
                match self.event().await? {
                    // A part is not the whole: what is missing would be from before.
                    Event::Drawn(pixels) => {
                        left = left.saturating_sub(pixels);
                        parts += 1;
                    }
                    Event::Resized => {
                        let area = self.canvas.screen.area();
                        left = area.pixels();
                        self.request(area).await?;
                    }
                    Event::Copied(_) | Event::Other => {}
                }
                if left == 0 {
                    return Ok(());
                }
                if parts >= PARTS_MAX {
                    return Err(RfbError::Protocol("a picture in too many parts"));
                }
            }
        };
        timeout(ANSWER, work)
            .await
            .map_err(|_| RfbError::TimedOut)?
    }

    /// FramebufferUpdateRequest, not incremental.
    async fn request(&mut self, area: Area) -> Result<(), RfbError> {
        let mut bytes = vec![3, 0];
        for number in [area.x, area.y, area.width, area.height] {
            bytes.extend(number.to_be_bytes());
        }
        self.stream.send(&bytes).await
    }

    /// When the answer to this is here, everything sent before was taken.
    async fn round_trip(&mut self) -> Result<(), RfbError> {
        let one = Area {
            width: 1,
            height: 1,
            ..self.canvas.screen.area()
        };
        self.look(one).await
    }

    /// Reads one message.
    async fn event(&mut self) -> Result<Event, RfbError> {
        let read = timeout(ANSWER, self.canvas.read(&mut self.stream)).await;
        let event = read.map_err(|_| RfbError::TimedOut)??;
        if let Event::Copied(text) = &event {
            self.clipboard = Clipboard::Text(text.clone());
        }
        Ok(event)
    }

    async fn perform<T>(
        &mut self,
        inputs: &[Input],
        wanted: &oneshot::Sender<T>,
    ) -> Result<(), RfbError> {
        for input in inputs {
            if wanted.is_closed() {
                self.let_go().await?;
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

    async fn key(&mut self, down: bool, keysym: u32) -> Result<(), RfbError> {
        let mut bytes = vec![4, u8::from(down), 0, 0];
        bytes.extend(keysym.to_be_bytes());
        self.hand.keys.retain(|held| *held != keysym);
        if down {
            self.hand.keys.push(keysym);
        }
        self.stream.send(&bytes).await
    }

    /// Releases what is held down. The server releases keys at the end of a connection, but no buttons.
    async fn let_go(&mut self) -> Result<(), RfbError> {
        for keysym in std::mem::take(&mut self.hand.keys).into_iter().rev() {
            self.key(false, keysym).await?;
        }
        if self.hand.buttons != 0 {
            self.point(0, self.hand.x, self.hand.y, (0, 0)).await?;
        }
        Ok(())
    }

    /// BinaryClipboard with one entry. The type is exactly this: with a character set KasmVNC mangles it.
    async fn copy(&mut self, text: &str) -> Result<(), RfbError> {
        let kind = b"text/plain";
        let mut bytes = vec![180, 1, 10];
        bytes.extend_from_slice(kind);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        self.stream.send(&bytes).await?;
        self.round_trip().await
    }

    /// Nothing stays held down, and nothing that was sent is lost.
    async fn leave(&mut self) -> Result<(), RfbError> {
        self.let_go().await?;
        self.round_trip().await?;
        self.stream.close().await;
        Ok(())
    }
}

/// Tells the caller; an error goes on to the task as well.
fn answer<T>(
    reply: oneshot::Sender<Result<T, RfbError>>,
    result: Result<T, RfbError>,
) -> Result<(), RfbError> {
    let ended = result.as_ref().map(|_| ()).map_err(Clone::clone);
    // Nobody may be waiting any more.
    let _unheard = reply.send(result);
    ended
}
