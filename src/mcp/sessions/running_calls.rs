//! The calls of a session while they run: the client cancels them by their ids, and answers their questions.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, RequestId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::McpSession;

/// The most server requests per session that wait for the client's answer.
const QUESTIONS_MAX: usize = 256;

/// The requests of a session in progress.
#[derive(Debug, Default)]
pub(super) struct RunningCalls {
    running: HashMap<RequestId, RunningCall>,
    /// Server requests: the id in the session, the call that sent it, and the call's own id for it.
    asked: HashMap<i64, (RequestId, RequestId)>,
    next_question: i64,
}

#[derive(Debug)]
struct RunningCall {
    /// Boxed, like the messages of a [`SessionOutbox`].
    // Unbounded, but it only carries answers to open questions, of which there are at most `QUESTIONS_MAX`.
    /// None: the call asks nothing.
    inbox: Option<mpsc::UnboundedSender<Box<ClientJsonRpcMessage>>>,
    cancelled: CancellationToken,
}

impl RunningCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn cancel_call(&mut self, id: &RequestId) {
        if let Some(call) = self.running.remove(id) {
            call.cancelled.cancel();
        }
    }

    pub(super) fn cancel_all(&mut self) {
        for (_, call) in self.running.drain() {
            call.cancelled.cancel();
        }
    }

    pub(super) fn add_question(&mut self, call: &RequestId, own: RequestId) -> Option<RequestId> {
        if self.asked.len() >= QUESTIONS_MAX {
            return None;
        }
        self.next_question += 1;
        self.asked.insert(self.next_question, (call.clone(), own));
        Some(RequestId::Number(self.next_question))
    }

    /// Removes a server request. Returns its id in the session, if it was open.
    pub(super) fn withdraw_question(
        &mut self,
        call: &RequestId,
        own: &RequestId,
    ) -> Option<RequestId> {
        let mut open = self.asked.iter();
        let number = *open
            .find(|(_, question)| question.0 == *call && question.1 == *own)?
            .0;
        self.asked.remove(&number);
        Some(RequestId::Number(number))
    }

    /// Passes the client's answer to the call that sent the request, under the call's own id.
    pub(super) fn take_answer(
        &mut self,
        question: &RequestId,
        answer: impl FnOnce(RequestId) -> ClientJsonRpcMessage,
    ) -> bool {
        let RequestId::Number(number) = question else {
            return false;
        };
        // Removed before it is passed on: a second answer to the same question finds nothing.
        let Some((call, own)) = self.asked.remove(number) else {
            return false;
        };
        self.running
            .get(&call)
            .and_then(|running| running.inbox.as_ref())
            .is_some_and(|inbox| inbox.send(Box::new(answer(own))).is_ok())
    }

    fn finish_call(&mut self, id: &RequestId) {
        self.running.remove(id);
        // A late answer must not reach a later call that uses the same id.
        self.asked.retain(|_, (call, _)| call != id);
    }
}

/// A request with this id is still in progress.
#[derive(Debug, thiserror::Error)]
#[error("a request with the same id is still being answered")]
pub struct DuplicateId;

/// A call of a session while it runs: the client can cancel it by its id, and the session is in use. The id is free
/// again when this is dropped.
#[derive(Debug)]
pub struct SessionCall {
    pub(super) session: Arc<McpSession>,
    pub(super) id: RequestId,
    cancelled: CancellationToken,
}

impl SessionCall {
    /// Begins a call that asks the client nothing.
    ///
    /// # Errors
    /// The id is in use.
    pub fn begin(session: Arc<McpSession>, id: &RequestId) -> Result<Self, DuplicateId> {
        Self::with_inbox(session, id, None)
    }

    pub(super) fn with_inbox(
        session: Arc<McpSession>,
        id: &RequestId,
        inbox: Option<mpsc::UnboundedSender<Box<ClientJsonRpcMessage>>>,
    ) -> Result<Self, DuplicateId> {
        // A child: the end of the session cancels the call, but the end of the call leaves the session alone.
        let cancelled = session.ended.child_token();
        let running = RunningCall {
            inbox,
            cancelled: cancelled.clone(),
        };
        {
            // One lock for check and insertion: two POSTs with the same id cannot both start.
            let mut calls = session.lock_calls();
            if calls.running.contains_key(id) {
                return Err(DuplicateId);
            }
            calls.running.insert(id.clone(), running);
        }
        Ok(Self {
            session,
            id: id.clone(),
            cancelled,
        })
    }

    /// Fires when the call is to be given up.
    #[must_use]
    pub fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }
}

impl Drop for SessionCall {
    fn drop(&mut self) {
        self.session.lock_calls().finish_call(&self.id);
    }
}
