//! One request and its answer: an rmcp service that lives as long as the request.
//!
//! Requests of the server to the client (elicitation, sampling, roots) get an id that is unique in the session,
//! so that the client's answer, which arrives in another POST, reaches the right call.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions,
    InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, RequestId, ServerJsonRpcMessage,
    ServerNotification,
};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{McpSession, SessionOutbox};

/// The most server requests per session that wait for the client's answer.
const QUESTIONS_MAX: usize = 256;

/// Marks a request whose client reads only the answer, so it cannot be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoStreaming;

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
    inbox: mpsc::UnboundedSender<Box<ClientJsonRpcMessage>>,
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

    fn add_question(&mut self, call: &RequestId, own: RequestId) -> Option<RequestId> {
        if self.asked.len() >= QUESTIONS_MAX {
            return None;
        }
        self.next_question += 1;
        self.asked.insert(self.next_question, (call.clone(), own));
        Some(RequestId::Number(self.next_question))
    }

    /// Removes a server request. Returns its id in the session, if it was open.
    fn withdraw_question(&mut self, call: &RequestId, own: &RequestId) -> Option<RequestId> {
        let mut open = self.asked.iter();
        let number = *open
            .find(|(_, question)| question.0 == *call && question.1 == *own)?
            .0;
        self.asked.remove(&number);
        Some(RequestId::Number(number))
    }

    /// Passes the client's answer to the call that sent the request, under the call's own id.
    fn take_answer(
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
            .is_some_and(|running| running.inbox.send(Box::new(answer(own))).is_ok())
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

/// Starts to answer `request` for the client of `session`. Messages go to `outbox`, the answer last. The work
/// continues if the receiving end is dropped.
///
/// # Errors
/// If the id is in use.
pub fn start_in_session(
    session: &Arc<McpSession>,
    server: &dyn CallServer,
    mut request: JsonRpcRequest<ClientRequest>,
    outbox: SessionOutbox,
) -> Result<CancellationToken, DuplicateId> {
    if needs_session(&request.request) {
        request.request.extensions_mut().insert(session.clone());
    }
    let (inbox, messages) = mpsc::unbounded_channel();
    // A child: the end of the session cancels the call, but the end of the call leaves the session alone.
    let cancelled = session.ended.child_token();
    let id = request.id.clone();
    {
        // One lock for check and insertion: two POSTs with the same id cannot both start.
        let mut calls = session.lock_calls();
        if calls.running.contains_key(&id) {
            return Err(DuplicateId);
        }
        calls.running.insert(
            id.clone(),
            RunningCall {
                inbox,
                cancelled: cancelled.clone(),
            },
        );
    }
    let mut transport = CallTransport::new(request, outbox, cancelled.clone());
    transport.session = Some((session.clone(), id));
    transport.inbox = Some(messages);
    server.serve_call(
        transport,
        InitializeRequestParams::clone(&session.client_info()),
    );
    Ok(cancelled)
}

/// Whether the handler needs the session: a request changes its subscriptions, or is a call, whose tool may keep
/// something for the conversation.
fn needs_session(request: &ClientRequest) -> bool {
    matches!(
        request,
        ClientRequest::CallToolRequest(_)
            | ClientRequest::ListToolsRequest(_)
            | ClientRequest::ListResourcesRequest(_)
            | ClientRequest::SubscribeRequest(_)
            | ClientRequest::UnsubscribeRequest(_)
    )
}

/// Starts to answer a request that belongs to no session. The server cannot ask back.
pub fn start_sessionless(
    server: &dyn CallServer,
    client: InitializeRequestParams,
    request: JsonRpcRequest<ClientRequest>,
    outbox: SessionOutbox,
) -> CancellationToken {
    let cancelled = CancellationToken::new();
    let transport = CallTransport::new(request, outbox, cancelled.clone());
    server.serve_call(transport, client);
    cancelled
}

/// Takes a message that is no request: an answer to a question, or a notification.
pub fn accept_message(session: &McpSession, message: ClientJsonRpcMessage) {
    let found = match message {
        JsonRpcMessage::Response(mut response) => {
            let id = response.id.clone();
            session.lock_calls().take_answer(&id, |own| {
                response.id = own;
                JsonRpcMessage::Response(response)
            })
        }
        JsonRpcMessage::Error(mut error) => error.id.clone().is_some_and(|id| {
            session.lock_calls().take_answer(&id, |own| {
                error.id = Some(own);
                JsonRpcMessage::Error(error)
            })
        }),
        JsonRpcMessage::Notification(notification) => {
            if let ClientNotification::CancelledNotification(cancelled) = notification.notification
                && let Some(id) = cancelled.params.request_id
            {
                session.cancel_call(&id);
            }
            // The other notifications (initialized, progress, changed roots) have no effect here.
            true
        }
        JsonRpcMessage::Request(_) => false,
    };
    if !found {
        tracing::debug!("received an answer to an unknown request");
    }
}

/// Runs rmcp's service for one request: a handler whose type is not known here.
pub trait CallServer: Send + Sync {
    /// Starts a service that reads from `transport` and answers on it.
    fn serve_call(&self, transport: CallTransport, client: InitializeRequestParams);
}

/// What an rmcp service reads from and writes to while it answers one request.
#[derive(Debug)]
pub struct CallTransport {
    first: Option<ClientJsonRpcMessage>,
    inbox: Option<mpsc::UnboundedReceiver<Box<ClientJsonRpcMessage>>>,
    outbox: SessionOutbox,
    session: Option<(Arc<McpSession>, RequestId)>,
    cancelled: CancellationToken,
    answered: CancellationToken,
    service: ServiceHandle,
}

/// Keeps a running service. rmcp stops a service when its handle is dropped, so the transport of a service
/// has it: the service lives until it drops its own transport.
#[derive(Clone, Debug, Default)]
pub struct ServiceHandle(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl ServiceHandle {
    /// Keeps `service`. If it has ended already, this is the last reference and nothing is kept.
    pub fn keep_service(&self, service: impl Any + Send) {
        *self.0.lock() = Some(Box::new(service));
    }
}

impl CallTransport {
    /// A transport of a request that belongs to no session.
    fn new(
        request: JsonRpcRequest<ClientRequest>,
        outbox: SessionOutbox,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            first: Some(ClientJsonRpcMessage::Request(request)),
            inbox: None,
            outbox,
            session: None,
            cancelled,
            answered: CancellationToken::new(),
            service: ServiceHandle::default(),
        }
    }

    /// Fires when the call is to be given up.
    #[must_use]
    pub fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }

    /// Where the service that reads from here is kept.
    #[must_use]
    pub fn service_handle(&self) -> ServiceHandle {
        self.service.clone()
    }

    fn finish_in_session(&mut self) {
        // Taken: a later request with the same id must not be finished by this one's end.
        if let Some((session, id)) = self.session.take() {
            session.lock_calls().finish_call(&id);
        }
    }

    /// Gives a question of the server, or its withdrawal, the id in the session. None: the question cannot be
    /// asked, or the withdrawn one was never asked.
    fn outgoing_message(&self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        match message {
            JsonRpcMessage::Request(mut question) => {
                let (session, call) = self.session.as_ref()?;
                question.id = session
                    .lock_calls()
                    .add_question(call, question.id.clone())?;
                Some(JsonRpcMessage::Request(question))
            }
            JsonRpcMessage::Notification(mut notification) => {
                if let ServerNotification::CancelledNotification(cancelled) =
                    &mut notification.notification
                {
                    let (session, call) = self.session.as_ref()?;
                    let own = cancelled.params.request_id.take()?;
                    cancelled.params.request_id =
                        Some(session.lock_calls().withdraw_question(call, &own)?);
                }
                Some(JsonRpcMessage::Notification(notification))
            }
            other @ (JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)) => Some(other),
        }
    }
}

impl Drop for CallTransport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("answering a request failed");
        }
        // Here too, so that the id is free again however the service ended.
        self.finish_in_session();
    }
}

impl Transport<RoleServer> for CallTransport {
    type Error = Infallible;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        let last = matches!(
            message,
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
        );
        // A cancelled request gets no answer.
        let message = if self.cancelled.is_cancelled() {
            None
        } else {
            self.outgoing_message(message)
        };
        // Before the client can have the answer: its next request may use the same id.
        if last {
            self.finish_in_session();
        }
        let outbox = self.outbox.clone();
        let answered = self.answered.clone();
        async move {
            if let Some(message) = message {
                // The client may have disconnected; the work continues.
                let _gone = outbox.send(Box::new(message)).await;
            }
            if last {
                answered.cancel();
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match &mut self.inbox {
            Some(inbox) => tokio::select! {
                // None ends the service of rmcp, which lives for one answer.
                () = self.answered.cancelled() => None,
                // The sender is dropped only when the call is cancelled, which ends the service.
                Some(message) = inbox.recv() => Some(*message),
            },
            None => {
                self.answered.cancelled().await;
                None
            }
        }
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
