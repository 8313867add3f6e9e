//! A connected desktop: a task that owns the connection and does what it is asked, one thing after the
//! other.

mod clipboard;
mod input;
mod locks;
mod picture;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

pub use clipboard::{CLIPBOARD_BYTES_MAX, Clipboard};
pub use input::Input;

use super::RfbError;
use super::connect::Connection;
use super::message::{Canvas, LED_STATE};
use super::screen::Screen;
use super::stream::Stream;
use crate::metrics::Counting;
use clipboard::COPIED_KEPT;
use input::Hand;

/// How long taking leave may take.
const LEAVE: Duration = Duration::from_secs(2);
/// Orders that wait.
const ORDERS_MAX: usize = 16;

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
    /// See [`RfbError`].
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
    /// See [`RfbError`].
    pub async fn copy(&self, text: String) -> Result<(), RfbError> {
        self.order(|reply| Order::Copy(text, reply)).await
    }

    /// What was copied last.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn copied(&self) -> Result<Clipboard, RfbError> {
        self.order(Order::Copied).await
    }
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

    /// Pixels of four bytes, blue first; ZRLE or raw; other sizes and the lights of the locks are understood. No cursor encoding, so
    /// that the pointer is in the picture.
    async fn set_up(&mut self) -> Result<(), RfbError> {
        let mut bytes = vec![
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ];
        bytes.extend([2, 0, 0, 4]);
        for encoding in [16_i32, 0, -223, LED_STATE] {
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

    /// Nothing stays held down, and nothing that was sent is lost.
    async fn leave(&mut self) -> Result<(), RfbError> {
        self.let_go().await?;
        self.restore_locks().await?;
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
