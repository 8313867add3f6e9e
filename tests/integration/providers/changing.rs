//! Tools that come, change and go, as clients of every kind see them.

use std::sync::Arc;
use std::time::Duration;

use kasm_mcp::mcp::stdio::StdioTransport;
use kasm_mcp::tool::dynamic_tool::DynamicTool;
use rmcp::ServiceExt;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use super::{Echo, SourceServer, definition, echo};
use crate::resources::listener::Listener;
use crate::support::sse_client::SseClient;
use crate::support::toolbox::caller;
use crate::support::{TOKEN, handshake, rpc};

const CHANGED: &str = "notifications/tools/list_changed";

/// A client that keeps a stream open, and requests lists and calls.
enum Watcher {
    Session(Listener),
    Modern(Listener),
    Sse(Box<SseClient>),
    Stdio(StdioClient),
    /// REST has no stream: its client asks with the tag of the list that it has.
    Rest {
        tag: String,
    },
}

struct StdioClient {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    output: WriteHalf<DuplexStream>,
}

impl StdioClient {
    async fn connect(server: &SourceServer) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(theirs);
        let service = server.mcp.clone().for_local(caller("local"));
        tokio::spawn(async move {
            let transport = StdioTransport::new(input, output);
            let _ended = service.serve(transport).await.unwrap().waiting().await;
        });
        let (input, output) = tokio::io::split(ours);
        let mut client = Self {
            lines: BufReader::new(input).lines(),
            output,
        };
        client.request("initialize", handshake("2025-06-18")).await;
        client
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        client
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.output.write_all(line.as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        self.send(&rpc(method, params)).await;
        loop {
            let message = self.next().await;
            if message.get("id").is_some() {
                return message;
            }
        }
    }
}

impl Watcher {
    async fn connect_all(server: &SourceServer) -> Vec<Self> {
        let mut all = Vec::new();
        for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            let listener = Listener::session_of(&server.base, revision).await;
            all.push(Self::Session(listener));
        }
        let (modern, accepted) =
            Listener::modern(&server.base, json!({ "toolsListChanged": true })).await;
        assert_eq!(accepted, json!({ "toolsListChanged": true }));
        all.push(Self::Modern(modern));
        all.push(Self::Sse(Box::new(
            SseClient::connect(&server.base, "/sse").await,
        )));
        all.push(Self::Stdio(StdioClient::connect(server).await));
        all.push(Self::Rest { tag: String::new() });
        all
    }

    async fn request(&mut self, server: &SourceServer, method: &str, params: Value) -> Value {
        match self {
            Self::Session(listener) => listener.ask(method, params).await,
            Self::Modern(_) => modern_request(server, method, params).await,
            Self::Sse(client) => client.request(method, params).await,
            Self::Stdio(client) => client.request(method, params).await,
            Self::Rest { .. } => unreachable!("REST has no methods"),
        }
    }

    /// The titles of the tools by name.
    async fn list(&mut self, server: &SourceServer) -> Vec<(String, String)> {
        let tools = match self {
            Self::Rest { tag } => {
                let answer = server.get("/tools/list").send().await.unwrap();
                *tag = answer.headers()["etag"].to_str().unwrap().to_owned();
                answer.json::<Value>().await.unwrap()["tools"].clone()
            }
            Self::Session(_) | Self::Modern(_) | Self::Sse(_) | Self::Stdio(_) => {
                self.request(server, "tools/list", json!({})).await["result"]["tools"].clone()
            }
        };
        let text = |tool: &Value, member: &str| tool[member].as_str().unwrap().to_owned();
        let tools = tools.as_array().unwrap().iter();
        tools
            .map(|tool| (text(tool, "name"), text(tool, "title")))
            .collect()
    }

    /// The word that a tool replies with; None if it is unknown.
    async fn call(&mut self, server: &SourceServer, tool: &str) -> Option<String> {
        if matches!(self, Self::Rest { .. }) {
            let url = format!("{}/api/v1/tools/{tool}", server.base);
            let answer = server.http.post(url).bearer_auth(TOKEN).json(&json!({}));
            let answer = answer.send().await.unwrap();
            let is_unknown = answer.status() == 404;
            let reply: Value = answer.json().await.unwrap();
            assert_eq!(is_unknown, reply["code"] == "tool_unknown", "{reply}");
            return reply["data"]["word"].as_str().map(str::to_owned);
        }
        let params = json!({ "name": tool, "arguments": {} });
        let answer = self.request(server, "tools/call", params).await;
        let word = &answer["result"]["structuredContent"]["data"]["word"];
        let is_unknown = answer["error"]["data"]["code"] == "tool_unknown";
        assert_eq!(is_unknown, word.is_null(), "{answer}");
        word.as_str().map(str::to_owned)
    }

    /// Waits until the client is told that the list has changed, and of nothing else.
    async fn hear_of_change(&mut self, server: &SourceServer) {
        let message = match self {
            Self::Session(listener) | Self::Modern(listener) => listener.next().await,
            Self::Sse(client) => {
                let event = client.events.next().await.unwrap();
                serde_json::from_str(&event.data).unwrap()
            }
            Self::Stdio(client) => client.next().await,
            Self::Rest { tag } => {
                let same = server.get("/tools/list").header("if-none-match", &*tag);
                assert_eq!(same.send().await.unwrap().status(), 200, "it has changed");
                return;
            }
        };
        assert_eq!(message["method"], CHANGED, "{message}");
    }
}

async fn modern_request(server: &SourceServer, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let post = server.http.post(format!("{}/mcp", server.base));
    let post = post
        .bearer_auth(TOKEN)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("accept", "application/json, text/event-stream");
    let post = match params["name"].as_str() {
        Some(name) => post.header("mcp-name", name),
        None => post,
    };
    let answer = post.json(&rpc(method, params)).send().await.unwrap();
    answer.json().await.unwrap()
}

fn titles(names: &[&str]) -> Vec<(String, String)> {
    let titles = names.iter();
    titles
        .map(|name| ((*name).to_owned(), format!("The tool {name}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_every_kind_follow_tools_that_come_change_and_go() {
    let server = SourceServer::start().await;
    let (first, second) = (echo("first", "1"), echo("second", "2"));
    server.source.replace_tools([first.clone()]);
    let mut watchers = Watcher::connect_all(&server).await;
    for watcher in &mut watchers {
        assert_eq!(watcher.list(&server).await, titles(&["first"]));
        assert_eq!(watcher.call(&server, "second").await, None);
    }

    server.source.replace_tools([first, second.clone()]);
    for watcher in &mut watchers {
        watcher.hear_of_change(&server).await;
        assert_eq!(watcher.list(&server).await, titles(&["first", "second"]));
        assert_eq!(watcher.call(&server, "second").await.as_deref(), Some("2"));
    }

    let mut definition = definition("first");
    definition.about.push_str(" It has changed.");
    let changed = DynamicTool::new(definition, Arc::new(Echo("changed"))).unwrap();
    server.source.replace_tools([changed.clone(), second]);
    for watcher in &mut watchers {
        watcher.hear_of_change(&server).await;
        assert_eq!(
            watcher.call(&server, "first").await.as_deref(),
            Some("changed")
        );
        watcher.list(&server).await;
    }

    server.source.replace_tools([changed]);
    for watcher in &mut watchers {
        watcher.hear_of_change(&server).await;
        assert_eq!(watcher.list(&server).await, titles(&["first"]));
        assert_eq!(watcher.call(&server, "second").await, None);
    }
    let tag = server.get("/tools/list").send().await.unwrap().headers()["etag"].clone();
    let same = server.get("/tools/list").header("if-none-match", tag);
    assert_eq!(same.send().await.unwrap().status(), 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_that_is_the_same_to_a_client_is_not_announced() {
    let server = SourceServer::start().await;
    let tool = echo("same", "1");
    server.source.replace_tools([tool.clone()]);
    let mut watchers = Watcher::connect_all(&server).await;
    for watcher in &mut watchers {
        watcher.list(&server).await;
    }
    // The same tool again, then one that the client can see. A notification of the first would come first, and be
    // followed by another of the second.
    server.source.replace_tools([echo("same", "1")]);
    server.source.replace_tools([tool, echo("other", "2")]);
    for watcher in &mut watchers {
        watcher.hear_of_change(&server).await;
        assert_eq!(watcher.list(&server).await.len(), 2);
        // An answer comes behind every notification that was sent before it.
        assert_eq!(watcher.call(&server, "same").await.as_deref(), Some("1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_never_read_the_list_is_not_notified() {
    let server = SourceServer::start().await;
    let mut silent = SseClient::connect(&server.base, "/sse").await;
    let mut listener = Listener::session(&server.base).await;
    listener.ask("tools/list", json!({})).await;
    server.source.replace_tools([echo("new", "1")]);
    assert_eq!(listener.next().await["method"], CHANGED);
    // The answer is the next event of its stream.
    let params = json!({ "name": "new", "arguments": {} });
    silent.send(&rpc("tools/call", params)).await;
    let event = silent.events.next().await.unwrap();
    let message: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(message["result"]["structuredContent"]["success"], true);
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_announced_four_times_a_second_at_most() {
    use futures::StreamExt;
    use kasm_mcp::mcp::sessions::{McpSessions, SessionLimits};
    use rmcp::model::{ClientCapabilities, Implementation, InitializeRequestParams};

    let server = SourceServer::start().await;
    let sessions = McpSessions::new(SessionLimits {
        all_max: 1,
        per_caller_max: 1,
        idle: Duration::from_secs(60),
    });
    let client =
        InitializeRequestParams::new(ClientCapabilities::default(), Implementation::new("a", "1"));
    let session = sessions.open_session(&caller("someone"), client).unwrap();
    session.watched.add_tool_list();
    let notices = server.mcp.change_notices();
    let stream = Box::pin(notices.notify_session(session, caller("someone")));
    let source = server.source.clone();
    let changes = tokio::spawn(async move {
        for number in 0..1_000_u32 {
            source.replace_tools([echo(&format!("tool{number}"), "1")]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let count = stream.take_until(changes).count().await;
    assert!((30..=41).contains(&count), "{count}");
}

#[tokio::test]
async fn capabilities_and_ttl_follow_whether_tools_can_change() {
    let server = SourceServer::start().await;
    server.source.replace_tools([echo("one", "1")]);
    let opened = server.request("initialize", handshake("2025-11-25")).await;
    assert_eq!(
        opened["result"]["capabilities"]["tools"]["listChanged"],
        true
    );
    let list = modern_request(&server, "tools/list", json!({})).await;
    assert_eq!(list["result"]["ttlMs"], 5_000);
    let document: Value = server
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(document["paths"]["/api/v1/tools/one"].is_object());
    server.source.replace_tools([]);
    let document: Value = server
        .get("/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["paths"], json!({}));
    for text in [document.to_string(), opened.to_string(), list.to_string()] {
        assert!(!text.contains("Kasm") && !text.contains("KASM"), "{text}");
    }
    let health: Value = server
        .get("/health")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(health.get("kasm").is_none(), "{health}");
}
