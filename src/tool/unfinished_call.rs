//! A call that is to be counted, logged and announced at its end, also if it is dropped before: then its client has
//! gone.

use tokio::time::Instant;

use super::call_log;
use super::change::CatalogueChange;
use super::error::{ErrorType, ToolError};
use super::invocation::CompletedRun;
use super::mounted_tool::MountedTool;
use super::registry::Registry;
use crate::caller::Caller;

pub(super) struct UnfinishedCall<'a> {
    registry: &'a Registry,
    tool: &'a MountedTool,
    caller: Caller,
    started: Instant,
    /// What it may change in a catalogue.
    change: Option<CatalogueChange>,
    is_over: bool,
}

impl<'a> UnfinishedCall<'a> {
    pub(super) fn begin(
        registry: &'a Registry,
        tool: &'a MountedTool,
        caller: Caller,
        change: Option<CatalogueChange>,
    ) -> Self {
        Self {
            registry,
            tool,
            caller,
            started: Instant::now(),
            change,
            is_over: false,
        }
    }

    pub(super) fn finish_call(mut self, result: &Result<CompletedRun, ToolError>) {
        self.note_end(result);
    }

    fn note_end(&mut self, result: &Result<CompletedRun, ToolError>) {
        self.is_over = true;
        let data = result.as_ref().map(CompletedRun::reply_data);
        let took = self.started.elapsed();
        call_log::log_end_of_call(&self.registry.metrics, self.tool, &self.caller, data, took);
        let Some(change) = self.change.take() else {
            return;
        };
        let changes = &self.registry.changes;
        match result {
            Ok(CompletedRun::Replied(reply)) => changes.notify_listeners(change, Some(&reply.data)),
            Err(error) if error.may_have_acted() => changes.notify_listeners(change, None),
            Ok(CompletedRun::Asks(_)) | Err(_) => {}
        }
    }
}

impl Drop for UnfinishedCall<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.note_end(&Err(cancelled_call()));
        }
    }
}

/// The failure of a call whose result is no longer wanted.
pub(super) fn cancelled_call() -> ToolError {
    ToolError::new(
        ErrorType::Timeout,
        "the call was cancelled",
        "call it again if it is still wanted",
    )
    .with_code("call_cancelled")
}
