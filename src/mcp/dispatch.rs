//! The one way from a transport of HTTP to the handler of requests, whatever type the handler has.
//!
//! A transport hands a request in and reads its messages; sessions, services of rmcp and their ends are
//! matters of this module.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, InitializeRequestParams, JsonRpcMessage, JsonRpcRequest,
    RequestId, ServerJsonRpcMessage,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::direct::{DirectOutcome, DirectRequest, McpHandler};
use super::error_data::request_cancelled;
use super::sessions::exchange::{self, CallServer, CallTransport};
use super::sessions::{McpSession, McpSessions, OUTBOX_MESSAGES, SessionLimits, SessionOutbox};
use super::subscriptions::ChangeNotices;
use crate::caller::Caller;

pub use super::sessions::exchange::NoStreaming;
pub use super::sessions::running_calls::DuplicateId;

/// An answer of rmcp's transport.
pub type ModernResponse = http::Response<BoxBody<Bytes, std::convert::Infallible>>;

/// What all transports of HTTP share: the handler, the sessions of the older revisions, and what is sent to
/// clients unasked.
pub struct Dispatcher {
    handler: Arc<dyn AnyHandler>,
    sessions: Arc<McpSessions>,
    notices: Option<ChangeNotices>,
    cut_off: CancellationToken,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

/// An rmcp handler without its type. The only boundary of that kind, so that nothing in front of it is generic.
trait AnyHandler: CallServer {
    fn sends_headers(&self, tool: &str) -> Option<bool>;
    fn answer_modern(&self, request: http::Request<Full<Bytes>>) -> BoxFuture<'_, ModernResponse>;
    fn answer_directly(&self, request: DirectRequest) -> Result<DirectOutcome, DuplicateId>;
}

struct TypedHandler<H: McpHandler> {
    handler: H,
    modern: StreamableHttpService<H, NeverSessionManager>,
}

impl<H: McpHandler + Clone + Sync> CallServer for TypedHandler<H> {
    fn serve_call(&self, transport: CallTransport, client: InitializeRequestParams) {
        let (cancelled, handle) = (transport.cancelled(), transport.service_handle());
        let handler = self.handler.clone();
        let service = serve_directly_with_ct(handler, transport, Some(client), cancelled);
        // rmcp stops a service when its handle is dropped. The transport holds the handle, so both end
        // together.
        handle.keep_service(service);
    }
}

impl<H: McpHandler + Clone + Sync> AnyHandler for TypedHandler<H> {
    fn sends_headers(&self, tool: &str) -> Option<bool> {
        self.handler.sends_headers(tool)
    }

    fn answer_modern(&self, request: http::Request<Full<Bytes>>) -> BoxFuture<'_, ModernResponse> {
        Box::pin(self.modern.handle(request))
    }

    fn answer_directly(&self, request: DirectRequest) -> Result<DirectOutcome, DuplicateId> {
        self.handler.answer_directly(request)
    }
}

impl Dispatcher {
    /// A dispatcher to `handler`. Bodies that rmcp reads itself may have `body_bytes_max`.
    pub fn new<H: McpHandler + Clone + Sync>(
        handler: H,
        sessions: SessionLimits,
        body_bytes_max: usize,
    ) -> Self {
        let cut_off = CancellationToken::new();
        // Stateless, because this revision has no sessions; and one JSON object where one is enough.
        let mut config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_cancellation_token(cut_off.clone())
            // The guard in front of all surfaces has checked Host and Origin.
            .disable_allowed_hosts();
        config.max_request_body_bytes = body_bytes_max;
        let own = handler.clone();
        let modern = StreamableHttpService::new(move || Ok(own.clone()), Arc::default(), config);
        Self {
            handler: Arc::new(TypedHandler { handler, modern }),
            sessions: Arc::new(McpSessions::new(sessions)),
            notices: None,
            cut_off,
        }
    }

    /// Adds the notifications that the handler sends to clients.
    #[must_use]
    pub fn with_notices(mut self, notices: ChangeNotices) -> Self {
        self.notices = Some(notices);
        self
    }

    /// The sessions of the revisions before 2026-07-28.
    #[must_use]
    pub fn mcp_sessions(&self) -> &Arc<McpSessions> {
        &self.sessions
    }

    /// Whether clients send arguments of a tool as headers, too. None: the handler has no such tool.
    #[must_use]
    pub fn sends_headers(&self, tool: &str) -> Option<bool> {
        self.handler.sends_headers(tool)
    }

    /// Answers a request without a service of rmcp, if that is possible.
    ///
    /// # Errors
    /// A request of the session with this id is being answered already.
    pub fn answer_directly(&self, request: DirectRequest) -> Result<DirectOutcome, DuplicateId> {
        self.handler.answer_directly(request)
    }

    /// Lets rmcp's own transport answer a request of revision 2026-07-28.
    pub async fn answer_modern(&self, request: http::Request<Full<Bytes>>) -> ModernResponse {
        self.handler.answer_modern(request).await
    }

    /// Starts to answer a request of a session.
    ///
    /// # Errors
    /// A request with this id is being answered already.
    pub fn call_in_session(
        &self,
        session: &Arc<McpSession>,
        request: JsonRpcRequest<ClientRequest>,
    ) -> Result<StartedCall, DuplicateId> {
        let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
        let id = request.id.clone();
        let call = exchange::start_in_session(session, &*self.handler, request, outbox)?;
        Ok(StartedCall {
            id,
            messages,
            guard: CancelOnDrop(Some(call)),
        })
    }

    /// Starts to answer a request of a session; its messages go to `outbox`, and nothing but the session
    /// ends it.
    ///
    /// # Errors
    /// A request with this id is being answered already.
    pub fn call_on_stream(
        &self,
        session: &Arc<McpSession>,
        request: JsonRpcRequest<ClientRequest>,
        outbox: SessionOutbox,
    ) -> Result<(), DuplicateId> {
        // Without a guard: a POST of HTTP+SSE ends at once, and the answer comes on the stream.
        exchange::start_in_session(session, &*self.handler, request, outbox).map(drop)
    }

    /// Starts to answer a request that belongs to no session.
    pub fn call_sessionless(
        &self,
        client: InitializeRequestParams,
        request: JsonRpcRequest<ClientRequest>,
    ) -> StartedCall {
        let (outbox, messages) = mpsc::channel(OUTBOX_MESSAGES);
        let id = request.id.clone();
        let call = exchange::start_sessionless(&*self.handler, client, request, outbox);
        StartedCall {
            id,
            messages,
            guard: CancelOnDrop(Some(call)),
        }
    }

    /// Takes a message that is no request.
    pub fn accept_message(&self, session: &McpSession, message: ClientJsonRpcMessage) {
        exchange::accept_message(session, message);
    }

    /// The notifications for the stream of a session. Without any, the stream stays open and silent.
    pub fn notices_of(
        &self,
        session: &Arc<McpSession>,
        caller: &Caller,
    ) -> BoxStream<'static, ServerJsonRpcMessage> {
        match &self.notices {
            Some(notices) => notices
                .notify_session(session.clone(), caller.clone())
                .boxed(),
            None => stream::pending().boxed(),
        }
    }

    /// Ends the streams that carry nothing but notices, for good.
    pub fn end_notices(&self) {
        if let Some(notices) = &self.notices {
            notices.end_streams();
        }
    }

    /// Cuts off what still runs in rmcp's transport.
    pub fn cut_off_calls(&self) {
        self.cut_off.cancel();
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct StartedCall {
    /// The id of the request.
    pub id: RequestId,
    /// Its messages, the answer last.
    pub messages: mpsc::Receiver<Box<ServerJsonRpcMessage>>,
    /// Ends the call with whatever it is moved into.
    pub guard: CancelOnDrop,
}

impl StartedCall {
    /// Waits for the answer; messages before it are dropped.
    pub async fn wait_for_answer(mut self) -> Box<ServerJsonRpcMessage> {
        let answer = loop {
            match self.messages.recv().await {
                Some(message) if is_answer(&message) => break Some(message),
                // Progress and log messages: there is no stream for them where only one object is sent.
                Some(_) => {}
                None => break None,
            }
        };
        self.guard.disarm_cancel();
        answer.unwrap_or_else(|| cancelled_answer(self.id))
    }
}

/// Stops a call when it is dropped before the answer was sent. The revisions before 2026-07-28 let a stream
/// be resumed, but this server does not offer it: a client that has gone never reads the answer.
#[derive(Debug)]
pub struct CancelOnDrop(Option<CancellationToken>);

impl CancelOnDrop {
    /// The answer was sent: the call has ended by itself.
    pub fn disarm_cancel(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.cancel();
        }
    }
}

/// Whether a message is the last one of its request.
#[must_use]
pub fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
    )
}

/// The answer to a request whose call was given up.
#[must_use]
pub fn cancelled_answer(id: RequestId) -> Box<ServerJsonRpcMessage> {
    Box::new(JsonRpcMessage::error(request_cancelled(), Some(id)))
}
