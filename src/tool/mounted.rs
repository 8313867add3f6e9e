//! A mounted tool: its description, and the tool with its types erased.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::error::ToolError;
use super::invocation::CallOptions;
use super::{AnyTool, Call, JsonObject, Kept, Reply, ToolInfo};

/// One tool of the registry.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) info: ToolInfo,
    pub(super) run: Box<dyn Run>,
}

/// A tool with its provider, with the provider's type erased.
pub(super) trait Run: Send + Sync + std::fmt::Debug {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>>;
}

/// A tool and its provider's state.
pub(super) struct Bound<P: 'static> {
    pub(super) provider: Arc<P>,
    pub(super) tool: &'static dyn AnyTool<P>,
}

impl<P> std::fmt::Debug for Bound<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bound")
    }
}

impl<P: Send + Sync> Run for Bound<P> {
    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<Reply<Value>, ToolError>> {
        async move {
            let kept = Kept::default();
            let cx = Call {
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
