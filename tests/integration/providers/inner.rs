//! Calls that a tool makes inside its own call.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use kasm_mcp::audit::{AuditLog, AuditSettings};
use kasm_mcp::tool::dynamic_tool::{DynamicHandler, DynamicTool};
use kasm_mcp::tool::invocation::CallOptions;
use kasm_mcp::tool::provider::Provider;
use kasm_mcp::tool::registry::{Registry, RegistryHandle};
use kasm_mcp::tool::tool_table::DynamicToolSource;
use kasm_mcp::tool::{
    ApprovalChannel, CallPosition, JsonObject, ProgressReporter, ToolCallContext, ToolError,
    ToolReply,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SourceServer, definition, echo};
use crate::audit::lines;
use crate::support::toolbox::DESCRIPTION;

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
    fill_server(SourceServer::start().await, calls)
}

fn fill_server(server: SourceServer, calls: &[(&str, usize, &'static str)]) -> SourceServer {
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

#[tokio::test(flavor = "multi_thread")]
async fn inner_call_names_its_outer_one_in_the_record() {
    let directory = TempDir::new().unwrap();
    let audit = AuditLog::open(&AuditSettings {
        file: directory.path().join("audit.jsonl"),
        bytes_max: 1 << 20,
        keep: 0,
        fail_open: false,
    });
    let audit = audit.unwrap();
    let source = DynamicToolSource::default();
    let provider = Provider::new(DESCRIPTION).with_tool_source("things", source.clone());
    let registry = Registry::new(Duration::from_secs(30), 32)
        .with_audit(Some(audit.clone()))
        .mount_provider(provider);
    let server = SourceServer::of_registry(registry, source).await;
    let server = fill_server(server, &[("outer", 2, "echo")]);
    let reply = server.call("outer", json!({})).await;
    assert_eq!(reply["success"], true, "{reply}");
    audit.close().await;
    let lines = lines(directory.path());
    let of_tool = |tool: &str| {
        let lines = lines.iter().filter(|line| line["tool"] == tool);
        lines.collect::<Vec<_>>()
    };
    let (outer, inner) = (of_tool("outer"), of_tool("echo"));
    assert_eq!((outer.len(), inner.len()), (1, 2), "{lines:?}");
    assert!(
        outer[0]["call"].is_u64() && outer[0]["parent"].is_null(),
        "{lines:?}"
    );
    for line in inner {
        assert_eq!(line["parent"], outer[0]["call"], "{line}");
    }
}
