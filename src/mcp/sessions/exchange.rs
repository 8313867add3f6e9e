//! One request and its answer: an rmcp service that lives as long as the request.
//!
//! Requests of the server to the client (elicitation, sampling, roots) get an id that is unique in the session,
//! so that the client's answer, which arrives in another POST, reaches the right call.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions,
    InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, ServerJsonRpcMessage,
    ServerNotification,
};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::running_calls::{DuplicateId, SessionCall};
use super::{McpSession, SessionOutbox};

/// Marks a request whose client reads only the answer, so it cannot be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoStreaming;

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
    let call = SessionCall::with_inbox(session.clone(), &request.id, Some(inbox))?;
    let cancelled = call.cancelled();
    let mut transport = CallTransport::new(request, outbox, cancelled.clone());
    transport.in_session = Some(call);
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
    in_session: Option<SessionCall>,
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
            in_session: None,
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

    /// Gives a question of the server, or its withdrawal, the id in the session. None: the question cannot be
    /// asked, or the withdrawn one was never asked.
    fn outgoing_message(&self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        match message {
            JsonRpcMessage::Request(mut question) => {
                let call = self.in_session.as_ref()?;
                let mut calls = call.session.lock_calls();
                question.id = calls.add_question(&call.id, question.id.clone())?;
                Some(JsonRpcMessage::Request(question))
            }
            JsonRpcMessage::Notification(mut notification) => {
                if let ServerNotification::CancelledNotification(cancelled) =
                    &mut notification.notification
                {
                    let call = self.in_session.as_ref()?;
                    let own = cancelled.params.request_id.take()?;
                    let mut calls = call.session.lock_calls();
                    cancelled.params.request_id = Some(calls.withdraw_question(&call.id, &own)?);
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
            drop(self.in_session.take());
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
