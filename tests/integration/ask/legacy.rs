//! The revisions with a handshake: the question goes out while the call waits.

use std::sync::Arc;
use std::time::Duration;

use kasm_mcp::mcp::approvals::ApprovalBook;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData, RoleClient, ServiceExt};
use serde_json::{Value, json};

use super::{SHARED, Server, TOOLSET, refused, start};
use crate::support::sse_client::{Event, Events, SseClient};
use crate::support::toolbox::{caller, server};
use crate::support::{TOKEN, handshake, rpc};

/// A client of the Rust SDK whose user allows everything with `rm`.
#[derive(Clone)]
struct Person;

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("person", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let text = serde_json::to_value(&request).unwrap()["message"].to_string();
        if text.contains("rm") {
            let content = json!({ "answer": "once" });
            Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
        } else {
            Ok(ElicitResult::new(ElicitationAction::Decline))
        }
    }
}

async fn run(client: &RunningService<RoleClient, Person>, command: &str) -> Value {
    let arguments = json!({ "command": command }).as_object().cloned().unwrap();
    let params = CallToolRequestParams::new("run").with_arguments(arguments);
    let result = client.call_tool(params).await.unwrap();
    result.structured_content.unwrap()
}

#[tokio::test]
async fn rust_sdk_elicits_over_http_in_both_lifecycles() {
    let server = start("sdk", &SHARED).await;
    let modern = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    for (times, lifecycle) in [(1, ClientLifecycleMode::Initialize), (2, modern)] {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", server.base));
        let transport = StreamableHttpClientTransport::from_config(config.auth_header(TOKEN));
        let client = Person.serve_with_lifecycle(transport, lifecycle);
        let client = client.await.unwrap();
        let reply = run(&client, "rm").await;
        assert_eq!(reply["data"]["times"], times, "{reply}");
        refused(&run(&client, "reboot").await, "approval_declined");
        assert_eq!(server.times(), times);
    }
}

#[tokio::test]
async fn rust_sdk_elicits_over_stdio() {
    let world = Arc::default();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = server(&world, TOOLSET, &SHARED).for_local(caller("stdio"));
    let served = tokio::spawn(async move { server.serve(ours).await.unwrap().waiting().await });
    let client = Person.serve(theirs).await.unwrap();
    let reply = run(&client, "rm").await;
    assert_eq!(reply["data"]["times"], 1, "{reply}");
    refused(&run(&client, "reboot").await, "approval_declined");
    client.cancel().await.unwrap();
    served.await.unwrap().unwrap();
}

/// Opens a session for a client with elicitation.
async fn session(server: &Server, version: &str) -> String {
    let mut client = handshake(version);
    client["capabilities"] = json!({ "elicitation": {} });
    let answer = server.post(&rpc("initialize", client)).send().await;
    let answer = answer.unwrap();
    answer.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned()
}

fn call(command: &str) -> Value {
    rpc(
        "tools/call",
        json!({ "name": "run", "arguments": { "command": command } }),
    )
}

/// Starts a call that will ask, and returns its stream.
async fn asked(server: &Server, session: &str, command: &str) -> Events {
    let request = server
        .post(&call(command))
        .header("mcp-session-id", session);
    let request = request.header("accept", "application/json, text/event-stream");
    Events::of(request.send().await.unwrap())
}

fn message(event: Option<Event>) -> Value {
    serde_json::from_str(&event.expect("the stream stays open").data).unwrap()
}

#[tokio::test]
async fn elicitation_is_sent_on_the_stream_of_its_call() {
    let server = start("stream", &SHARED).await;
    for version in ["2025-06-18", "2025-11-25"] {
        let before = server.times();
        let session = session(&server, version).await;
        let mut events = asked(&server, &session, "rm").await;
        let question = message(events.next().await);
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let text = question["params"]["message"].as_str().unwrap();
        assert!(text.contains("rm in ~"), "{text}");
        // An answer to another question changes nothing.
        for (id, counts) in [(json!(4711), false), (question["id"].clone(), true)] {
            let result = json!({ "action": "accept", "content": { "answer": "once" } });
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            let post = server.post(&answer).header("mcp-session-id", &session);
            assert_eq!(post.send().await.unwrap().status(), 202);
            if !counts {
                assert_eq!(server.times(), before);
            }
        }
        let answer = message(events.next().await);
        assert_eq!(answer["result"]["structuredContent"]["success"], true);
        assert_eq!(server.times(), before + 1);
    }
}

#[tokio::test]
async fn elicitation_answer_from_another_session_is_ignored() {
    let server = start("two", &SHARED).await;
    let (one, two) = (
        session(&server, "2025-11-25").await,
        session(&server, "2025-11-25").await,
    );
    let mut events = asked(&server, &one, "rm").await;
    let question = message(events.next().await);
    let answer = |content: Value, session: &str| {
        let result = json!({ "action": "accept", "content": content });
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
        let post = server.post(&answer).header("mcp-session-id", session);
        async move { post.send().await.unwrap().status() }
    };
    assert_eq!(answer(json!({ "answer": "once" }), &two).await, 202);
    assert_eq!(answer(json!({ "answer": "no" }), &one).await, 202);
    let reply = message(events.next().await);
    refused(&reply["result"]["structuredContent"], "approval_declined");
    assert_eq!(server.times(), 0);
}

#[tokio::test]
async fn elicitation_without_answer_is_refused_and_cancelled() {
    let consent = ApprovalBook::new(Duration::from_millis(100));
    let server = start("silence", &consent).await;
    let session = session(&server, "2025-11-25").await;
    // Some question ids are used up, so that those of the session differ from the call's own.
    for _ in 0..2 {
        let mut events = asked(&server, &session, "rm").await;
        let question = message(events.next().await);
        let withdrawn = message(events.next().await);
        assert_eq!(withdrawn["method"], "notifications/cancelled");
        assert_eq!(withdrawn["params"]["requestId"], question["id"]);
        let reply = message(events.next().await);
        refused(&reply["result"]["structuredContent"], "approval_unanswered");
    }
    assert_eq!(server.times(), 0);
}

#[tokio::test]
async fn approval_for_client_without_event_stream_is_refused() {
    let server = start("deaf", &SHARED).await;
    let session = session(&server, "2025-11-25").await;
    let request = server.post(&call("rm")).header("mcp-session-id", &session);
    let request = request.header("accept", "application/json");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    refused(
        &answer["result"]["structuredContent"],
        "approval_unavailable",
    );
}

#[tokio::test]
async fn elicitation_over_http_sse_uses_the_one_stream() {
    let server = start("sse", &SHARED).await;
    let mut client = SseClient::connect(&server.base, "/sse").await;
    let params = json!({ "name": "run", "arguments": { "command": "rm" } });
    let reply = client.request("tools/call", params.clone()).await;
    refused(
        &reply["result"]["structuredContent"],
        "approval_unavailable",
    );

    // The same client shakes hands again, with elicitation.
    let mut again = handshake("2024-11-05");
    again["capabilities"] = json!({ "elicitation": {} });
    client.request("initialize", again).await;
    let mut request = rpc("tools/call", params);
    request["id"] = json!("ask");
    client.send(&request).await;
    let question = message(client.events.next().await);
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let result = json!({ "action": "accept", "content": { "answer": "once" } });
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    client.send(&answer).await;
    let reply = message(client.events.next().await);
    assert_eq!(reply["id"], "ask");
    assert_eq!(reply["result"]["structuredContent"]["data"]["times"], 1);
}
