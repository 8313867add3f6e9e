//! A mounted tool: its description, and the tool with its types erased.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::error::ToolError;
use super::invocation::CallOptions;
use super::{AnyTool, CallGuards, JsonObject, ToolCallContext, ToolInfo, ToolReply};
use crate::metrics::CallCounters;

/// One tool of the registry.
#[derive(Debug)]
pub(super) struct MountedTool {
    pub(super) info: ToolInfo,
    pub(super) calls: CallCounters,
    pub(super) run: Box<dyn RunTool>,
}

/// A tool with its provider, with the provider's type erased.
pub(super) trait RunTool: Send + Sync + std::fmt::Debug {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>>;
}

/// A tool and its provider's state.
pub(super) struct BoundTool<P: 'static> {
    pub(super) provider: Arc<P>,
    pub(super) tool: &'static dyn AnyTool<P>,
}

impl<P> std::fmt::Debug for BoundTool<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bound")
    }
}

impl<P: Send + Sync> RunTool for BoundTool<P> {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            // Owned by this future: its guards are dropped at its end, and also when it is cancelled or times
            // out.
            let kept = CallGuards::default();
            let cx = ToolCallContext {
                provider: &*self.provider,
                caller: &options.caller,
                cancelled: &options.cancelled,
                progress: &options.progress,
                asker: &options.confirm,
                kept: &kept,
            };
            self.tool.call_json(cx, args).await
        }
        .boxed()
    }
}
