//! Calls that a tool makes inside its own call.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use kasm_mcp::tool::dynamic_tool::{DynamicHandler, DynamicTool};
use kasm_mcp::tool::invocation::CallOptions;
use kasm_mcp::tool::registry::RegistryHandle;
use kasm_mcp::tool::{
    ApprovalChannel, CallPosition, JsonObject, ProgressReporter, ToolCallContext, ToolError,
    ToolReply,
};
use serde_json::{Value, json};

use super::{SourceServer, definition, echo};

/// Calls the tool `tool` so many times at once, at most three of them, two at a time.
#[derive(Debug)]
struct Caller {
    registry: RegistryHandle,
    times: usize,
    tool: &'static str,
}

impl DynamicHandler for Caller {
    fn call<'a>(
        &'a self,
        cx: ToolCallContext<'a, ()>,
        _: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            let outer = cx.position.begin_inner_calls(3, 2)?;
            let registry = self.registry.upgrade().unwrap();
            let calls = (0..self.times).map(|_| async {
                let options = CallOptions {
                    caller: cx.caller.clone(),
                    origin: None,
                    cancelled: cx.cancelled.child_token(),
                    progress: ProgressReporter::without_listener(),
                    confirm: ApprovalChannel::unavailable(),
                    conversation: None,
                    position: CallPosition::default(),
                };
                let called = registry.call_within(&outer, self.tool, JsonObject::new(), options);
                let reply = called.await.map(|finished| finished.body);
                reply.unwrap_or_else(|_| json!({ "code": "tool_unknown" }))
            });
            let replies = join_all(calls).await;
            Ok(ToolReply::new(json!({ "replies": replies }), "called"))
        }
        .boxed()
    }
}

async fn server_with(calls: &[(&str, usize, &'static str)]) -> SourceServer {
    let server = SourceServer::start().await;
    let registry = RegistryHandle::default();
    registry.set_registry(&server.registry);
    let mut tools = vec![echo("echo", "1")];
    for (name, times, tool) in calls {
        let caller = Caller {
            registry: registry.clone(),
            times: *times,
            tool,
        };
        tools.push(DynamicTool::new(definition(name), Arc::new(caller)).unwrap());
    }
    assert!(server.source.replace_tools(tools).is_empty());
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn inner_calls_need_no_place_and_end_with_their_budget() {
    let server = server_with(&[("outer", 4, "echo")]).await;
    // As many outer calls as a caller may make at a time: inner calls would wait for each other for ever.
    let calls = (0..32).map(|_| server.call("outer", json!({})));
    let replies = tokio::time::timeout(Duration::from_secs(60), join_all(calls)).await;
    for reply in replies.expect("no call waits for ever") {
        let replies = reply["data"]["replies"].as_array().unwrap();
        let good = replies.iter().filter(|reply| reply["success"] == true);
        assert_eq!(good.count(), 3, "{reply}");
        let spent = replies.iter().find(|reply| reply["success"] == false);
        assert_eq!(spent.unwrap()["code"], "call_budget_spent", "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inner_call_makes_no_calls_itself() {
    let server = server_with(&[("inner", 1, "echo"), ("outer", 1, "inner")]).await;
    let reply = server.call("outer", json!({})).await;
    assert_eq!(
        reply["data"]["replies"][0]["code"], "calls_nested",
        "{reply}"
    );
}
