//! Two callers on one server: what belongs to the first is, to the second, what never was. The tools are
//! those that the server lists, so a new one is tried here without being named.

mod handles;

use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};

use super::{TokenFile, token};
use crate::support::kasm::NO_SUCH_ID;
use crate::support::sse_client::{Event, Events};
use crate::support::{TestServer, handshake, rpc};

const FIRST: &str = "first";
const SECOND: &str = "second";

/// A server with two callers of two Kasm users, both with every right that a token can have.
struct Place {
    server: TestServer,
    file: TokenFile,
}

impl Place {
    async fn start() -> Self {
        let emulator = Emulator::builder()
            .start_time(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        let entry = |user: &str| format!("scope = \"kasm:admin\"\nkasm_user = \"{user}\"");
        let (one, other) = (entry(emulator.user_id()), entry(emulator.other_user_id()));
        let file = TokenFile::new(&[(FIRST, &one), (SECOND, &other)]);
        let settings = [
            ("MCP_TOKENS_FILE", file.path()),
            ("MCP_PUBLIC_URL", "http://127.0.0.1:1"),
        ];
        let hosts = ("MCP_ALLOWED_HOSTS", "127.0.0.1");
        let server = TestServer::in_front_of(emulator, &[settings[0], settings[1], hosts]).await;
        Self { server, file }
    }

    /// Another server in front of the same Kasm, with the same tokens.
    async fn restarted(&self) -> TestServer {
        let spare = Emulator::builder().start().await.unwrap();
        let (key, secret) = self.server.emulator.key();
        let settings = [
            ("KASM_API_URL", self.server.emulator.url()),
            ("KASM_API_KEY", key),
            ("KASM_API_SECRET", secret),
            ("MCP_TOKENS_FILE", self.file.path()),
            ("MCP_PUBLIC_URL", "http://127.0.0.1:1"),
            ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
        ];
        TestServer::in_front_of(spare, &settings).await
    }

    /// A running session of a caller.
    async fn session(&self, name: &str) -> String {
        let create = json!({ "image_name": "Terminal" });
        let reply = Door::Bare
            .call(&self.server, name, "create_kasm_session", &create)
            .await;
        let reply: Value = serde_json::from_str(&reply).unwrap();
        let kasm_id = &reply["result"]["structuredContent"]["data"]["kasm_id"];
        kasm_id
            .as_str()
            .unwrap_or_else(|| panic!("{reply}"))
            .to_owned()
    }
}

/// A way in. What it answers is the whole text.
#[derive(Clone, Copy, Debug)]
enum Door {
    Bare,
    Batch,
    Modern,
    Session,
    Sse,
    /// Without MCP. It has tools and nothing else.
    Rest,
}

const DOORS: [Door; 6] = [
    Door::Bare,
    Door::Batch,
    Door::Modern,
    Door::Session,
    Door::Sse,
    Door::Rest,
];

impl Door {
    async fn call(self, server: &TestServer, name: &str, tool: &str, arguments: &Value) -> String {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask(server, name, "tools/call", params, tool).await
    }

    /// `named` is what the request is about, which revision 2026-07-28 has in a header.
    async fn ask(
        self,
        server: &TestServer,
        name: &str,
        method: &str,
        mut params: Value,
        named: &str,
    ) -> String {
        let post = |body: &Value| {
            let request = server
                .http
                .post(server.mcp())
                .bearer_auth(token(name))
                .json(body);
            request.header("accept", "application/json, text/event-stream")
        };
        let request = match self {
            Self::Bare => post(&rpc(method, params)),
            Self::Batch => post(&json!([rpc(method, params)])),
            Self::Modern => {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {
                        "extensions": { "io.modelcontextprotocol/tasks": {} },
                    },
                });
                let request = post(&rpc(method, params)).header("mcp-method", method);
                request
                    .header("mcp-protocol-version", "2026-07-28")
                    .header("mcp-name", named)
            }
            Self::Session => {
                let hello = post(&rpc("initialize", handshake("2025-11-25")))
                    .send()
                    .await
                    .unwrap();
                let id = hello.headers()["mcp-session-id"].clone();
                post(&rpc(method, params)).header("mcp-session-id", id)
            }
            Self::Rest => {
                let url = format!("{}/api/v1/tools/{named}", server.base);
                let request = server.http.post(url).bearer_auth(token(name));
                request.json(&params["arguments"])
            }
            Self::Sse => return through_sse(server, name, &rpc(method, params)).await,
        };
        let answer = request.send().await.unwrap();
        format_answer(answer).await
    }
}

/// The status unless it is the usual one, and the text.
async fn format_answer(answer: reqwest::Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    if status == 200 {
        text
    } else {
        format!("{status} {text}")
    }
}

async fn open_sse(server: &TestServer, name: &str) -> (Events, String) {
    let opened = server
        .http
        .get(format!("{}/sse", server.base))
        .bearer_auth(token(name));
    let opened = opened
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut events = Events::of(opened);
    let Event { name, data } = events.next().await.unwrap();
    assert_eq!(name, "endpoint");
    let path = data
        .find("/messages")
        .map(|at| data[at..].to_owned())
        .unwrap();
    (events, format!("{}{path}", server.base))
}

async fn through_sse(server: &TestServer, name: &str, body: &Value) -> String {
    let (mut events, endpoint) = open_sse(server, name).await;
    let sent = server
        .http
        .post(endpoint)
        .bearer_auth(token(name))
        .json(body);
    assert_eq!(sent.send().await.unwrap().status(), 202);
    events.next().await.unwrap().data
}

/// Arguments that are right in every way, for any tool with a schema like those here.
fn arguments(tool: &Value, kasm_id: &str) -> Value {
    let schema = &tool["inputSchema"];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut arguments = json!({});
    for name in required.iter().filter_map(Value::as_str) {
        arguments[name] = value(schema, name, &schema["properties"][name]);
    }
    arguments["kasm_id"] = kasm_id.into();
    arguments
}

fn value(root: &Value, name: &str, schema: &Value) -> Value {
    match name {
        "path" | "file_path" => return json!("/home/kasm-user/x"),
        "actions" => return json!([{ "type": "wait", "seconds": 0.1 }]),
        "job_id" => return json!("0123456789abcdef0123456789abcdef"),
        _ => {}
    }
    let pointer = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    if let Some(target) = pointer.and_then(|pointer| root.pointer(pointer)) {
        return value(root, "", target);
    }
    if let Some(first) = schema["enum"]
        .as_array()
        .and_then(|choices| choices.first())
    {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([value(root, "", &schema["items"])]),
        Some("object") => json!({}),
        _ if name.is_empty() => json!("x"),
        _ => json!(name),
    }
}

/// The tools that take a `kasm_id`, as the server lists them.
async fn tools_of_sessions(server: &TestServer) -> Vec<Value> {
    let list = Door::Bare
        .ask(server, SECOND, "tools/list", json!({}), "")
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let tools = list["result"]["tools"].as_array().unwrap().iter();
    let takes_one = |tool: &&Value| tool["inputSchema"]["properties"]["kasm_id"].is_object();
    tools.filter(takes_one).cloned().collect()
}

/// Every tool is asked through one door about a session of somebody else and about none.
async fn nothing_is_there(server: &TestServer, emulator: &Emulator, door: Door, foreign: &str) {
    let tools = tools_of_sessions(server).await;
    assert!(tools.len() >= 20, "{} tools take a kasm_id", tools.len());
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        let mut seen = Vec::new();
        for kasm_id in [foreign, NO_SUCH_ID] {
            let before = emulator.requests().len();
            let answer = door
                .call(server, SECOND, name, &arguments(tool, kasm_id))
                .await;
            assert!(
                answer.contains("\"error_type\":\"not_found\""),
                "{door:?} {name}: if the arguments are wrong, teach `value` better ones: {answer}"
            );
            // What Kasm is asked takes the time, so equal questions are an equal time.
            let asked = emulator.requests().into_iter().skip(before);
            let mut asked: Vec<_> = asked.map(|request| request.endpoint).collect();
            // Some are asked at the same time.
            asked.sort();
            seen.push((answer.replace(kasm_id, "ID"), asked));
        }
        assert_eq!(seen[0], seen[1], "{door:?} {name}");
    }
}

#[tokio::test]
async fn foreign_session_is_not_found_by_every_tool_and_transport() {
    let place = Place::start().await;
    let foreign = place.session(FIRST).await;
    let own = place.session(SECOND).await;
    let emulator = &place.server.emulator;
    let dispatched = emulator.commands().len();
    for door in DOORS {
        nothing_is_there(&place.server, emulator, door, &foreign).await;
    }
    // Nor does it depend on Kasm to refuse.
    emulator.configure(|profile| profile.owners_checked = false);
    for door in DOORS {
        nothing_is_there(&place.server, emulator, door, &foreign).await;
    }
    let restarted = place.restarted().await;
    for door in DOORS {
        nothing_is_there(&restarted, emulator, door, &foreign).await;
    }

    assert_eq!(place.server.word_of(&foreign).as_deref(), Some("running"));
    assert_eq!(emulator.commands().len(), dispatched, "nothing was run");
    // The same call about one's own session is answered, so the tests above are about something.
    let status = json!({ "kasm_id": own });
    let answer = Door::Bare
        .call(&place.server, SECOND, "get_session_status", &status)
        .await;
    assert!(answer.contains("\"success\":true"), "{answer}");
    let list = Door::Bare
        .call(&place.server, SECOND, "list_user_sessions", &json!({}))
        .await;
    assert!(list.contains(&own) && !list.contains(&foreign), "{list}");
}
