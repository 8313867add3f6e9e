//! The two most frequent requests, answered without a service of rmcp: `tools/call` and `tools/list`. Calls that
//! need a service come to `McpServer::call_tool_in` as well.
//!
//! A service costs a task, two channels and several copies of each message. A call needs one only if it sends
//! messages before its answer (progress, questions to a person); a list never does. The answer is written once, as
//! the bytes that go to the client.

mod answer_bytes;

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientRequest, CreateTaskResult,
    InputRequiredResult, JsonRpcRequest, RequestId, RequestMetaObject,
};
use rmcp::{ErrorData, ServerHandler};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::elicitation;
use super::error_data::with_code;
use super::server::McpServer;
use super::sessions::McpSession;
use super::sessions::running_calls::{DuplicateId, SessionCall};
use super::tasks::TaskHandle;
use super::tool_forms::{ListForm, schema_sends_headers};
use crate::caller::{Caller, RequestInfo};
use crate::telemetry::TraceContext;
use crate::tool::invocation::{CallOptions, CallOutcome, FinishedCall};
use crate::tool::{ApprovalChannel, CallPosition, ProgressReporter, ToolInfo};
pub use answer_bytes::AnswerBytes;

/// An MCP handler that may answer some requests itself.
pub trait McpHandler: ServerHandler {
    /// Whether clients send arguments of a tool as headers, too (SEP-2243). None: there is no such tool.
    fn sends_headers(&self, tool: &str) -> Option<bool> {
        Some(schema_sends_headers(&self.get_tool(tool)?.input_schema))
    }

    /// Answers a request, or gives it back for a service of rmcp.
    ///
    /// # Errors
    /// A request of the session with this id is being answered.
    fn answer_directly(&self, request: DirectRequest) -> Result<DirectOutcome, DuplicateId> {
        Ok(DirectOutcome::NeedsService(Box::new(request.request)))
    }
}

/// A request, and what is known of its client.
#[derive(Debug)]
pub struct DirectRequest {
    /// The request.
    pub request: JsonRpcRequest<ClientRequest>,
    /// The caller.
    pub caller: Caller,
    /// The HTTP request.
    pub origin: Option<RequestInfo>,
    /// Which client it is.
    pub client: DirectClient,
}

/// The client of a request.
#[derive(Debug)]
pub enum DirectClient {
    /// Of revision 2026-07-28: each request declares what its client can do.
    Modern,
    /// Of an older one, without a session: it reads only the answer.
    Bare,
    /// Of an older one, with its session. `reads_stream`: it reads messages before the answer.
    Session {
        /// The session.
        session: Arc<McpSession>,
        /// Whether it reads messages before the answer.
        reads_stream: bool,
    },
}

/// What became of a request.
#[derive(Debug)]
pub enum DirectOutcome {
    /// It is answered.
    Answered(AnswerBytes),
    /// It is being answered.
    Running(DirectCall),
    /// It needs a service of rmcp.
    NeedsService(Box<JsonRpcRequest<ClientRequest>>),
}

/// A call that runs as long as it is polled. Dropping it cancels the call.
pub struct DirectCall {
    work: BoxFuture<'static, AnswerBytes>,
    _cancel: DropGuard,
}

impl fmt::Debug for DirectCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectCall")
    }
}

impl DirectCall {
    /// The answer. It can be called again after it was dropped.
    pub async fn wait_for_answer(&mut self) -> AnswerBytes {
        (&mut self.work).await
    }
}

impl McpHandler for McpServer {
    fn sends_headers(&self, tool: &str) -> Option<bool> {
        let forms = self.shared.tools.current_forms(&self.shared.registry);
        forms.sends_headers(tool)
    }

    fn answer_directly(&self, request: DirectRequest) -> Result<DirectOutcome, DuplicateId> {
        let DirectRequest {
            request,
            caller,
            origin,
            client,
        } = request;
        if let ClientRequest::ListToolsRequest(list) = &request.request
            && list.params.is_none()
        {
            let form = match client {
                DirectClient::Modern => ListForm::Modern,
                DirectClient::Bare => ListForm::Older,
                DirectClient::Session { session, .. } => {
                    session.watched.add_tool_list();
                    ListForm::Older
                }
            };
            let list = self.tool_list_bytes(&caller, form);
            let answer = AnswerBytes::of_result(&request.id, &list);
            return Ok(DirectOutcome::Answered(answer));
        }
        let is_direct = if let ClientRequest::CallToolRequest(call) = &request.request {
            !self.needs_service(&call.params, call.extensions.get(), &client)
        } else {
            false
        };
        if is_direct && let ClientRequest::CallToolRequest(mut call) = request.request {
            let start = CallStart {
                id: request.id,
                meta: call.extensions.remove().unwrap_or_default(),
                params: call.params,
                caller,
                origin,
            };
            return self.start_call(start, client).map(DirectOutcome::Running);
        }
        Ok(DirectOutcome::NeedsService(Box::new(request)))
    }
}

/// A call that is to be started.
struct CallStart {
    id: RequestId,
    params: CallToolRequestParams,
    meta: RequestMetaObject,
    caller: Caller,
    origin: Option<RequestInfo>,
}

impl McpServer {
    /// Whether a call sends messages before its answer, or may.
    fn needs_service(
        &self,
        params: &CallToolRequestParams,
        meta: Option<&RequestMetaObject>,
        client: &DirectClient,
    ) -> bool {
        if meta.is_some_and(|meta| meta.get_progress_token().is_some()) {
            return true;
        }
        match client {
            // A question ends the call in this revision.
            DirectClient::Modern => false,
            // It cannot be asked.
            DirectClient::Bare => false,
            DirectClient::Session {
                session,
                reads_stream,
            } => {
                let may_ask = || {
                    let asks = self
                        .shared
                        .registry
                        .with_tool(&params.name, |info| info.asks);
                    asks.unwrap_or(false)
                };
                *reads_stream
                    && elicitation::shows_forms(&session.client_info().capabilities)
                    && may_ask()
            }
        }
    }

    fn start_call(
        &self,
        start: CallStart,
        client: DirectClient,
    ) -> Result<DirectCall, DuplicateId> {
        let CallStart {
            id,
            params,
            meta,
            caller,
            origin,
        } = start;
        let (in_session, conversation, is_modern) = match client {
            DirectClient::Modern => (None, None, true),
            DirectClient::Bare => (None, None, false),
            DirectClient::Session { session, .. } => {
                let conversation = session.id.clone();
                let call = SessionCall::begin(session, &id)?;
                (Some(call), Some(conversation), false)
            }
        };
        let cancelled = match &in_session {
            Some(call) => call.cancelled(),
            None => CancellationToken::new(),
        };
        let declared = if is_modern {
            self.declared_for(&params.name, &meta)
        } else {
            None
        };
        let confirm = if is_modern {
            let shows_forms = declared.as_ref().is_some_and(elicitation::shows_forms);
            elicitation::modern_channel(shows_forms, &self.consent, caller.owner_key(), &params)
        } else {
            ApprovalChannel::unavailable()
        };
        let context = CallContext {
            caller,
            origin,
            cancelled: cancelled.clone(),
            progress: ProgressReporter::without_listener(),
            confirm,
            conversation,
            takes_tasks: declared.is_some_and(|declared| declared.supports_tasks()),
            trace: meta.get_traceparent().map(str::to_owned),
        };
        let server = self.clone();
        let gone = cancelled.clone();
        let work = async move {
            let ended = server.call_tool_in(params, context).await;
            // The id is free before the client can have the answer, which may be followed by the next request.
            drop(in_session);
            if gone.is_cancelled() {
                return AnswerBytes::of_cancelled(&id);
            }
            server.write_end(&id, ended, is_modern)
        };
        Ok(DirectCall {
            work: work.boxed(),
            _cancel: cancelled.drop_guard(),
        })
    }

    /// What the client of a request declares, if it matters for the tool: it may ask, or its work may continue.
    fn declared_for(&self, tool: &str, meta: &RequestMetaObject) -> Option<ClientCapabilities> {
        let matters = |info: &ToolInfo| info.asks || info.continues.is_some();
        let matters = self.shared.registry.with_tool(tool, matters)?;
        matters.then(|| meta.client_capabilities()).flatten()
    }

    fn write_end(
        &self,
        id: &RequestId,
        ended: Result<CallEnd, ErrorData>,
        is_modern: bool,
    ) -> AnswerBytes {
        let meta = is_modern.then(|| self.server_meta());
        match ended {
            Ok(CallEnd::Replied(finished)) => {
                let meta = is_modern.then(|| self.server_meta_json());
                AnswerBytes::of_reply(id, &finished, meta)
            }
            Ok(CallEnd::Task(mut result)) => {
                result.meta = meta.cloned();
                AnswerBytes::of_value(id, &result)
            }
            Ok(CallEnd::Asks(mut result)) => {
                result.meta = meta.cloned();
                AnswerBytes::of_value(id, &result)
            }
            Err(error) => AnswerBytes::of_error(id, &error),
        }
    }
}

/// Everything about a call but the tool and its arguments.
pub(super) struct CallContext {
    pub(super) caller: Caller,
    pub(super) origin: Option<RequestInfo>,
    pub(super) cancelled: CancellationToken,
    pub(super) progress: ProgressReporter,
    pub(super) confirm: ApprovalChannel,
    pub(super) conversation: Option<Arc<str>>,
    /// Whether the client gets a task for work that continues: it declares them, in revision 2026-07-28.
    pub(super) takes_tasks: bool,
    /// The `traceparent` of `_meta`.
    pub(super) trace: Option<String>,
}

/// How a call ended that reached a tool.
pub(super) enum CallEnd {
    /// With a reply, or a failure that the model can read.
    Replied(FinishedCall),
    /// With a task for work that continues.
    Task(CreateTaskResult),
    /// With a question that the client asks before it calls again.
    Asks(InputRequiredResult),
}

impl McpServer {
    /// Calls a tool.
    ///
    /// # Errors
    /// This caller has no such tool.
    pub(super) async fn call_tool_in(
        &self,
        params: CallToolRequestParams,
        context: CallContext,
    ) -> Result<CallEnd, ErrorData> {
        let takes_tasks = context.takes_tasks;
        let span = span_of(context.trace.as_deref());
        let caller = takes_tasks.then(|| context.caller.clone());
        let options = CallOptions {
            caller: context.caller,
            origin: context.origin,
            cancelled: context.cancelled,
            progress: context.progress,
            confirm: context.confirm,
            conversation: context.conversation,
            position: CallPosition::default(),
        };
        let registry = &*self.shared.registry;
        let args = params.arguments.unwrap_or_default();
        let call = registry.call_tool(&params.name, args, options);
        let outcome = call.instrument(span).await.map_err(|_| {
            let name: String = params.name.chars().take(128).collect();
            let message = format!("unknown tool `{name}`: tools/list shows the tools");
            with_code(ErrorData::invalid_params(message, None), "tool_unknown")
        })?;
        Ok(match outcome {
            CallOutcome::Replied(finished) => {
                // Only clients that declare tasks get one. Others get the reply, and the model follows the
                // work with tools.
                let handle = caller.and_then(|caller| {
                    TaskHandle::of_reply(registry, &caller, &params.name, &finished)
                });
                match handle {
                    Some(handle) => CallEnd::Task(handle.created_result(&finished)),
                    None => CallEnd::Replied(finished),
                }
            }
            CallOutcome::Asks(question) => CallEnd::Asks(elicitation::input_required(&question)),
        })
    }
}

/// The span of a call; part of the client's trace if `_meta` names one (SEP-414).
fn span_of(trace: Option<&str>) -> Span {
    let trace = trace.and_then(TraceContext::parse);
    if trace.is_none() && !cfg!(feature = "otlp") {
        // Without a trace and without an exporter a span would only cost time.
        return Span::none();
    }
    let span = tracing::info_span!("tools/call", trace_id = Empty);
    if let Some(trace) = trace {
        trace.continue_in(&span);
    }
    span
}
