//! `params` and `arguments` that are no objects, on each transport.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::support::clients::modern_request;
use crate::support::sse_client::SseClient;
use crate::support::{TOKEN, TestServer, handshake, rpc, sources};

const TOOL: &str = "list_user_sessions";

/// Params that stand for an object, by method.
fn good() -> Vec<(&'static str, Value)> {
    let call = |arguments: Value| json!({ "name": TOOL, "arguments": arguments });
    vec![
        ("tools/call", call(json!([]))),
        ("tools/call", call(json!("{}"))),
        ("tools/call", call(json!(""))),
        ("tools/call", call(Value::Null)),
        ("tools/list", json!([])),
        ("prompts/list", json!([])),
        ("resources/list", json!([])),
        ("ping", json!([])),
    ]
}

/// Params that stand for no object, and the member that is named.
fn bad() -> Vec<(&'static str, Value, &'static str)> {
    let call = |arguments: Value| json!({ "name": TOOL, "arguments": arguments });
    vec![
        ("tools/call", call(json!(3)), "params.arguments"),
        ("tools/call", call(json!([1])), "params.arguments"),
        ("tools/call", call(json!("x")), "params.arguments"),
        ("tools/call", json!({ "name": 5 }), "params.name"),
        ("tools/call", json!(3), "params"),
        ("tools/list", json!("x"), "params"),
    ]
}

fn assert_good(transport: &str, method: &str, params: &Value, answer: &Value) {
    let said = format!("{transport} {method} {params}: {answer}");
    assert!(answer["result"].is_object(), "{said}");
    assert_ne!(answer["result"]["isError"], true, "{said}");
}

fn assert_bad(transport: &str, method: &str, params: &Value, member: &str, answer: &Value) {
    let said = format!("{transport} {method} {params}: {answer}");
    assert_eq!(answer["error"]["code"], -32602, "{said}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains(member),
        "{said}"
    );
    assert!(!answer["id"].is_null(), "{said}");
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_params_over_http_may_be_an_empty_list() {
    let server = TestServer::start().await;
    let opened = server
        .post(&rpc("initialize", handshake("2025-06-18")))
        .send()
        .await
        .unwrap();
    let session = opened.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    // A session takes each id once.
    let ids = std::sync::atomic::AtomicU64::new(100);
    let post = async |in_session: bool, method: &str, params: &Value| {
        let mut body = rpc(method, params.clone());
        body["id"] = ids
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            .into();
        let request = server.post(&body);
        let request = if in_session {
            request.header("mcp-session-id", &session)
        } else {
            request
        };
        answer(request).await
    };
    for in_session in [false, true] {
        let transport = if in_session { "session" } else { "bare" };
        for (method, params) in good() {
            let answer = post(in_session, method, &params).await;
            assert_good(transport, method, &params, &answer);
        }
        for (method, params, member) in bad() {
            let answer = post(in_session, method, &params).await;
            assert_bad(transport, method, &params, member, &answer);
        }
    }
    // A batch, which revision 2025-03-26 has.
    let batch: Vec<_> = good()
        .into_iter()
        .map(|(method, params)| rpc(method, params))
        .collect();
    let answers = answer(server.post(&Value::Array(batch))).await;
    for answer in answers.as_array().unwrap() {
        assert_good("batch", "", &Value::Null, answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_params_over_sse_may_be_an_empty_list() {
    let server = TestServer::start().await;
    let mut client = SseClient::connect(&server.base, "/sse").await;
    for (method, params) in good() {
        let answer = client.request(method, params.clone()).await;
        assert_good("sse", method, &params, &answer);
    }
    for (method, params, member) in bad() {
        let answer = client.request(method, params.clone()).await;
        assert_bad("sse", method, &params, member, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_in_newest_revision_may_be_an_empty_list() {
    let server = TestServer::start().await;
    for (method, params) in good() {
        if method == "tools/call" {
            let request = modern_request(&server, method, params.clone(), Some(TOOL));
            assert_good("modern", method, &params, &answer(request).await);
        }
    }
    for (method, params, member) in bad() {
        if params["arguments"] != Value::Null {
            let request = modern_request(&server, method, params.clone(), Some(TOOL));
            assert_bad("modern", method, &params, member, &answer(request).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_params_over_stdio_may_be_an_empty_list() {
    let server = TestServer::start().await;
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"));
    program
        .arg("stdio")
        .env_clear()
        .envs(sources(&server.emulator, &[]).environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut program = program.spawn().unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut exchange = async |method: &str, params: Value| {
        let line = format!("{}\n", rpc(method, params));
        input.write_all(line.as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    exchange("initialize", handshake("2025-06-18")).await;
    for (method, params) in good() {
        let answer = exchange(method, params.clone()).await;
        assert_good("stdio", method, &params, &answer);
    }
    for (method, params, member) in bad() {
        let answer = exchange(method, params.clone()).await;
        assert_bad("stdio", method, &params, member, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_arguments_may_be_an_empty_list() {
    let server = TestServer::start().await;
    let post = async |path: &str, body: &Value| {
        let url = format!("{}{path}", server.base);
        let sent = server
            .http
            .post(url)
            .bearer_auth(TOKEN)
            .json(body)
            .send()
            .await
            .unwrap();
        (sent.status().as_u16(), sent.json::<Value>().await.unwrap())
    };
    let named = format!("/api/v1/tools/{TOOL}");
    for empty in [json!([]), json!("{}"), json!(""), json!({}), Value::Null] {
        let (status, body) = post(&named, &empty).await;
        assert_eq!(
            (status, &body["success"]),
            (200, &json!(true)),
            "{empty}: {body}"
        );
        let call = json!({ "name": TOOL, "arguments": empty });
        let (status, body) = post("/tools/call", &call).await;
        assert_eq!(
            (status, &body["success"]),
            (200, &json!(true)),
            "{call}: {body}"
        );
    }
    for other in [json!(3), json!([1]), json!("x")] {
        let call = json!({ "name": TOOL, "arguments": other });
        for (path, body) in [(named.as_str(), &other), ("/tools/call", &call)] {
            let (status, answer) = post(path, body).await;
            assert_eq!(status, 400, "{body}: {answer}");
            assert!(
                answer["detail"].as_str().unwrap().contains("arguments"),
                "{answer}"
            );
        }
    }
}
