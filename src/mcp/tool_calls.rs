//! `tools/call`, whatever carried it here.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CreateTaskResult, InputRequiredResult};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::elicitation;
use super::error_data::with_code;
use super::server::McpServer;
use super::tasks::TaskHandle;
use crate::caller::{Caller, RequestInfo};
use crate::telemetry::TraceContext;
use crate::tool::invocation::{CallOptions, CallOutcome, FinishedCall};
use crate::tool::{ApprovalChannel, CallPosition, ProgressReporter};

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
