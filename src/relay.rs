//! Mailboxes that programs in a session post to, for output that cannot be downloaded.
//!
//! A mailbox has a one-time token of 256 random bits, accepts chunks in order up to a limit, and ends with its
//! reader. A token opens only its own mailbox.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::bounded_map::{BoundedMap, Evict};
use crate::token::{self, Hash};

/// The most open mailboxes.
const MAILBOXES_MAX: usize = 1_000;
/// The most memory of all unread chunks together, in units of [`UNIT_BYTES`].
const MEMORY_UNITS: usize = 64;
const UNIT_BYTES: u64 = 1 << 20;

/// All mailboxes of a server.
pub struct Relay {
    /// The URL at which sessions reach the relay, such as `https://mcp.example.org/relay`.
    url: String,
    open: BoundedMap<Hash, Mutex<Entry>>,
    memory: Arc<Semaphore>,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Entry {
    pieces: mpsc::Sender<Piece>,
    /// How many more bytes are accepted.
    room: u64,
    last: Option<u64>,
    busy: bool,
    expires: Instant,
}

impl Evict for Entry {
    fn is_idle(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// One posted piece.
#[derive(Debug)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// The reading end. Dropping it voids the token.
#[derive(Debug)]
pub struct Mailbox {
    relay: Arc<Relay>,
    key: Hash,
    url: SecretString,
    pieces: mpsc::Receiver<Piece>,
}

/// Why a post is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token is unknown or expired.
    Unknown,
    /// More than the mailbox accepts.
    TooLarge,
    /// Another post to it is in progress, or this one is out of order.
    OutOfOrder,
}

/// An accepted post, whose body may be read.
#[derive(Debug)]
pub struct Posting {
    mailbox: Arc<Mutex<Entry>>,
    offset: Option<u64>,
    memory: Option<OwnedSemaphorePermit>,
}

impl Relay {
    /// A relay that sessions reach at `url`.
    #[must_use]
    pub fn new(url: String) -> Arc<Self> {
        Arc::new(Self {
            url,
            open: BoundedMap::new(MAILBOXES_MAX),
            memory: Arc::new(Semaphore::new(MEMORY_UNITS)),
        })
    }

    /// Opens a mailbox for `bytes_max` bytes until `expires`. None if there are too many.
    #[must_use]
    pub fn open(self: &Arc<Self>, bytes_max: u64, expires: Instant) -> Option<Mailbox> {
        let token = token::random();
        let key = Hash::of(&token);
        let (sender, pieces) = mpsc::channel(4);
        let entry = Entry {
            pieces: sender,
            room: bytes_max,
            last: None,
            busy: false,
            expires,
        };
        self.open.get_or_insert(key, || Mutex::new(entry))?;
        Some(Mailbox {
            relay: self.clone(),
            key,
            url: SecretString::from(format!("{}/{token}", self.url)),
            pieces,
        })
    }

    /// Begins a post of `length` bytes at `offset` of the whole output; a post without an offset is a greeting
    /// that only shows that posts arrive. None: this chunk was received before.
    ///
    /// # Errors
    /// The post is refused.
    pub async fn begin(
        &self,
        token: &str,
        offset: Option<u64>,
        length: u64,
    ) -> Result<Option<Posting>, Refusal> {
        let mailbox = self.open.get(&Hash::of(token)).ok_or(Refusal::Unknown)?;
        {
            let mut entry = mailbox.lock();
            if entry.is_idle() {
                return Err(Refusal::Unknown);
            }
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
            mailbox,
            offset,
            memory: None,
        };
        let units = u32::try_from(length.div_ceil(UNIT_BYTES).max(1)).unwrap_or(u32::MAX);
        // The semaphore is never closed, so `acquire` cannot fail.
        let memory = self.memory.clone().acquire_many_owned(units).await;
        posting.memory = memory.ok();
        Ok(Some(posting))
    }
}

impl Posting {
    /// Hands the piece to the reader.
    ///
    /// # Errors
    /// The mailbox was closed meanwhile.
    pub async fn deliver(mut self, bytes: Bytes) -> Result<(), Refusal> {
        let sender = self.mailbox.lock().pieces.clone();
        let length = bytes.len() as u64;
        let memory = self.memory.take().ok_or(Refusal::Unknown)?;
        let piece = Piece {
            bytes,
            _memory: memory,
        };
        sender.send(piece).await.map_err(|_| Refusal::Unknown)?;
        let mut entry = self.mailbox.lock();
        entry.last = self.offset.or(entry.last);
        entry.room = entry.room.saturating_sub(length);
        drop(entry);
        Ok(())
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.mailbox.lock().busy = false;
    }
}

impl Mailbox {
    /// The URL to post to: a secret.
    #[must_use]
    pub fn url(&self) -> &SecretString {
        &self.url
    }

    /// Receives the next chunk.
    pub async fn next(&mut self) -> Option<Piece> {
        self.pieces.recv().await
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.relay.open.remove(&self.key);
    }
}
