//! Internal calls: tool calls that answer `resources/*`, `prompts/*` or `completion/complete`, so that all data
//! comes through the registry.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error_data::with_code;
use crate::caller::{Caller, RequestInfo};
use crate::tool::catalogue::ArgumentValues;
use crate::tool::invocation::FinishedCall;
use crate::tool::registry::Registry;
use crate::tool::{ErrorType, JsonObject};

/// The caller, and the tool to call.
#[derive(Clone, Debug)]
pub(super) struct InternalCall<'a> {
    pub(super) registry: &'a Registry,
    pub(super) caller: Caller,
    pub(super) origin: Option<RequestInfo>,
    pub(super) cancelled: CancellationToken,
}

/// One current value of an argument.
#[derive(Debug)]
pub(super) struct PresentValue {
    pub(super) value: String,
    /// The list entry that holds the value.
    pub(super) entry: Value,
    /// All names of the value.
    pub(super) names: Vec<String>,
}

impl InternalCall<'_> {
    /// Calls a tool and returns its reply or its failure.
    pub(super) async fn call_tool(
        &self,
        tool: &str,
        args: JsonObject,
    ) -> Result<FinishedCall, InternalCallFailed> {
        let (caller, origin) = (self.caller.clone(), self.origin.clone());
        let cancelled = self.cancelled.clone();
        let called = self
            .registry
            .call_unattended(tool, args, caller, origin, cancelled);
        let reply = called
            .await
            .map_err(|_| InternalCallFailed::of_reply(ErrorType::Internal, &Value::Null))?;
        match reply.error {
            None => Ok(reply),
            Some(error) => Err(InternalCallFailed::of_reply(error, &reply.body)),
        }
    }

    /// The current values of an argument, sorted. Empty if the caller may not see them.
    pub(super) async fn present_values(
        &self,
        of: &ArgumentValues,
    ) -> Result<Vec<PresentValue>, InternalCallFailed> {
        if !self.registry.offers_tool(&self.caller, of.tool) {
            return Ok(Vec::new());
        }
        let mut reply = match self.call_tool(of.tool, JsonObject::new()).await {
            Ok(reply) => reply,
            // The API key of Kasm may lack this right. Lists and suggestions are then empty instead of
            // failing.
            Err(failed) if failed.error == ErrorType::Permission => return Ok(Vec::new()),
            Err(failed) => return Err(failed),
        };
        let list = reply.body["data"][of.list].take();
        let entries = match list {
            Value::Array(entries) => entries,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => Vec::new(),
        };
        Ok(values_of_entries(of, entries))
    }
}

fn values_of_entries(of: &ArgumentValues, entries: Vec<Value>) -> Vec<PresentValue> {
    let text = |entry: &Value, name: &str| entry[name].as_str().map(str::to_owned);
    // A name that two entries share could lead to the wrong one, so the next member is tried instead.
    let unique = |name: &str, value: &str| {
        let same = entries.iter().filter(|entry| entry[name] == value);
        same.count() == 1
    };
    let values: Vec<_> = entries
        .iter()
        .map(|entry| {
            let mut named = of
                .names
                .iter()
                .filter_map(|name| Some((*name, text(entry, name)?)));
            named
                .find(|(name, value)| unique(name, value))
                .map(|(_, value)| value)
        })
        .collect();
    let mut all: Vec<_> = values
        .into_iter()
        .zip(entries)
        .filter_map(|(value, entry)| {
            let names = of.names.iter().filter_map(|name| text(&entry, name));
            Some(PresentValue {
                value: value?,
                names: names.collect(),
                entry,
            })
        })
        .collect();
    // A fixed order: pages and completions must not depend on the order in which Kasm answers.
    all.sort_by(|one, other| one.value.cmp(&other.value));
    all
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct InternalCallFailed {
    pub(super) error: ErrorType,
    what: String,
    hint: String,
    code: String,
}

impl InternalCallFailed {
    fn of_reply(error: ErrorType, body: &Value) -> Self {
        let text = |member: &str| body[member].as_str().unwrap_or("it failed").to_owned();
        Self {
            error,
            what: text("error"),
            hint: text("hint"),
            code: body["code"]
                .as_str()
                .unwrap_or(error.type_name())
                .to_owned(),
        }
    }
}

impl From<InternalCallFailed> for ErrorData {
    fn from(failed: InternalCallFailed) -> Self {
        let code = match failed.error {
            ErrorType::Api
            | ErrorType::Unavailable
            | ErrorType::Timeout
            | ErrorType::RateLimited
            | ErrorType::Internal => ErrorCode::INTERNAL_ERROR,
            ErrorType::Security
            | ErrorType::Validation
            | ErrorType::NotFound
            | ErrorType::Permission
            | ErrorType::Conflict
            | ErrorType::Unsupported => ErrorCode::INVALID_REQUEST,
        };
        // Many clients show only the message.
        let message = format!("{}. {}", failed.what, failed.hint);
        let data = json!({ "error_type": failed.error.type_name(), "hint": failed.hint });
        with_code(Self::new(code, message, Some(data)), &failed.code)
    }
}
