//! One call of a tool: its options, and its outcome.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ToolReply;
use super::approval::{ApprovalChannel, OpenQuestion};
use super::error::{ErrorType, ToolError};
use super::inner_call::CallPosition;
use super::progress::ProgressReporter;
use crate::caller::{Caller, RequestInfo};
use crate::picture::Picture;

/// The options of one call.
#[derive(Debug)]
pub struct CallOptions {
    /// The caller.
    pub caller: Caller,
    /// The request of the call. None if no network is involved.
    pub origin: Option<RequestInfo>,
    /// Cancelled when the result is no longer wanted.
    pub cancelled: CancellationToken,
    /// Where to report progress.
    pub progress: ProgressReporter,
    /// How to ask a person, for tools that need approval.
    pub confirm: ApprovalChannel,
    /// The client's conversation, where the transport has one.
    pub conversation: Option<Arc<str>>,
    /// Whether it is made inside another call, and its number in the audit log.
    pub position: CallPosition,
}

/// The outcome of a call.
#[derive(Debug)]
pub enum CallOutcome {
    /// It returned a reply or a failure.
    Replied(FinishedCall),
    /// It stopped at a question that the client must ask. It changed nothing.
    Asks(OpenQuestion),
}

/// A finished call in the reply form.
#[derive(Debug)]
pub struct FinishedCall {
    /// `{"success": true, "data": …, "message": …}` or the failure form.
    pub body: Value,
    /// The kind of failure, if it failed.
    pub error: Option<ErrorType>,
    /// Its pictures, in their order.
    pub pictures: Vec<Picture>,
    /// Seconds until a retry makes sense, if known.
    pub retry_after: Option<u64>,
}

impl From<ToolError> for FinishedCall {
    fn from(error: ToolError) -> Self {
        Self {
            body: error.to_json(),
            error: Some(error.error_type),
            pictures: Vec::new(),
            retry_after: error.retry_after,
        }
    }
}

/// How a tool ended, if it did not fail.
pub(super) enum CompletedRun {
    Replied(ToolReply<Value>),
    Asks(OpenQuestion),
}

impl CompletedRun {
    /// The data of the reply; none at a question.
    pub(super) fn reply_data(&self) -> Option<&Value> {
        match self {
            Self::Replied(reply) => Some(&reply.data),
            Self::Asks(_) => None,
        }
    }
}

/// This caller has no tool of that name.
#[derive(Debug)]
pub struct UnknownTool;
