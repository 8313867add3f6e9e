//! Work that outlives its call, as tasks (extension `io.modelcontextprotocol/tasks` of revision 2026-07-28).
//!
//! Nothing is stored. A task's id holds the tool that started the work and the values that its
//! [`ContinuationTools`] needs, so tasks survive a restart. The id is not a credential: each use calls the
//! poll or stop tool as the caller of that request, so a forged id gives no access to another caller's work.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use rmcp::ErrorData;
use rmcp::model::{
    CreateTaskResult, DetailedTask, GetTaskResult, JsonObject as Payload, Task, TaskPayload,
    TaskStatus,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::error_data::with_code;
use super::rmcp_values::to_result;
use crate::caller::{Caller, RequestInfo};
use crate::tool::invocation::FinishedCall;
use crate::tool::registry::Registry;
use crate::tool::{ContinuationTools, ErrorType, JsonObject};

/// How often a client should poll. Each poll sends a request to Kasm.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The longest accepted id. It is sent in a header too.
const ID_CHARS_MAX: usize = 1_024;
/// The accepted clock difference to the server that created an id.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// A task: the work and its start time.
#[derive(Debug)]
pub(super) struct TaskHandle {
    tool: String,
    continuation: ContinuationTools,
    /// The values of the continuation's keys.
    values: Vec<String>,
    created: Timestamp,
}

impl TaskHandle {
    /// The work that continues after a reply of `tool`, if there is any that `caller` can follow.
    pub(super) fn of_reply(
        registry: &Registry,
        caller: &Caller,
        tool: &str,
        reply: &FinishedCall,
    ) -> Option<Self> {
        let continuation = registry.with_tool(tool, |info| info.continues)??;
        // A task is polled and cancelled by the caller's own calls. Without these tools it could never end.
        let needs = [continuation.poll, continuation.stop];
        if !needs.iter().all(|tool| registry.offers_tool(caller, tool)) {
            return None;
        }
        let data = reply.body.get("data")?;
        // Null: whether it still runs is not known, so it has to be asked for again.
        let goes_on = matches!(data.get("running"), Some(Value::Bool(true) | Value::Null));
        if reply.error.is_some() || !goes_on {
            return None;
        }
        let value = |key: &&str| Some(data.get(*key)?.as_str()?.to_owned());
        let handle = Self {
            tool: tool.to_owned(),
            continuation,
            values: continuation.keys.iter().map(value).collect::<Option<_>>()?,
            // Whole seconds: the id holds no more, and every answer must give the same time.
            created: Timestamp::from_second(Timestamp::now().as_second()).ok()?,
        };
        (handle.task_id().len() <= ID_CHARS_MAX).then_some(handle)
    }

    /// Parses an id. Only the exact text that [`Self::task_id`] writes is accepted.
    fn from_task_id(registry: &Registry, id: &str) -> Option<Self> {
        if id.len() > ID_CHARS_MAX {
            return None;
        }
        let plain = BASE64URL_NOPAD.decode(id.as_bytes()).ok()?;
        let (tool, created, values): (String, i64, Vec<String>) =
            serde_json::from_slice(&plain).ok()?;
        let continuation = registry.with_tool(&tool, |info| info.continues)??;
        let latest = Timestamp::now().as_second() + CLOCK_SKEW_SECONDS;
        let created = Some(created).filter(|created| (0..=latest).contains(created))?;
        let handle = Self {
            tool,
            continuation,
            values,
            created: Timestamp::from_second(created).ok()?,
        };
        // base64 and JSON have several spellings of one value. One is accepted, so a task has a single id.
        let complete = handle.values.len() == continuation.keys.len();
        (complete && handle.task_id() == id).then_some(handle)
    }

    fn task_id(&self) -> String {
        let plain = serde_json::json!([self.tool, self.created.as_second(), self.values]);
        BASE64URL_NOPAD.encode(plain.to_string().as_bytes())
    }

    fn tool_arguments(&self) -> JsonObject {
        let keys = self.continuation.keys.iter().map(|key| (*key).to_owned());
        let values = self.values.iter().map(|value| value.as_str().into());
        keys.zip(values).collect()
    }

    fn to_task(&self, status: TaskStatus, message: Option<&str>) -> Task {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // The id may come from a server whose clock is ahead. The update must not lie before the start.
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(self.created);
        let task = Task::new(
            self.task_id(),
            status,
            self.created.to_string(),
            now.max(self.created).to_string(),
        )
        .with_ttl_ms(millis(self.continuation.keep))
        .with_poll_interval_ms(millis(POLL_INTERVAL));
        match message {
            Some(message) => task.with_status_message(message),
            None => task,
        }
    }

    /// The answer to the call that started the work.
    pub(super) fn created_result(&self, reply: &FinishedCall) -> CreateTaskResult {
        CreateTaskResult::new(self.to_task(TaskStatus::Working, reply_message(reply)))
    }
}

/// One request about a task.
#[derive(Debug)]
pub(super) struct TaskRequest<'a> {
    pub(super) registry: &'a Registry,
    pub(super) caller: Caller,
    pub(super) origin: Option<RequestInfo>,
    pub(super) cancelled: CancellationToken,
    pub(super) id: &'a str,
}

impl TaskRequest<'_> {
    /// `tasks/get`.
    pub(super) async fn get_task(self) -> Result<GetTaskResult, ErrorData> {
        let (handle, reply) = self.poll_task().await?;
        let data = reply.body.get("data");
        let is = |member: &str| data.and_then(|data| data.get(member)) == Some(&Value::Bool(true));
        let message = reply_message(&reply).map(str::to_owned);
        let payload = if is("running") {
            TaskPayload::Working
        } else if is("stopped") {
            TaskPayload::Cancelled
        } else {
            TaskPayload::Completed {
                result: task_payload(reply)?,
            }
        };
        let task = handle.to_task(payload.status(), message.as_deref());
        Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
    }

    /// `tasks/update`. These tasks ask no questions, so the input is ignored, as the extension requires; only
    /// an unknown task is an error.
    pub(super) async fn update_task(self) -> Result<(), ErrorData> {
        self.poll_task().await.map(drop)
    }

    /// `tasks/cancel`.
    pub(super) async fn cancel_task(self) -> Result<(), ErrorData> {
        let handle = TaskHandle::from_task_id(self.registry, self.id).ok_or_else(unknown_task)?;
        let (tool, arguments) = (handle.continuation.stop, handle.tool_arguments());
        let reply = self.call_tool(tool, arguments).await?;
        match reply.error {
            None => Ok(()),
            Some(error) => Err(failed_call(error, &reply)),
        }
    }

    /// Converts the poll tool's reply. A result that can no longer be read is a failed task; after any other
    /// failure the task may still be running.
    async fn poll_task(self) -> Result<(TaskHandle, FinishedCall), ErrorData> {
        let handle = TaskHandle::from_task_id(self.registry, self.id).ok_or_else(unknown_task)?;
        let mut arguments = handle.tool_arguments();
        // The whole output from its start, because the result of a task is that of the call. No waiting:
        // clients poll.
        arguments.insert("offset".to_owned(), 0.into());
        arguments.insert("wait_seconds".to_owned(), 0.into());
        let reply = self.call_tool(handle.continuation.poll, arguments).await?;
        match reply.error {
            None | Some(ErrorType::Unsupported) => Ok((handle, reply)),
            Some(error) => Err(failed_call(error, &reply)),
        }
    }

    async fn call_tool(self, tool: &str, arguments: JsonObject) -> Result<FinishedCall, ErrorData> {
        let called = self.registry.call_unattended(
            tool,
            arguments,
            self.caller,
            self.origin,
            self.cancelled,
        );
        called.await.map_err(|_| unknown_task())
    }
}

/// One error for a task that never existed or belongs to another caller.
fn unknown_task() -> ErrorData {
    with_code(
        ErrorData::invalid_params("unknown task", None),
        "task_unknown",
    )
}

/// The task could not be polled. It may still be running, so no status is reported.
fn failed_call(error: ErrorType, reply: &FinishedCall) -> ErrorData {
    match error {
        ErrorType::NotFound | ErrorType::Validation | ErrorType::Permission => unknown_task(),
        ErrorType::Security
        | ErrorType::Api
        | ErrorType::Unavailable
        | ErrorType::Timeout
        | ErrorType::RateLimited
        | ErrorType::Conflict
        | ErrorType::Unsupported
        | ErrorType::Internal => {
            let why = reply.body.get("error").and_then(Value::as_str);
            let why = why.unwrap_or("it failed");
            let message = format!("the task cannot be reached now: {why}");
            with_code(ErrorData::internal_error(message, None), error.type_name())
        }
    }
}

fn reply_message(reply: &FinishedCall) -> Option<&str> {
    reply.body.get("message")?.as_str()
}

/// The result that the original call would have returned.
fn task_payload(reply: FinishedCall) -> Result<Payload, ErrorData> {
    match serde_json::to_value(to_result(reply)?) {
        Ok(Value::Object(result)) => Ok(result),
        Ok(_) => Err(ErrorData::internal_error(
            "the result is not an object",
            None,
        )),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}
