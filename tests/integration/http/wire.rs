//! Bodies, media types and methods at the edge of JSON-RPC.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{TOKEN, TestServer, rpc};

async fn post(server: &TestServer, body: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = server
        .http
        .post(server.mcp())
        .bearer_auth(TOKEN)
        .body(body.to_owned());
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn body_that_is_no_json_rpc_gets_its_error_code() {
    let server = TestServer::start().await;
    let modern = [("mcp-protocol-version", "2026-07-28")];
    for headers in [&[][..], &modern] {
        let cases = [
            ("{", -32700),
            ("", -32700),
            ("[1,", -32700),
            ("\u{0}", -32700),
            ("3", -32600),
            ("\"text\"", -32600),
            (r#"{"id":1,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        ];
        for (body, code) in cases {
            let (status, answer) = post(&server, body, headers).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
            assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
            assert_eq!(answer["jsonrpc"], "2.0");
        }
    }
}

#[tokio::test]
async fn body_that_is_not_json_media_type_is_415() {
    let server = TestServer::start().await;
    let ping = rpc("ping", json!({})).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let (status, _) = post(&server, &ping, &[("content-type", kind)]).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let (status, answer) = post(
        &server,
        &ping,
        &[("content-type", "Application/JSON; charset=utf-8")],
    )
    .await;
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!({})));
}

#[tokio::test]
async fn bare_post_with_any_accept_header_is_200() {
    let server = TestServer::start().await;
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("text/html"),
    ] {
        let headers: Vec<_> = accept
            .map(|accept| ("accept", accept))
            .into_iter()
            .collect();
        let (status, answer) =
            post(&server, &rpc("tools/list", json!({})).to_string(), &headers).await;
        assert_eq!(status, StatusCode::OK, "{accept:?}");
        assert!(answer["result"]["tools"].as_array().unwrap().len() > 15);
    }
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        post(&server, &notification.to_string(), &[]).await.0,
        StatusCode::ACCEPTED
    );
    let (status, answer) = post(
        &server,
        &json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string(),
        &[],
    )
    .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!(-32600))
    );
}

#[tokio::test]
async fn unknown_tool_or_method_is_protocol_error() {
    let server = TestServer::start().await;
    let call = rpc("tools/call", json!({ "name": "no_such_tool" })).to_string();
    let (status, answer) = post(&server, &call, &[]).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::OK, &json!(-32602))
    );
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no_such_tool")
    );
    for method in ["subscriptions/listen", "skills/list", "made/up"] {
        let params = json!({ "notifications": {} });
        let (_, answer) = post(&server, &rpc(method, params).to_string(), &[]).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains(method),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn batch_is_accepted_in_its_revision_only() {
    let server = TestServer::start().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        { "jsonrpc": "2.0", "id": "b", "method": "tools/list" },
        { "jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {} },
        5,
    ]);
    for headers in [&[][..], &[("mcp-protocol-version", "2025-03-26")]] {
        let (status, answer) = post(&server, &batch.to_string(), headers).await;
        assert_eq!(status, StatusCode::OK);
        let answers = answer.as_array().unwrap();
        assert_eq!(answers.len(), 4, "{answer}");
        assert_eq!(
            answers[0],
            json!({ "jsonrpc": "2.0", "id": 1, "result": {} })
        );
        assert_eq!(answers[1]["id"], "b");
        assert_eq!(answers[2]["error"]["code"], -32600);
        assert_eq!(answers[3]["error"]["code"], -32600);
    }
    let (status, answer) = post(
        &server,
        &batch.to_string(),
        &[("mcp-protocol-version", "2025-06-18")],
    )
    .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!(-32600))
    );
    for size in [0, 65] {
        let batch = vec![json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }); size];
        let (status, _) = post(&server, &json!(batch).to_string(), &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{size}");
    }
}

#[tokio::test]
async fn get_without_stream_is_406_and_unknown_path_is_404() {
    let server = TestServer::start().await;
    let get = |path: &str| {
        server
            .http
            .get(format!("{}{path}", server.base))
            .bearer_auth(TOKEN)
    };
    let answer = get("/mcp")
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_ACCEPTABLE);
    let answer = get("/nowhere").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let answer = server
        .http
        .put(server.mcp())
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn every_http_answer_has_a_request_id() {
    let server = TestServer::start().await;
    let own = server
        .post(&rpc("ping", json!({})))
        .header("x-request-id", "abc-123")
        .send()
        .await
        .unwrap();
    assert_eq!(own.headers()["x-request-id"], "abc-123");
    let strange = server
        .post(&rpc("ping", json!({})))
        .header("x-request-id", "a b\tc")
        .send()
        .await
        .unwrap();
    assert_ne!(strange.headers()["x-request-id"], "a b\tc");
    let refused = server.http.post(server.mcp()).send().await.unwrap();
    assert!(refused.headers().contains_key("x-request-id"));
}
