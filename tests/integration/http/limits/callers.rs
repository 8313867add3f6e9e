//! How often one caller may ask, in whatever way, and how much it may keep open.

use std::time::Duration;

use http::StatusCode;
use kasm_mcp::token::TokenHash;
use serde_json::{Value, json};

use super::{from, ping, retry_after, status, until_refused};
use crate::support::clients::modern_request;
use crate::support::sse_client::Events;
use crate::support::{TOKEN, TestServer, handshake, rpc};

const OTHER: &str = "token-of-another-caller-0123456789";
/// The fields of an ordinary entry.
const USES: &str = "scope = \"kasm:use\"";

/// A server with a second caller, whose entry has `more`.
async fn with_other(more: &str, settings: &[(&str, &str)]) -> (TestServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let hash = TokenHash::of_token(OTHER);
    let entry = format!("[[token]]\nname = \"other\"\nsha256 = \"{hash}\"\n{more}\n");
    std::fs::write(&path, entry).unwrap();
    let file = [("MCP_TOKENS_FILE", path.to_str().unwrap())];
    let server = TestServer::with(&[settings, &file].concat()).await;
    (server, folder)
}

#[tokio::test]
async fn caller_over_rate_is_429_in_every_transport() {
    let (server, _file) = with_other(USES, &[("MCP_RATE_PER_CALLER", "2/8")]).await;
    let bare = server.post(&rpc("ping", json!({})));
    let shaken = server.post(&rpc("initialize", handshake("2025-11-25")));
    let shaken = shaken.send().await.unwrap();
    let session = shaken.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let stream = server.http.get(format!("{}/sse", server.base));
    let stream = stream.bearer_auth(TOKEN).send().await.unwrap();
    let mut events = Events::of(stream);
    let messages = format!("{}{}", server.base, events.next().await.unwrap().data);
    let (_, answered) = until_refused(bare.try_clone().unwrap()).await;
    assert_eq!(answered, 6);
    let in_session = |request: reqwest::RequestBuilder| request.header("mcp-session-id", &session);
    let rpcs = [
        bare,
        in_session(server.post(&rpc("ping", json!({})))),
        server.post(&rpc("initialize", handshake("2025-06-18"))),
        modern_request(&server, "tools/list", json!({}), None),
        server
            .http
            .post(messages)
            .bearer_auth(TOKEN)
            .json(&rpc("ping", json!({}))),
        server
            .http
            .post(format!("{}/readonly", server.mcp()))
            .bearer_auth(TOKEN)
            .json(&rpc("ping", json!({}))),
    ];
    for request in rpcs {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait = retry_after(&answer);
        assert!((1..=30).contains(&wait), "{wait}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
        assert_eq!(body["error"]["code"], -32029, "{body}");
        assert_eq!(body["error"]["data"]["retry_after_seconds"], wait);
    }
    let get = |url: String| server.http.get(url).bearer_auth(TOKEN);
    let no_file = "0123456789abcdef0123456789abcdef/a";
    for (request, kind) in [
        (
            in_session(get(server.mcp())).header("accept", "text/event-stream"),
            "application/json",
        ),
        (get(format!("{}/sse", server.base)), "application/json"),
        (
            in_session(server.http.delete(server.mcp()).bearer_auth(TOKEN)),
            "application/json",
        ),
        (
            get(format!("{}/files/{no_file}", server.base)),
            "application/problem+json",
        ),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(retry_after(&answer) >= 1);
        assert_eq!(answer.headers()["content-type"], kind);
        let body: Value = answer.json().await.unwrap();
        let code = [&body["code"], &body["error"]["data"]["code"]];
        assert!(
            code.contains(&&json!("too_many_requests_of_caller")),
            "{body}"
        );
    }
    assert_eq!(status(ping(&server.http, &server, OTHER)).await, 200);
}

#[tokio::test]
#[ignore = "slow: waits for the rate to recover"]
async fn slow_token_has_the_rate_of_its_entry() {
    let (server, _file) = with_other(
        "scope = \"kasm:use\"\nrate = 4",
        &[("MCP_RATE_PER_CALLER", "60/2")],
    )
    .await;
    let (refused, answered) = until_refused(ping(&server.http, &server, OTHER)).await;
    assert_eq!(answered, 2, "no more at once than others");
    let wait = retry_after(&refused);
    assert!((14..=15).contains(&wait), "{wait}");
    let (refused, _) = until_refused(ping(&server.http, &server, TOKEN)).await;
    assert_eq!(retry_after(&refused), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        status(ping(&server.http, &server, TOKEN)).await,
        200,
        "it is honest"
    );
    assert_eq!(status(ping(&server.http, &server, OTHER)).await, 429);
}

#[tokio::test]
async fn batch_counts_as_its_requests_for_the_rate() {
    let server = TestServer::with(&[("MCP_RATE_PER_CALLER", "1/6")]).await;
    let batch = |size: usize| Value::Array(vec![rpc("ping", json!({})); size]);
    assert_eq!(status(server.post(&batch(5))).await, 200);
    let refused = server.post(&batch(5)).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(retry_after(&refused) > 60);
}

#[tokio::test]
async fn costly_tool_over_rate_is_too_many_costly_calls() {
    let settings = [("MCP_RATE_COSTLY_TOOLS", "6/2")];
    let (server, _file) = with_other("scope = \"kasm:admin\"", &settings).await;
    let create = json!({ "image_name": "Terminal" });
    server.session().await;
    server.session().await;
    let reply = server
        .fails_as(
            "create_kasm_session",
            create.clone(),
            "rate_limited",
            "too_many_costly_calls",
        )
        .await;
    let hint = reply["hint"].as_str().unwrap();
    let wait: u64 = hint.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        hint.starts_with("wait ") && (1..=10).contains(&wait),
        "{hint}"
    );
    server
        .fails(
            "logout_kasm_user",
            json!({ "user_id": server.emulator.other_user_id() }),
            "rate_limited",
        )
        .await;
    server.ok("list_user_sessions", json!({})).await;
    server.ok("get_kasm_users", json!({})).await;
    let body = rpc(
        "tools/call",
        json!({ "name": "create_kasm_session", "arguments": create }),
    );
    let other = server
        .http
        .post(server.mcp())
        .bearer_auth(OTHER)
        .json(&body);
    let other: Value = other.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        other["result"]["structuredContent"]["success"], true,
        "{other}"
    );
}

#[tokio::test]
async fn streams_over_caller_or_total_limit_are_refused() {
    let settings = [
        ("MCP_MAX_STREAMS_PER_CALLER", "2"),
        ("MCP_MAX_STREAMS", "3"),
    ];
    let (server, _file) = with_other(USES, &settings).await;
    let open = |token: &str| {
        server
            .http
            .get(format!("{}/sse", server.base))
            .bearer_auth(token)
            .send()
    };
    let first = open(TOKEN).await.unwrap();
    let second = open(TOKEN).await.unwrap();
    let refused = open(TOKEN).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(retry_after(&refused) >= 1);
    let listen = json!({ "notifications": { "resourcesListChanged": true } });
    let listen = modern_request(&server, "subscriptions/listen", listen, None);
    assert_eq!(status(listen).await, 429);
    // Calls go on.
    assert_eq!(status(ping(&from("127.0.0.1"), &server, TOKEN)).await, 200);
    let third = open(OTHER).await.unwrap();
    assert_eq!(third.status(), StatusCode::OK);
    assert_eq!(
        open(OTHER).await.unwrap().status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    drop((first, second));
    let end = tokio::time::Instant::now() + crate::support::kasm::PATIENCE;
    while open(TOKEN).await.unwrap().status() != StatusCode::OK {
        assert!(
            tokio::time::Instant::now() < end,
            "a closed stream is never free again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
