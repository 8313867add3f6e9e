//! Clients that ask for fewer tools, by path or header.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::sse_client::SseClient;
use crate::support::{TOKEN, TestServer, rpc};

/// A request with headers of its own, to a path of its own.
async fn post(
    server: &TestServer,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> (StatusCode, Value) {
    let url = format!("{}{path}", server.base);
    let mut request = server.http.post(url).bearer_auth(TOKEN).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn offered(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> BTreeSet<String> {
    let (status, list) = post(server, path, headers, &rpc("tools/list", json!({}))).await;
    assert_eq!(status, 200, "{path} {headers:?}: {list}");
    assert_eq!(list["result"]["cacheScope"], "private");
    names(&list)
}

fn names(list: &Value) -> BTreeSet<String> {
    let tools = list["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tool_filter_in_path_or_header_narrows_the_list() {
    let server = TestServer::start().await;
    let all = offered(&server, "/mcp", &[]).await;
    let files = offered(&server, "/mcp/x/files", &[]).await;
    assert!(files.contains("read_kasm_file") && files.contains("write_kasm_file"));
    assert!(!files.contains("execute_kasm_command"));
    for (path, headers) in [
        ("/mcp/x/files/", &[][..]),
        ("/mcp/x/files,files", &[]),
        ("/mcp/x/files%2C", &[]),
        ("/mcp", &[("x-mcp-toolsets", "files")]),
        (
            "/mcp/x/files,exec",
            &[("x-mcp-toolsets", " files , desktop")],
        ),
        (
            "/mcp/x/files",
            &[("x-mcp-toolsets", ""), ("x-mcp-readonly", "false")],
        ),
    ] {
        assert_eq!(
            offered(&server, path, headers).await,
            files,
            "{path} {headers:?}"
        );
    }
    let looks = offered(&server, "/mcp/readonly", &[]).await;
    assert!(looks.contains("read_kasm_file") && looks.contains("get_session_status"));
    assert!(!looks.contains("write_kasm_file") && !looks.contains("destroy_kasm_session"));
    assert!(looks.len() < all.len() && looks.is_subset(&all));
    assert_eq!(
        offered(&server, "/mcp", &[("x-mcp-readonly", "True")]).await,
        looks
    );
    let both: BTreeSet<_> = files.intersection(&looks).cloned().collect();
    assert_eq!(offered(&server, "/mcp/x/files/readonly", &[]).await, both);
    assert_eq!(
        offered(
            &server,
            "/mcp/readonly",
            &[("x-mcp-toolsets", "files"), ("x-mcp-readonly", "0")]
        )
        .await,
        both,
        "a header does not undo what the path says"
    );
    assert!(
        offered(&server, "/mcp/x/files", &[("x-mcp-toolsets", "exec")])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn tool_filter_with_unknown_toolset_names_the_known() {
    let server = TestServer::start().await;
    let list = rpc("tools/list", json!({}));
    for (path, header, status) in [
        ("/mcp/x/files,nonsense", ("x-other", ""), 404),
        ("/mcp", ("x-mcp-toolsets", "nonsense"), 400),
    ] {
        let (got, problem) = post(&server, path, &[header], &list).await;
        assert_eq!(got, status, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("nonsense") && detail.contains("sessions, exec, files"),
            "{detail}"
        );
    }
    let (got, _) = post(&server, "/mcp", &[("x-mcp-readonly", "maybe")], &list).await;
    assert_eq!(got, 400);
}

/// Whatever the transport, a tool that is not offered is answered as one that never was.
#[tokio::test]
async fn tool_outside_the_filter_is_unknown() {
    let server = TestServer::start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut answers = Vec::new();
    for tool in ["write_kasm_file", "there_is_no_such"] {
        let mut params = json!({ "name": tool, "arguments": { "x": 1 } });
        let plain = rpc("tools/call", params.clone());
        let bare = post(&server, "/mcp/readonly", &[], &plain).await;
        let batch = post(&server, "/mcp/readonly", &[], &json!([plain])).await;
        params["_meta"] = meta.clone();
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
            ("accept", "application/json, text/event-stream"),
        ];
        let modern = post(
            &server,
            "/mcp/readonly",
            &headers,
            &rpc("tools/call", params),
        )
        .await;
        let words = format!("{bare:?} {batch:?} {modern:?}").replace(tool, "TOOL");
        assert!(words.contains("unknown tool"), "{words}");
        answers.push(words);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn tool_filter_of_a_stream_lasts_as_long_as_it() {
    let server = TestServer::start().await;
    let mut narrow = SseClient::connect(&server.base, "/mcp/x/files/readonly").await;
    let list = narrow.request("tools/list", json!({})).await;
    assert_eq!(
        names(&list),
        offered(&server, "/mcp/x/files/readonly", &[]).await
    );
    let call = json!({ "name": "write_kasm_file", "arguments": {} });
    let answer = narrow.request("tools/call", call).await;
    let words = answer["error"]["message"].as_str().unwrap();
    assert!(words.contains("unknown tool"), "{answer}");
}

#[tokio::test]
async fn read_only_filter_refuses_arguments_that_write() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    let path = "/home/kasm-user/x";
    for (tool, arguments) in [
        (
            "get_session_screenshot",
            json!({ "kasm_id": kasm_id, "save_to_file": path }),
        ),
        (
            "get_session_status",
            json!({ "kasm_id": kasm_id, "include_url": true }),
        ),
    ] {
        let call = rpc(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        );
        let (_, answer) = post(&server, "/mcp/readonly", &[], &call).await;
        let reply = &answer["result"]["structuredContent"];
        assert_eq!(reply["error_type"], "permission", "{tool}: {answer}");
        assert!(
            reply["error"].as_str().unwrap().contains("read-only"),
            "{reply}"
        );
    }
}
