//! MCP sessions of the revisions before 2026-07-28, for Streamable HTTP and HTTP+SSE.
//!
//! rmcp keeps a running service (about 50 KB) for every session, without a limit, an owner, or an expiry that
//! considers open streams. Here a session is a record of about 1 KB: its owner and the client's capabilities.
//! An rmcp service runs only while a request is answered ([`exchange`]).

pub mod exchange;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use data_encoding::HEXLOWER;
use parking_lot::{Mutex, MutexGuard};
use rmcp::model::{InitializeRequestParams, RequestId, ServerJsonRpcMessage};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::watched_changes::WatchedChanges;
use crate::caller::{Caller, ToolFilter};
use crate::random;
use exchange::RunningCalls;

/// The id of a session: 128 random bits as hex digits.
pub type SessionId = Arc<str>;

/// Sends messages to a client. Boxed, because a channel reserves space for 32 messages.
pub type SessionOutbox = mpsc::Sender<Box<ServerJsonRpcMessage>>;

/// How many messages wait for a slow client before the sender waits too.
pub const OUTBOX_MESSAGES: usize = 16;

/// All MCP sessions. Their ids are not credentials: every use is checked against the caller.
#[derive(Debug)]
pub struct McpSessions {
    // Locked before the calls of a session, never while they are locked.
    open: Mutex<HashMap<SessionId, Arc<McpSession>>>,
    limits: SessionLimits,
    epoch: Instant,
}

/// Limits of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The most sessions.
    pub all_max: usize,
    /// The most sessions per caller.
    pub per_caller_max: usize,
    /// How long an unused session is kept.
    pub idle: Duration,
}

/// One session.
#[derive(Debug)]
pub struct McpSession {
    /// The session's id.
    pub id: SessionId,
    /// Cancelled when the session ends.
    pub ended: CancellationToken,
    /// What the client has subscribed to.
    pub watched: WatchedChanges,
    owner: Arc<str>,
    client: Mutex<Arc<InitializeRequestParams>>,
    calls: Mutex<RunningCalls>,
    /// The single stream of HTTP+SSE. In Streamable HTTP, each request has its own answer.
    outbox: Mutex<Option<SessionOutbox>>,
    /// The tool filter that the stream was opened with.
    reach: OnceLock<ToolFilter>,
    streams: AtomicUsize,
    /// The number of the stream that carries the notifications.
    notification_stream: AtomicU64,
    used_ms: AtomicU64,
}

/// Every session is in use, so none can be closed for a new one.
#[derive(Debug, thiserror::Error)]
#[error("too many sessions are in use")]
pub struct TooManySessions;

impl McpSessions {
    /// Creates an empty set.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            open: Mutex::new(HashMap::new()),
            limits,
            epoch: Instant::now(),
        }
    }

    /// Opens a session for `caller`. At a limit, the least recently used session of this caller is closed; its
    /// client gets "not found" and initializes again.
    ///
    /// # Errors
    /// Every session of the caller is in use.
    pub fn open_session(
        &self,
        caller: &Caller,
        client: InitializeRequestParams,
    ) -> Result<Arc<McpSession>, TooManySessions> {
        let session = Arc::new(McpSession {
            id: random_id(),
            ended: CancellationToken::new(),
            watched: WatchedChanges::default(),
            owner: caller.owner_key().clone(),
            client: Mutex::new(Arc::new(client)),
            calls: Mutex::default(),
            outbox: Mutex::default(),
            reach: OnceLock::new(),
            streams: AtomicUsize::new(0),
            notification_stream: AtomicU64::new(0),
            used_ms: AtomicU64::new(self.now_ms()),
        });
        let mut open = self.lock_open();
        // Counting is linear, so it is done only close to a limit.
        if open.len() >= self.limits.per_caller_max.min(self.limits.all_max) {
            let own = || open.values().filter(|other| other.owner == session.owner);
            if open.len() >= self.limits.all_max || own().count() >= self.limits.per_caller_max {
                // Only sessions of this caller: one caller must not end the sessions of another one.
                let unused = own().filter(|other| other.is_unused());
                let oldest = unused.min_by_key(|other| other.used_ms.load(Ordering::Relaxed));
                let oldest = oldest
                    .map(|other| other.id.clone())
                    .ok_or(TooManySessions)?;
                if let Some(evicted) = open.remove(&oldest) {
                    evicted.ended.cancel();
                }
            }
        }
        open.insert(session.id.clone(), session.clone());
        Ok(session)
    }

    /// The caller's session with this id. Counts as use.
    #[must_use]
    pub fn find_session(&self, id: &str, caller: &Caller) -> Option<Arc<McpSession>> {
        let session = self
            .lock_open()
            .get(id)
            // A foreign session is answered like an unknown one, so ids cannot be probed.
            .filter(|session| session.owner == *caller.owner_key())
            .cloned()?;
        session.used_ms.store(self.now_ms(), Ordering::Relaxed);
        Some(session)
    }

    /// Ends a session of the caller. False if it does not exist.
    pub fn close_session(&self, id: &str, caller: &Caller) -> bool {
        let mut open = self.lock_open();
        if open
            .get(id)
            .is_none_or(|session| session.owner != *caller.owner_key())
        {
            return false;
        }
        let session = open.remove(id);
        drop(open);
        if let Some(session) = session {
            session.ended.cancel();
            session.lock_calls().cancel_all();
        }
        true
    }

    /// Ends the sessions that were unused for the idle time. Open streams and running calls count as use.
    pub fn end_idle(&self) {
        let idle_ms = u64::try_from(self.limits.idle.as_millis()).unwrap_or(u64::MAX);
        let now_ms = self.now_ms();
        self.lock_open().retain(|_, session| {
            if !session.is_unused() {
                // In use: the idle time begins when the last stream or call has ended, not when it began.
                session.used_ms.store(now_ms, Ordering::Relaxed);
                return true;
            }
            let kept = now_ms.saturating_sub(session.used_ms.load(Ordering::Relaxed)) < idle_ms;
            if !kept {
                session.ended.cancel();
            }
            kept
        });
    }

    /// Calls [`Self::end_idle`] periodically, until the task is dropped.
    pub async fn end_idle_forever(&self) {
        // A quarter of the limit keeps the delay small. The bounds keep a short limit from busy waiting.
        let pause =
            (self.limits.idle / 4).clamp(Duration::from_millis(100), Duration::from_secs(60));
        loop {
            tokio::time::sleep(pause).await;
            self.end_idle();
        }
    }

    /// How many sessions are open.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.lock_open().len()
    }

    /// Ends all streams of sessions without a running call; called while the server drains.
    pub fn end_quiet(&self) {
        for session in self.lock_open().values() {
            // `ended` is the parent of the tokens of all calls, so it must not fire while one runs.
            if session.lock_calls().is_empty() {
                session.ended.cancel();
            }
        }
    }

    fn lock_open(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<McpSession>>> {
        self.open.lock()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl McpSession {
    /// What the client declared in its handshake.
    #[must_use]
    pub fn client_info(&self) -> Arc<InitializeRequestParams> {
        self.client.lock().clone()
    }

    /// Stores what the client declared in its handshake (HTTP+SSE opens the session earlier).
    pub fn set_client(&self, client: InitializeRequestParams) {
        *self.client.lock() = Arc::new(client);
    }

    /// Makes `outbox` the only stream (HTTP+SSE). All of its messages are limited to the tools of `reach`.
    pub fn attach_stream(&self, outbox: SessionOutbox, reach: &ToolFilter) {
        // A session of HTTP+SSE has one stream for its whole life, so the filter is set once.
        let _first = self.reach.set(reach.clone());
        *self.outbox.lock() = Some(outbox);
    }

    /// The stream for all messages, in HTTP+SSE.
    #[must_use]
    pub fn current_outbox(&self) -> Option<SessionOutbox> {
        self.outbox.lock().clone()
    }

    /// The caller of a message, limited to the tools that the stream was opened for.
    #[must_use]
    pub fn narrow_caller(&self, caller: &Caller) -> Caller {
        match self.reach.get() {
            Some(reach) => caller.clone().narrowed_by(reach),
            None => caller.clone(),
        }
    }

    /// Counts an open stream as use while the guard lives.
    #[must_use]
    pub fn hold_stream(self: &Arc<Self>) -> StreamGuard {
        self.streams.fetch_add(1, Ordering::Relaxed);
        StreamGuard(self.clone())
    }

    /// Makes a new stream the one that carries notifications. A client that opens another stream may have
    /// stopped reading the first one, and no notification may be sent twice.
    pub(super) fn become_notification_stream(&self) -> u64 {
        self.notification_stream.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no newer stream carries the notifications.
    pub(super) fn is_notification_stream(&self, turn: u64) -> bool {
        self.notification_stream.load(Ordering::Relaxed) == turn
    }

    /// Cancels the call with that id; its answer is not sent.
    pub fn cancel_call(&self, id: &RequestId) {
        self.lock_calls().cancel_call(id);
    }

    fn is_unused(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0 && self.lock_calls().is_empty()
    }

    fn lock_calls(&self) -> MutexGuard<'_, RunningCalls> {
        self.calls.lock()
    }
}

/// An open stream of a session.
#[derive(Debug)]
pub struct StreamGuard(Arc<McpSession>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

fn random_id() -> SessionId {
    HEXLOWER.encode(&random::bytes::<16>()).into()
}
