//! The pipeline of a call: the only way to run a tool.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::change::{Change, Changes};
use super::error::{ErrorType, ToolError};
use super::invocation::{CallOptions, Finished, Outcome, Ran, UnknownTool};
use super::mounted::Mounted;
use super::record::{self, Act};
use super::registry::Registry;
use super::{Confirm, JsonObject, Progress, Reply, ToolInfo, log, schema};
use crate::audit::Audit;
use crate::caller::{Caller, Origin};

impl Registry {
    /// Calls a tool: find it, convert the arguments, authorise, check them, run within the time limit, log.
    ///
    /// # Errors
    /// [`UnknownTool`] if the tool does not exist or is outside the caller's tool filter; every other failure
    /// is an [`Outcome`].
    pub async fn call(
        &self,
        name: &str,
        args: JsonObject,
        options: CallOptions,
    ) -> Result<Outcome, UnknownTool> {
        let tool = self.find(name);
        let tool = tool.filter(|tool| tool.info.is_in_reach(&options.caller));
        let Some(tool) = tool else {
            self.metrics.call_of_nothing();
            return Err(UnknownTool);
        };
        let started = Instant::now();
        let args = tool.info.argument_forms.mend(args);
        let change = Changes::of_call(&self.catalogue, &tool.info, &args, &options.caller);
        let authorised = authorise(&tool.info, &options.caller);
        let acts = authorised.is_ok() && !tool.info.effect.is_read_only();
        let recorded = match &self.audit {
            Some(audit) => {
                let act = act_of_call(audit, &tool.info, &args, &options, acts);
                record::begin(audit, act).await.map(Some)
            }
            None => Ok(None),
        };
        let (result, open) = match (authorised, recorded) {
            (Ok(()), Ok(open)) => (self.run(tool, args, &options).await, open),
            (Err(error), open) => (Err(error), open.ok().flatten()),
            (_, Err(error)) => (Err(error), None),
        };
        if let Some(open) = open {
            let left = options.cancelled.is_cancelled();
            record::end(open, result.as_ref().map(Ran::data), left).await;
        }
        let told = result.as_ref().map(Ran::data);
        log::ended(
            &self.metrics,
            &tool.info,
            &options.caller,
            told,
            started.elapsed(),
        );
        if let Some(change) = change {
            self.tell(change, &result);
        }
        Ok(match result {
            Ok(Ran::Replied(mut reply)) => Outcome::Replied(Finished {
                picture: reply.picture.take(),
                body: success(reply),
                error: None,
                retry_after: None,
            }),
            Ok(Ran::Asks(question)) => Outcome::Asks(question),
            Err(error) => Outcome::Replied(error.into()),
        })
    }

    /// The same for a caller of whom nothing can be asked between the request and its answer: a tool that has a question
    /// fails instead.
    ///
    /// # Errors
    /// As for [`Self::call`].
    pub async fn call_unattended(
        &self,
        name: &str,
        args: JsonObject,
        caller: Caller,
        origin: Option<Origin>,
        cancelled: CancellationToken,
    ) -> Result<Finished, UnknownTool> {
        let options = CallOptions {
            caller,
            origin,
            cancelled,
            progress: Progress::ignored(),
            confirm: Confirm::nobody(),
        };
        Ok(match self.call(name, args, options).await? {
            Outcome::Replied(finished) => finished,
            // No call stops at a question that has nowhere to go.
            Outcome::Asks(_) => {
                ToolError::internal("the tool asked for approval where no person can answer").into()
            }
        })
    }

    fn tell(&self, change: Change, result: &Result<Ran, ToolError>) {
        match result {
            Ok(Ran::Replied(reply)) => {
                self.changes
                    .tell(&self.catalogue, change, Some(&reply.data))
            }
            Err(error) if error.may_have_acted() => {
                self.changes.tell(&self.catalogue, change, None);
            }
            Ok(Ran::Asks(_)) | Err(_) => {}
        }
    }

    async fn run(
        &self,
        tool: &Mounted,
        args: JsonObject,
        options: &CallOptions,
    ) -> Result<Ran, ToolError> {
        schema::refuse_unknown(&tool.info.input_schema, &args)?;
        if let Some(costly) = self.costly.as_ref().filter(|_| tool.info.costly) {
            let counted = costly.count(options.caller.owner(), tool.info.name);
            counted.inspect_err(|_| self.metrics.refusal("costly_tools"))?;
        }
        let _place = self.gate.enter(&options.caller.name).await?;
        let work = AssertUnwindSafe(tool.run.run(options, args)).catch_unwind();
        tokio::select! {
            biased;
            () = options.cancelled.cancelled() => {
                Err(ToolError::new(ErrorType::Timeout, "the call was cancelled", "call it again if it is still wanted").with_code("call_cancelled"))
            }
            done = tokio::time::timeout(self.timeout, work) => match done {
                Ok(Ok(result)) => result.map(Ran::Replied),
                Ok(Err(_panic)) => {
                    tracing::error!(tool = tool.info.name, "a tool panicked");
                    Err(ToolError::internal("the tool failed unexpectedly"))
                }
                Err(_elapsed) => Err(ToolError::new(
                    ErrorType::Timeout,
                    format!("`{}` took longer than {} s and was given up", tool.info.name, self.timeout.as_secs()),
                    "look at the state before you call it again: it may have had its effect",
                )
                .with_code("tool_timeout")),
            },
            question = options.confirm.stopped() => Ok(Ran::Asks(question)),
        }
    }
}

/// What of a call is recorded.
fn act_of_call<'a>(
    audit: &Audit,
    tool: &ToolInfo,
    args: &JsonObject,
    options: &'a CallOptions,
    has_effect: bool,
) -> Act<'a> {
    let args = Value::Object(args.clone());
    Act {
        tool: tool.name,
        effect: tool.effect,
        caller: &options.caller,
        origin: options.origin.as_ref(),
        has_effect,
        arguments: tool.recorded.of(&args),
        digest: audit.digest(&args),
    }
}

/// The reply form. The data is moved: `json!` would copy it.
fn success(reply: Reply<Value>) -> Value {
    let members = [
        ("success", Value::Bool(true)),
        ("data", reply.data),
        ("message", reply.message.into()),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.into_iter().collect())
}

fn authorise(tool: &ToolInfo, caller: &Caller) -> Result<(), ToolError> {
    if caller.may(tool.scope) {
        return Ok(());
    }
    Err(ToolError::new(
        ErrorType::Permission,
        format!("`{}` needs the scope {}", tool.name, tool.scope),
        "ask the operator of this server for a token with that scope",
    )
    .with_code("scope_missing"))
}
