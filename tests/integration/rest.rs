//! The tools as plain HTTP: for programs without MCP.

mod document;
mod statuses;

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::audit::{Recorded, lines};
use crate::support::kasm::{NO_SUCH_ID, until};
use crate::support::{TOKEN, TestServer, rpc};

/// What came back: status, type, body.
struct Answer {
    status: StatusCode,
    kind: String,
    body: Value,
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    answer_of(request.send().await.unwrap()).await
}

async fn answer_of(answer: reqwest::Response) -> Answer {
    let kind = answer.headers()["content-type"].to_str().unwrap();
    Answer {
        status: answer.status(),
        kind: kind.to_owned(),
        body: answer.json().await.unwrap(),
    }
}

impl TestServer {
    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.get(url).bearer_auth(TOKEN)
    }

    fn rest(&self, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v1/tools/{tool}", self.base);
        self.http.post(url).bearer_auth(TOKEN).json(arguments)
    }
}

/// A problem of this status whose words name `about`.
fn assert_problem(answer: &Answer, status: u16, about: &str) {
    let body = &answer.body;
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.kind, "application/problem+json", "{body}");
    assert_eq!(body["status"], status, "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(about), "{detail}");
}

#[tokio::test]
async fn rest_runs_a_session_from_create_to_destroy() {
    let server = TestServer::start().await;
    let created =
        json!({ "name": "create_kasm_session", "arguments": { "image_name": "Terminal" } });
    let url = format!("{}/tools/call", server.base);
    let created = send(server.http.post(url).bearer_auth(TOKEN).json(&created)).await;
    assert_eq!(
        (created.status, &*created.kind),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(created.body["success"], true);
    let id = created.body["data"]["kasm_id"].as_str().unwrap();
    let command = json!({ "kasm_id": id, "command": "echo hello | tee /home/kasm-user/a; exit 3" });
    let ran = send(server.rest("execute_kasm_command", &command)).await;
    assert_eq!(
        ran.status, 200,
        "a command that fails is a call that succeeded"
    );
    assert_eq!(ran.body["data"]["exit_code"], 3);
    let file = json!({ "kasm_id": id, "file_path": "/home/kasm-user/a" });
    let read = send(server.rest("read_kasm_file", &file)).await;
    assert_eq!(read.body["data"]["content"], "hello\n");
    let mcp = server.call("read_kasm_file", file).await;
    assert_eq!(read.body, mcp, "the same as over MCP");
}

#[tokio::test]
async fn rest_tools_list_has_each_model_apis_format() {
    let server = TestServer::start().await;
    let plain = send(server.get("/tools/list")).await.body;
    let listed = server
        .post(&rpc("tools/list", json!({})))
        .send()
        .await
        .unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(
        plain["tools"], listed["result"]["tools"],
        "the same as over MCP"
    );
    let first = &plain["tools"][0];
    let (name, about) = (&first["name"], &first["description"]);
    let schema = &first["inputSchema"];
    let function = json!({ "name": name, "description": about, "parameters": schema });
    let mut flat = function.clone();
    flat["type"] = "function".into();
    flat["strict"] = false.into();
    for (format, pointer, wanted) in [
        ("mcp", "/tools/0", first.clone()),
        (
            "openai",
            "/tools/0",
            json!({ "type": "function", "function": function }),
        ),
        ("openai-responses", "/tools/0", flat),
        (
            "gemini",
            "/tools/0/functionDeclarations/0",
            json!({ "name": name, "description": about, "parametersJsonSchema": schema }),
        ),
        (
            "anthropic",
            "/tools/0",
            json!({ "name": name, "description": about, "input_schema": schema }),
        ),
    ] {
        let answer = send(server.get(&format!("/tools/list?format={format}"))).await;
        assert_eq!(answer.body.pointer(pointer).unwrap(), &wanted, "{format}");
    }
    for query in ["format=xml", "format=mcp&format=openai", "fromat=mcp"] {
        let answer = send(server.get(&format!("/tools/list?{query}"))).await;
        assert_problem(&answer, 400, "format");
    }
}

#[tokio::test]
async fn rest_call_on_foreign_session_is_404() {
    let server = TestServer::start().await;
    let foreign = server.foreign_session().await;
    for tool in ["get_session_status", "destroy_kasm_session"] {
        let theirs = send(server.rest(tool, &json!({ "kasm_id": foreign }))).await;
        let nobodys = send(server.rest(tool, &json!({ "kasm_id": NO_SUCH_ID }))).await;
        assert_eq!(theirs.status, 404);
        assert_eq!(nobodys.status, 404);
        let told = theirs.body.to_string().replace(&foreign, NO_SUCH_ID);
        assert_eq!(told, nobodys.body.to_string());
    }
    server.becomes(&foreign, Some("running")).await;
}

#[tokio::test]
async fn rest_tool_filter_narrows_list_and_document() {
    let server = TestServer::start().await;
    let narrowed = |request: reqwest::RequestBuilder| {
        request
            .header("x-mcp-readonly", "true")
            .header("x-mcp-toolsets", "sessions")
    };
    let list = send(narrowed(server.get("/tools/list"))).await.body;
    let names = list["tools"].as_array().unwrap();
    let has = |name: &str| names.iter().any(|tool| tool["name"] == name);
    assert!(has("get_session_status") && !has("destroy_kasm_session") && !has("read_kasm_file"));
    let document = send(narrowed(server.get("/openapi.json"))).await.body;
    assert_eq!(document["paths"].as_object().unwrap().len(), names.len());
    let id = server.session().await;
    for tool in [
        "destroy_kasm_session",
        "execute_kasm_command",
        "no_such_tool",
    ] {
        let request = server.rest(tool, &json!({ "kasm_id": id, "command": "true" }));
        assert_problem(&send(narrowed(request)).await, 404, tool);
    }
    assert_eq!(server.word_of(&id).as_deref(), Some("running"));
}

#[tokio::test]
async fn rest_screenshot_is_json_member_or_raw_image() {
    let server = TestServer::start().await;
    let args = json!({ "kasm_id": server.session().await });
    let reply = send(server.rest("get_session_screenshot", &args))
        .await
        .body;
    assert_eq!(reply["success"], true, "{reply}");
    let kind = reply["image"]["media_type"].as_str().unwrap().to_owned();
    assert!(reply["image"]["data"].as_str().unwrap().len() > 100);
    let raw = server
        .rest("get_session_screenshot", &args)
        .header("accept", "image/*");
    let raw = raw.send().await.unwrap();
    assert_eq!(
        (
            raw.status().as_u16(),
            raw.headers()["content-type"].to_str().unwrap()
        ),
        (200, &*kind)
    );
    let bytes = raw.bytes().await.unwrap();
    image::load_from_memory(&bytes).unwrap();
    // There is no picture of a failure.
    let request = server.rest("get_session_screenshot", &json!({ "kasm_id": NO_SUCH_ID }));
    assert_eq!(
        send(request.header("accept", "image/*")).await.body["error_type"],
        "not_found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_calls_are_audited_and_given_up_on_hang_up() {
    let recorded = Recorded::start(&[]).await;
    let server = &recorded.server;
    let id = server.session().await;
    let look = server.rest("get_session_status", &json!({ "kasm_id": id }));
    let look = look.header("x-request-id", "rest-look-1");
    assert_eq!(send(look).await.status, 200);
    let slow = json!({ "kasm_id": id, "command": "sleep 25", "wait_seconds": 20 });
    let slow = server.rest("execute_kasm_command", &slow);
    let left = slow.timeout(Duration::from_millis(1_500)).send().await;
    assert!(left.unwrap_err().is_timeout());
    let of_slow = |line: &&Value| line["tool"] == "execute_kasm_command" && line["event"] == "end";
    // The server notices on its own time.
    until("the end is on record", || {
        lines(recorded.directory.path())
            .iter()
            .any(|line| of_slow(&line))
    })
    .await;
    let directory = recorded.stop().await;
    let lines = lines(directory.path());
    let look = lines
        .iter()
        .find(|line| line["tool"] == "get_session_status");
    let look = look.unwrap();
    assert_eq!(look["request_id"], "rest-look-1");
    assert_eq!(
        (&look["outcome"], &look["caller"]),
        (&json!("ok"), &json!("token"))
    );
    assert_eq!(look["address"], "127.0.0.1");
    let end = lines.iter().find(of_slow).unwrap();
    assert_eq!(end["outcome"], "given_up", "{end}");
}
