//! The pipeline of a call: the only way to run a tool.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::audit_call::{self, Act};
use super::change::{CatalogueChange, ChangeBroadcast};
use super::cost::CostClass;
use super::error::{ErrorType, ToolError};
use super::inner_call::{CallPosition, OuterCall};
use super::invocation::{CallOptions, CallOutcome, CompletedRun, FinishedCall, UnknownTool};
use super::mounted_tool::MountedTool;
use super::registry::Registry;
use super::{ApprovalChannel, JsonObject, ProgressReporter, ToolInfo, ToolReply, call_log};
use crate::audit::{AuditLog, OpenCall, RecordedJson};
use crate::caller::{Caller, RequestInfo};

impl Registry {
    /// Calls a tool: find it, convert the arguments, authorise, check them, run within the time limit, log.
    ///
    /// # Errors
    /// [`UnknownTool`] if the tool does not exist or is outside the caller's tool filter; every other failure
    /// is a [`CallOutcome`].
    pub async fn call_tool(
        &self,
        name: &str,
        args: JsonObject,
        mut options: CallOptions,
    ) -> Result<CallOutcome, UnknownTool> {
        let tool = self.find_tool(name);
        // A tool outside of the filter is unknown: the client or its token has chosen a server without it. A
        // missing scope is an error of its own, below.
        let tool = tool.filter(|tool| tool.info.passes_filter(&options.caller));
        let Some(tool) = tool else {
            self.metrics.count_unknown_tool();
            return Err(UnknownTool);
        };
        let started = Instant::now();
        // First, so that the audit log and the change feed see the arguments that the tool gets.
        let args = tool.info.argument_forms.mend_arguments(args);
        let change = ChangeBroadcast::change_of_call(
            self.all_catalogues(),
            &tool.info,
            &args,
            &options.caller,
        );
        let authorised = authorise_call(&tool.info, &options.caller);
        // A refused call is recorded too, but it changes nothing, so it does not wait for the disk.
        let acts = authorised.is_ok() && !tool.info.effect.is_read_only();
        let recorded = match &self.audit {
            Some(audit) => {
                let act = act_of_call(audit, &tool.info, &args, &options, acts);
                audit_call::begin_record(audit, act).await.map(Some)
            }
            None => Ok(None),
        };
        options.position.number = recorded
            .as_ref()
            .ok()
            .and_then(|open| open.as_ref().map(OpenCall::call_number));
        let (result, open) = match (authorised, recorded) {
            (Ok(()), Ok(open)) => (self.run_tool(&tool, args, &options).await, open),
            // The refusal is the answer even if the audit log cannot be written: nothing happens that it
            // would lack.
            (Err(error), open) => (Err(error), open.ok().flatten()),
            (_, Err(error)) => (Err(error), None),
        };
        if let Some(open) = open {
            let left = options.cancelled.is_cancelled();
            audit_call::end_record(open, result.as_ref().map(CompletedRun::reply_data), left).await;
        }
        let told = result.as_ref().map(CompletedRun::reply_data);
        call_log::log_end_of_call(
            &self.metrics,
            &tool,
            &options.caller,
            told,
            started.elapsed(),
        );
        if let Some(change) = change {
            self.notify_change(change, &result);
        }
        Ok(match result {
            Ok(CompletedRun::Replied(mut reply)) => CallOutcome::Replied(FinishedCall {
                pictures: std::mem::take(&mut reply.pictures),
                body: success_body(reply),
                error: None,
                retry_after: None,
            }),
            Ok(CompletedRun::Asks(question)) => CallOutcome::Asks(question),
            Err(error) => CallOutcome::Replied(error.into()),
        })
    }

    /// The same for a client that cannot be asked between its request and the answer. A tool that asks for
    /// approval fails.
    ///
    /// # Errors
    /// As for [`Self::call_tool`].
    pub async fn call_unattended(
        &self,
        name: &str,
        args: JsonObject,
        caller: Caller,
        origin: Option<RequestInfo>,
        cancelled: CancellationToken,
    ) -> Result<FinishedCall, UnknownTool> {
        let options = CallOptions {
            caller,
            origin,
            cancelled,
            progress: ProgressReporter::without_listener(),
            confirm: ApprovalChannel::unavailable(),
            conversation: None,
            position: CallPosition::default(),
        };
        self.call_without_questions(name, args, options).await
    }

    /// Calls a tool inside another call. It cannot ask a person.
    ///
    /// # Errors
    /// As for [`Self::call_tool`].
    pub async fn call_within(
        &self,
        outer: &OuterCall,
        name: &str,
        args: JsonObject,
        mut options: CallOptions,
    ) -> Result<FinishedCall, UnknownTool> {
        options.confirm = ApprovalChannel::unavailable();
        options.position = CallPosition::inside(outer);
        self.call_without_questions(name, args, options).await
    }

    async fn call_without_questions(
        &self,
        name: &str,
        args: JsonObject,
        options: CallOptions,
    ) -> Result<FinishedCall, UnknownTool> {
        Ok(match self.call_tool(name, args, options).await? {
            CallOutcome::Replied(finished) => finished,
            // Cannot happen: a channel without an asker refuses each question, so no call stops at one.
            CallOutcome::Asks(_) => {
                ToolError::internal("the tool asked for approval where no person can answer").into()
            }
        })
    }

    fn notify_change(&self, change: CatalogueChange, result: &Result<CompletedRun, ToolError>) {
        match result {
            Ok(CompletedRun::Replied(reply)) => {
                self.changes.notify_listeners(change, Some(&reply.data));
            }
            Err(error) if error.may_have_acted() => {
                self.changes.notify_listeners(change, None);
            }
            Ok(CompletedRun::Asks(_)) | Err(_) => {}
        }
    }

    async fn run_tool(
        &self,
        tool: &MountedTool,
        args: JsonObject,
        options: &CallOptions,
    ) -> Result<CompletedRun, ToolError> {
        tool.run.refuse_arguments(&tool.info, &args)?;
        // Before the wait for a place: a call beyond the rate must not take one.
        if let Some(class) = tool.info.cost {
            self.count_cost(class, &tool.info, &options.caller)?;
        }
        // Held until the tool ends, so a panic and a time-out return the place as well.
        let _place = match &options.position.within {
            Some(outer) => outer.wait_for_place().await?,
            None => self.gate.wait_for_place(&options.caller.name).await?,
        };
        let time_limit = tool.info.time_limit.unwrap_or(self.timeout);
        // A panic ends this call only. The locks of parking_lot are not poisoned by it, so shared state stays
        // usable.
        let work = AssertUnwindSafe(tool.run.run(options, args)).catch_unwind();
        tokio::select! {
            // A cancelled call gives no result, even if one is ready in the same poll.
            biased;
            () = options.cancelled.cancelled() => {
                Err(ToolError::new(ErrorType::Timeout, "the call was cancelled", "call it again if it is still wanted").with_code("call_cancelled"))
            }
            done = tokio::time::timeout(time_limit, work) => match done {
                Ok(Ok(result)) => result.map(CompletedRun::Replied),
                Ok(Err(_panic)) => {
                    tracing::error!(tool = &*tool.info.name, "a tool panicked");
                    Err(ToolError::internal("the tool failed unexpectedly"))
                }
                Err(_elapsed) => Err(ToolError::new(
                    ErrorType::Timeout,
                    format!("`{}` took longer than {} s and was given up", tool.info.name, time_limit.as_secs()),
                    "look at the state before you call it again: it may have had its effect",
                )
                .with_code("tool_timeout")),
            },
            // This drops the tool at its question. It has changed nothing, and starts anew after the answer.
            question = options.confirm.wait_for_question() => Ok(CompletedRun::Asks(question)),
        }
    }
}

impl Registry {
    fn count_cost(
        &self,
        class: &'static CostClass,
        tool: &ToolInfo,
        caller: &Caller,
    ) -> Result<(), ToolError> {
        let Some(rates) = self.costs.iter().find(|rates| rates.limits_class(class)) else {
            return Ok(());
        };
        let counted = rates.count_call(caller.owner_key(), &tool.name);
        counted.inspect_err(|_| self.metrics.count_refusal(class.name))
    }
}

/// A call as the audit log may record it.
fn act_of_call<'a>(
    audit: &AuditLog,
    tool: &ToolInfo,
    args: &JsonObject,
    options: &'a CallOptions,
    has_effect: bool,
) -> Act<'a> {
    Act {
        tool: tool.name.clone(),
        effect: tool.effect,
        parent: options.position.parent_number(),
        caller: &options.caller,
        origin: options.origin.as_ref(),
        has_effect,
        arguments: RecordedJson::from_arguments(&tool.recorded.recorded_object(args)),
        digest: audit.digest_value(args),
    }
}

/// The reply form. The data is moved: `json!` would copy it.
fn success_body(reply: ToolReply<Value>) -> Value {
    let members = [
        ("success", Value::Bool(true)),
        ("data", reply.data),
        ("message", reply.message.into()),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.into_iter().collect())
}

fn authorise_call(tool: &ToolInfo, caller: &Caller) -> Result<(), ToolError> {
    if caller.has_scope(tool.scope) {
        return Ok(());
    }
    Err(ToolError::new(
        ErrorType::Permission,
        format!("`{}` needs the scope {}", tool.name, tool.scope),
        "ask the operator of this server for a token with that scope",
    )
    .with_code("scope_missing"))
}
