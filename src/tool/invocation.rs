//! One call of a tool: how it is to be made, and how it ended.

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Reply;
use super::confirm::{Confirm, OpenQuestion};
use super::error::{ErrorType, ToolError};
use super::progress::Progress;
use crate::caller::{Caller, Origin};
use crate::picture::Picture;

/// How one call is to be made.
#[derive(Debug)]
pub struct CallOptions {
    /// Who asks.
    pub caller: Caller,
    /// The request it asks in. None: over no network.
    pub origin: Option<Origin>,
    /// Fires when the result is no longer wanted.
    pub cancelled: CancellationToken,
    /// Where to tell how far it is.
    pub progress: Progress,
    /// The way to a person, for tools that ask before they act.
    pub confirm: Confirm,
}

/// How a call ended.
#[derive(Debug)]
pub enum Outcome {
    /// With a reply.
    Replied(Finished),
    /// At a question that the client is to ask. Nothing was done.
    Asks(OpenQuestion),
}

/// A finished call in the reply form.
#[derive(Debug)]
pub struct Finished {
    /// `{"success": true, "data": …, "message": …}` or the failure form.
    pub body: Value,
    /// What kind of failure it is, if it failed.
    pub error: Option<ErrorType>,
    /// What there is to see.
    pub picture: Option<Picture>,
    /// When it may be tried again, seconds from now, if that is known.
    pub retry_after: Option<u64>,
}

impl From<ToolError> for Finished {
    fn from(error: ToolError) -> Self {
        Self {
            body: error.to_json(),
            error: Some(error.error_type),
            picture: None,
            retry_after: error.retry_after,
        }
    }
}

/// What a tool body came to.
pub(super) enum Ran {
    Replied(Reply<Value>),
    Asks(OpenQuestion),
}

impl Ran {
    /// The data of the reply; none at a question.
    pub(super) fn data(&self) -> Option<&Value> {
        match self {
            Self::Replied(reply) => Some(&reply.data),
            Self::Asks(_) => None,
        }
    }
}

/// No tool of that name is offered to this caller.
#[derive(Debug)]
pub struct UnknownTool;
