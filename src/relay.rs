//! Mailboxes that programs inside a workspace post to, where results cannot be fetched.
//!
//! A mailbox has a one-time token of 256 random bits, takes pieces in order up to a bound, and is gone
//! with its reader. A token opens its own mailbox and nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::token::{self, Hash};

/// Mailboxes open at a time.
const MAILBOXES_MAX: usize = 1_000;
/// What all pieces that wait to be read may take together, in units of [`UNIT_BYTES`].
const MEMORY_UNITS: usize = 64;
const UNIT_BYTES: u64 = 1 << 20;

/// All mailboxes of a server.
pub struct Relay {
    /// Where the workspaces reach this server, such as `https://mcp.example.org/relay`.
    url: String,
    open: Mutex<HashMap<Hash, Entry>>,
    memory: Arc<Semaphore>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

struct Entry {
    pieces: mpsc::Sender<Piece>,
    /// How many bytes may still come.
    room: u64,
    last: Option<u64>,
    busy: bool,
    expires: Instant,
}

/// One posted piece.
#[derive(Debug)]
pub struct Piece {
    /// What was posted.
    pub bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// The reading end. Dropping it ends the token.
#[derive(Debug)]
pub struct Mailbox {
    relay: Arc<Relay>,
    key: Hash,
    url: SecretString,
    pieces: mpsc::Receiver<Piece>,
}

/// Why a post was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No mailbox has this token, any more.
    Unknown,
    /// More than the mailbox takes.
    TooLarge,
    /// Another post to it is under way, or this one is out of order.
    OutOfOrder,
}

/// A post that may be read.
#[derive(Debug)]
pub struct Posting<'a> {
    relay: &'a Relay,
    key: Hash,
    offset: Option<u64>,
    memory: Option<OwnedSemaphorePermit>,
}

impl Relay {
    /// A relay that workspaces reach at `url`.
    #[must_use]
    pub fn new(url: String) -> Arc<Self> {
        Arc::new(Self {
            url,
            open: Mutex::default(),
            memory: Arc::new(Semaphore::new(MEMORY_UNITS)),
        })
    }

    fn boxes(&self) -> MutexGuard<'_, HashMap<Hash, Entry>> {
        self.open.lock()
    }

    /// Opens a mailbox for `bytes_max` bytes until `expires`. None if there are too many.
    #[must_use]
    pub fn open(self: &Arc<Self>, bytes_max: u64, expires: Instant) -> Option<Mailbox> {
        let token = token::random();
        let key = Hash::of(&token);
        let (sender, pieces) = mpsc::channel(4);
        let mut boxes = self.boxes();
        let now = Instant::now();
        boxes.retain(|_, entry| entry.expires > now);
        if boxes.len() >= MAILBOXES_MAX {
            return None;
        }
        let entry = Entry {
            pieces: sender,
            room: bytes_max,
            last: None,
            busy: false,
            expires,
        };
        boxes.insert(key, entry);
        Some(Mailbox {
            relay: self.clone(),
            key,
            url: SecretString::from(format!("{}/{token}", self.url)),
            pieces,
        })
    }

    /// Begins a post of `length` bytes that starts at `offset` of all that is posted; without an offset it
    /// is a greeting that only shows that posts arrive. None: this piece was taken before.
    ///
    /// # Errors
    /// It is not taken.
    pub async fn begin(
        &self,
        token: &str,
        offset: Option<u64>,
        length: u64,
    ) -> Result<Option<Posting<'_>>, Refusal> {
        let key = Hash::of(token);
        {
            let mut boxes = self.boxes();
            let now = Instant::now();
            let entry = boxes.get_mut(&key).filter(|entry| entry.expires > now);
            let entry = entry.ok_or(Refusal::Unknown)?;
            if offset.is_some() && entry.last == offset {
                return Ok(None);
            }
            if entry.busy || (offset.is_some() && entry.last > offset) {
                return Err(Refusal::OutOfOrder);
            }
            if length > entry.room || length > UNIT_BYTES * MEMORY_UNITS as u64 {
                return Err(Refusal::TooLarge);
            }
            entry.busy = true;
        }
        let mut posting = Posting {
            relay: self,
            key,
            offset,
            memory: None,
        };
        let units = u32::try_from(length.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        // It is never closed.
        let memory = self.memory.clone().acquire_many_owned(units).await;
        posting.memory = memory.ok();
        Ok(Some(posting))
    }
}

impl Posting<'_> {
    /// Hands the piece to the reader.
    ///
    /// # Errors
    /// The mailbox is gone meanwhile.
    pub async fn deliver(mut self, bytes: Bytes) -> Result<(), Refusal> {
        let sender = {
            let boxes = self.relay.boxes();
            boxes.get(&self.key).map(|entry| entry.pieces.clone())
        };
        let length = bytes.len() as u64;
        let (Some(sender), Some(memory)) = (sender, self.memory.take()) else {
            return Err(Refusal::Unknown);
        };
        let piece = Piece {
            bytes,
            _memory: memory,
        };
        sender.send(piece).await.map_err(|_| Refusal::Unknown)?;
        if let Some(entry) = self.relay.boxes().get_mut(&self.key) {
            entry.last = self.offset.or(entry.last);
            entry.room = entry.room.saturating_sub(length);
        }
        Ok(())
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.relay.boxes().get_mut(&self.key) {
            entry.busy = false;
        }
    }
}

impl Mailbox {
    /// Where to post to: a secret.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// The next piece.
    pub async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.relay.boxes().remove(&self.key);
    }
}
