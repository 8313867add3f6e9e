//! A mounted tool: its description, and the tool with its types erased.

use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::ToolError;
use super::invocation::CallOptions;
use super::{
    AnyTool, CallGuards, JsonObject, ToolCallContext, ToolInfo, ToolReply, Toolset, schema,
};
use crate::metrics::{CallCounters, ServerMetrics};

/// One tool of the registry.
#[derive(Debug)]
pub(super) struct MountedTool {
    pub(super) info: ToolInfo,
    /// Its counters, from the first call on.
    counters: OnceLock<CallCounters>,
    pub(super) run: Box<dyn RunTool>,
    /// A digest of what clients see of it, so that two lists can be compared without their texts.
    pub(super) digest: u64,
}

impl MountedTool {
    pub(super) fn new(info: ToolInfo, run: Box<dyn RunTool>) -> Self {
        let digest = digest_of(&info);
        Self {
            info,
            counters: OnceLock::new(),
            run,
            digest,
        }
    }

    /// The tool's counters in `metrics`, which are the same for all calls.
    pub(super) fn call_counters(&self, metrics: &ServerMetrics) -> &CallCounters {
        self.counters
            .get_or_init(|| metrics.call_counters(self.info.metric_name))
    }

    pub(super) fn of_toolset<P: Send + Sync + 'static>(
        provider: &Arc<P>,
        toolset: &Toolset<P>,
        tool: &'static dyn AnyTool<P>,
    ) -> Self {
        let run = BoundTool {
            provider: provider.clone(),
            tool,
        };
        Self::new(tool.info(toolset), Box::new(run))
    }
}

fn digest_of(info: &ToolInfo) -> u64 {
    let effect = info.effect;
    let seen = json!([
        *info.name,
        *info.title,
        *info.about,
        *info.toolset,
        effect.is_read_only(),
        effect.is_destructive(),
        info.open_world,
        *info.input_schema,
        *info.output_schema,
    ]);
    let digest = Sha256::digest(seen.to_string());
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// A tool with its provider, with the provider's type erased.
pub(super) trait RunTool: Send + Sync + std::fmt::Debug {
    /// What can be refused at once, before the call takes a place among the caller's.
    fn refuse_arguments(&self, info: &ToolInfo, args: &JsonObject) -> Result<(), ToolError>;

    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>>;
}

/// A tool and its provider's state.
struct BoundTool<P: 'static> {
    provider: Arc<P>,
    tool: &'static dyn AnyTool<P>,
}

impl<P> std::fmt::Debug for BoundTool<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BoundTool")
    }
}

impl<P: Send + Sync> RunTool for BoundTool<P> {
    fn refuse_arguments(&self, info: &ToolInfo, args: &JsonObject) -> Result<(), ToolError> {
        schema::refuse_unknown(&info.input_schema, args)
    }

    fn run<'a>(
        &'a self,
        options: &'a CallOptions,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            // Owned by this future: its guards are dropped at its end, and also when it is cancelled or times
            // out.
            let kept = CallGuards::default();
            let cx = ToolCallContext::of_call(&*self.provider, options, &kept);
            self.tool.call_json(cx, args).await
        }
        .boxed()
    }
}
