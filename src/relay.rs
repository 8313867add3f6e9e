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
use crate::token::{self, TokenHash};

/// The most open mailboxes.
const MAILBOXES_MAX: usize = 1_000;
/// The most memory of all unread chunks together, in units of [`UNIT_BYTES`].
const MEMORY_UNITS: usize = 64;
const UNIT_BYTES: u64 = 1 << 20;

/// All mailboxes of a server.
pub struct OutputRelay {
    /// The URL at which sessions reach the relay, such as `https://mcp.example.org/relay`.
    url: String,
    open: BoundedMap<TokenHash, Mutex<MailboxEntry>>,
    memory: Arc<Semaphore>,
}

impl fmt::Debug for OutputRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct MailboxEntry {
    pieces: mpsc::Sender<RelayChunk>,
    /// How many more bytes are accepted.
    room: u64,
    last: Option<u64>,
    busy: bool,
    expires: Instant,
}

impl Evict for MailboxEntry {
    fn is_idle(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// One posted piece.
#[derive(Debug)]
pub struct RelayChunk {
    /// Its bytes.
    pub bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// The reading end. Dropping it voids the token.
#[derive(Debug)]
pub struct RelayMailbox {
    relay: Arc<OutputRelay>,
    key: TokenHash,
    url: SecretString,
    pieces: mpsc::Receiver<RelayChunk>,
}

/// Why a post is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRefusal {
    /// The token is unknown or expired.
    Unknown,
    /// More than the mailbox accepts.
    TooLarge,
    /// Another post to it is in progress, or this one is out of order.
    OutOfOrder,
}

/// An accepted post, whose body may be read.
#[derive(Debug)]
pub struct RelayPosting {
    mailbox: Arc<Mutex<MailboxEntry>>,
    offset: Option<u64>,
    memory: Option<OwnedSemaphorePermit>,
}

impl OutputRelay {
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
    pub fn open_mailbox(
        self: &Arc<Self>,
        bytes_max: u64,
        expires: Instant,
    ) -> Option<RelayMailbox> {
        let token = token::random_token();
        let key = TokenHash::of_token(&token);
        // Short on purpose: a post waits while its reader is behind, and so does the wrapper.
        let (sender, pieces) = mpsc::channel(4);
        let entry = MailboxEntry {
            pieces: sender,
            room: bytes_max,
            last: None,
            busy: false,
            expires,
        };
        self.open.get_or_insert(key, || Mutex::new(entry))?;
        Some(RelayMailbox {
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
    pub async fn begin_posting(
        &self,
        token: &str,
        offset: Option<u64>,
        length: u64,
    ) -> Result<Option<RelayPosting>, RelayRefusal> {
        let mailbox = self
            .open
            .get(&TokenHash::of_token(token))
            .ok_or(RelayRefusal::Unknown)?;
        {
            let mut entry = mailbox.lock();
            if entry.is_idle() {
                return Err(RelayRefusal::Unknown);
            }
            // The wrapper posts a piece again when the answer was lost. Accepting it twice would repeat its
            // bytes.
            if offset.is_some() && entry.last == offset {
                return Ok(None);
            }
            if entry.busy || (offset.is_some() && entry.last > offset) {
                return Err(RelayRefusal::OutOfOrder);
            }
            // A wait for more units than there are would never end.
            if length > entry.room || length > UNIT_BYTES * MEMORY_UNITS as u64 {
                return Err(RelayRefusal::TooLarge);
            }
            entry.busy = true;
        }
        // From here on `Drop` clears `busy`, also when the client hangs up during the wait for memory.
        let mut posting = RelayPosting {
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

impl RelayPosting {
    /// Hands the piece to the reader.
    ///
    /// # Errors
    /// The mailbox was closed meanwhile.
    pub async fn deliver_bytes(mut self, bytes: Bytes) -> Result<(), RelayRefusal> {
        // The lock is not held during the send: the map locks the entry too, to see whether it has expired.
        let sender = self.mailbox.lock().pieces.clone();
        let length = bytes.len() as u64;
        let memory = self.memory.take().ok_or(RelayRefusal::Unknown)?;
        let piece = RelayChunk {
            bytes,
            _memory: memory,
        };
        sender
            .send(piece)
            .await
            .map_err(|_| RelayRefusal::Unknown)?;
        let mut entry = self.mailbox.lock();
        // Noted only now: a piece whose post broke off may be posted again.
        entry.last = self.offset.or(entry.last);
        entry.room = entry.room.saturating_sub(length);
        drop(entry);
        Ok(())
    }
}

impl Drop for RelayPosting {
    fn drop(&mut self) {
        self.mailbox.lock().busy = false;
    }
}

impl RelayMailbox {
    /// The URL to post to: a secret.
    #[must_use]
    pub fn posting_url(&self) -> &SecretString {
        &self.url
    }

    /// Receives the next chunk.
    pub async fn next_chunk(&mut self) -> Option<RelayChunk> {
        self.pieces.recv().await
    }
}

impl Drop for RelayMailbox {
    fn drop(&mut self) {
        self.relay.open.remove(&self.key);
    }
}
