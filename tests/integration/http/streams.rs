//! Event streams, as proxies and careless clients meet them.

use serde_json::{Value, json};

use crate::support::sse_client::SseClient;
use crate::support::{TOKEN, TestServer, handshake, rpc};

/// What some clients take for the end of a line, though JSON does not.
const LINE_ENDS: [char; 3] = ['\u{2028}', '\u{2029}', '\u{85}'];

/// Reads a stream until it has an answer; gives its raw text.
async fn raw_until_answer(mut response: reqwest::Response) -> String {
    let mut text = String::new();
    while !(text.contains("\"error\"") && text.ends_with("\n\n")) {
        let chunk = response
            .chunk()
            .await
            .unwrap()
            .expect("the stream stays open");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[tokio::test]
async fn line_ends_of_unicode_in_an_event_are_escaped() {
    let server = TestServer::start().await;
    let name = format!("a{}b{}c{}d", LINE_ENDS[0], LINE_ENDS[1], LINE_ENDS[2]);
    let opened = server.http.get(format!("{}/sse", server.base));
    let mut opened = opened.bearer_auth(TOKEN).send().await.unwrap();
    let first = opened.chunk().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let endpoint = first.lines().find_map(|line| line.strip_prefix("data: "));
    let call = rpc("tools/call", json!({ "name": name }));
    let posted = server
        .http
        .post(format!("{}{}", server.base, endpoint.unwrap()))
        .bearer_auth(TOKEN)
        .json(&call);
    assert_eq!(posted.send().await.unwrap().status(), 202);
    let text = raw_until_answer(opened).await;
    assert!(!text.contains(LINE_ENDS), "{text:?}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: "));
    let message: Value = serde_json::from_str(data.unwrap()).unwrap();
    let said = message["error"]["message"].as_str().unwrap();
    assert!(said.contains(&name), "{said:?}");
    assert_eq!(message["error"]["data"]["code"], "tool_unknown");
}

#[tokio::test]
async fn proxies_may_neither_hold_a_stream_back_nor_change_it() {
    let server = TestServer::start().await;
    let hello = rpc("initialize", handshake("2025-11-25"));
    let hello = server.post(&hello).send().await.unwrap();
    let session = hello.headers()["mcp-session-id"].clone();
    let get = |path: &str| {
        let url = format!("{}{path}", server.base);
        let request = server.http.get(url).bearer_auth(TOKEN);
        request.header("accept", "text/event-stream")
    };
    for request in [
        get("/sse"),
        get("/"),
        get("/mcp"),
        get("/mcp/readonly"),
        get("/mcp").header("mcp-session-id", session),
    ] {
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache, no-transform");
        assert_eq!(header("x-accel-buffering"), "no");
    }
}

#[tokio::test]
async fn a_get_of_streamable_http_opens_no_stream_of_another_transport() {
    let server = TestServer::start().await;
    let _other = SseClient::connect(&server.base, "/mcp").await;
    let get = server.http.get(server.mcp()).bearer_auth(TOKEN);
    let get = get
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", "2025-11-25");
    let answer = get.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["data"]["code"], "session_missing");
}

/// Clients of the newest revision probe with its first request, and shake hands if that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn http_sse_probe_of_the_newest_revision_is_answered_on_the_stream() {
    let server = TestServer::start().await;
    let mut client = SseClient::connect(&server.base, "/sse").await;
    let own = "io.modelcontextprotocol";
    let meta = json!({
        format!("{own}/protocolVersion"): "2026-07-28",
        format!("{own}/clientCapabilities"): {},
        format!("{own}/clientInfo"): { "name": "integration", "version": "1" },
    });
    let probe = client
        .request("server/discover", json!({ "_meta": meta }))
        .await;
    assert!(
        probe["error"]["code"].is_i64() || probe["result"].is_object(),
        "{probe}"
    );
    let tools = client.request("tools/list", json!({})).await;
    assert!(tools["result"]["tools"].is_array(), "{tools}");
}
