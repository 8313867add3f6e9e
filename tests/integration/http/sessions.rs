//! Sessions of the revisions before 2026-07-28.

use std::time::Duration;

use http::StatusCode;
use kasm_emulator::Fault;
use serde_json::{Value, json};

use crate::support::sse_client::{Events, SseClient};
use crate::support::{TOKEN, TestServer, handshake, rpc};

async fn open(server: &TestServer, version: &str) -> (String, Value) {
    let answer = server
        .post(&rpc("initialize", handshake(version)))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let id = answer.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    (id, answer.json().await.unwrap())
}

async fn status_with(server: &TestServer, body: &Value, id: &str) -> StatusCode {
    server
        .post(body)
        .header("mcp-session-id", id)
        .send()
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn mcp_session_lives_from_initialize_to_delete() {
    let server = TestServer::start().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (id, answer) = open(&server, version).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        let resources = json!({ "subscribe": true, "listChanged": true });
        assert_eq!(
            answer["result"]["capabilities"],
            json!({ "tools": {}, "prompts": {}, "completions": {}, "resources": resources })
        );
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(
            status_with(&server, &initialized, &id).await,
            StatusCode::ACCEPTED
        );
        assert_eq!(
            status_with(&server, &rpc("ping", json!({})), &id).await,
            StatusCode::OK
        );
        let delete = || {
            server
                .http
                .delete(server.mcp())
                .bearer_auth(TOKEN)
                .header("mcp-session-id", &id)
                .send()
        };
        assert_eq!(delete().await.unwrap().status(), StatusCode::OK);
        assert_eq!(delete().await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(
            status_with(&server, &rpc("ping", json!({})), &id).await,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn mcp_version_is_negotiated_and_unknown_header_is_400() {
    let server = TestServer::start().await;
    for asked in ["2026-07-28", "1999-01-01", "2099-01-01"] {
        let (_, answer) = open(&server, asked).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{asked}");
    }
    let (id, _) = open(&server, "2025-06-18").await;
    let ping = rpc("ping", json!({}));
    let with = |version: &str| {
        server
            .post(&ping)
            .header("mcp-session-id", &id)
            .header("mcp-protocol-version", version)
    };
    assert_eq!(
        with("2025-06-18").send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(
        with("1.0").send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    let without = server
        .post(&ping)
        .header("mcp-protocol-version", "2025-06-18")
        .send()
        .await
        .unwrap();
    assert_eq!(
        without.status(),
        StatusCode::BAD_REQUEST,
        "a missing session id"
    );
    let unknown = "0".repeat(32);
    assert_eq!(
        status_with(&server, &ping, &unknown).await,
        StatusCode::NOT_FOUND
    );
    let incomplete = server
        .post(&rpc("initialize", json!({ "protocolVersion": 5 })))
        .send()
        .await
        .unwrap();
    assert_eq!(incomplete.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn mcp_session_over_limit_replaces_the_longest_unused() {
    let server = TestServer::with(&[("MCP_MAX_SESSIONS_PER_CALLER", "2")]).await;
    let ping = rpc("ping", json!({}));
    let (first, _) = open(&server, "2025-11-25").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (second, _) = open(&server, "2025-11-25").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(status_with(&server, &ping, &first).await, StatusCode::OK);
    let (third, _) = open(&server, "2025-11-25").await;
    assert_eq!(
        status_with(&server, &ping, &second).await,
        StatusCode::NOT_FOUND
    );
    for id in [&first, &third] {
        assert_eq!(status_with(&server, &ping, id).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn mcp_session_over_limit_with_all_in_use_is_429() {
    let server = TestServer::with(&[("MCP_MAX_SESSIONS_PER_CALLER", "1")]).await;
    let _client = SseClient::connect(&server.base, "/sse").await;
    let refused = server
        .post(&rpc("initialize", handshake("2025-11-25")))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
#[ignore = "slow: a session must be unused for a real second"]
async fn slow_idle_mcp_session_ends_unless_its_stream_is_open() {
    let server = TestServer::with(&[("MCP_SESSION_IDLE_SECONDS", "1")]).await;
    let (unused, _) = open(&server, "2025-11-25").await;
    let (held, _) = open(&server, "2025-11-25").await;
    let stream = server
        .http
        .get(server.mcp())
        .bearer_auth(TOKEN)
        .header("accept", "text/event-stream");
    let stream = Events::of(stream.header("mcp-session-id", &held).send().await.unwrap());
    let ping = rpc("ping", json!({}));
    // Any use would keep it, so it is left alone until it must be gone.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(
        status_with(&server, &ping, &unused).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(status_with(&server, &ping, &held).await, StatusCode::OK);
    drop(stream);
}

#[tokio::test]
async fn cancelled_request_is_answered_as_cancelled() {
    let server = TestServer::start().await;
    let (id, _) = open(&server, "2025-11-25").await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_secs(20)), 3);
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let call = server
        .post(&call)
        .header("mcp-session-id", &id)
        .header("accept", "application/json")
        .send();
    let cancel = async {
        while server.emulator.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cancelled = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1, "reason": "enough" },
        });
        assert_eq!(
            status_with(&server, &cancelled, &id).await,
            StatusCode::ACCEPTED
        );
    };
    let both = async { tokio::join!(call, cancel) };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .unwrap();
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32800);
}

#[tokio::test]
async fn request_id_in_use_is_refused() {
    let server = TestServer::start().await;
    let (id, _) = open(&server, "2025-11-25").await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_millis(300)), 1);
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let send = || server.post(&call).header("mcp-session-id", &id).send();
    let (first, second) = tokio::join!(send(), async {
        while server.emulator.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        send().await
    });
    assert_eq!(first.unwrap().status(), StatusCode::OK);
    assert_eq!(second.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn long_answer_becomes_an_event_stream() {
    let server = TestServer::start().await;
    let (id, _) = open(&server, "2025-11-25").await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_secs(6)), 1);
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let accept = "application/json, text/event-stream";
    let answer = server
        .post(&call)
        .header("mcp-session-id", &id)
        .header("accept", accept)
        .send()
        .await
        .unwrap();
    let event = Events::of(answer).next().await.unwrap();
    let message: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(message["result"]["structuredContent"]["success"], true);
}

#[tokio::test]
async fn http_sse_session_ends_with_its_stream() {
    let server = TestServer::start().await;
    let client = SseClient::connect(&server.base, "/").await;
    let endpoint = client.endpoint.clone();
    let ping = rpc("ping", json!({}));
    drop(client);
    for _ in 0..200 {
        let answer = server
            .http
            .post(&endpoint)
            .bearer_auth(TOKEN)
            .json(&ping)
            .send()
            .await
            .unwrap();
        if answer.status() == StatusCode::NOT_FOUND {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the session outlived its stream");
}

#[tokio::test]
async fn http_sse_with_bad_body_or_unknown_session_is_refused() {
    let server = TestServer::start().await;
    let client = SseClient::connect(&server.base, "/sse").await;
    let post = |url: String, body: &'static str| {
        server
            .http
            .post(url)
            .bearer_auth(TOKEN)
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let broken = post(client.endpoint.clone(), "{").await.unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    let nobody = format!("{}/messages?session_id={}", server.base, "0".repeat(32));
    assert_eq!(
        post(nobody, "{}").await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
    let nameless = format!("{}/messages", server.base);
    assert_eq!(
        post(nameless, "{}").await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn http_sse_endpoint_keeps_the_public_path() {
    let settings = [("MCP_PUBLIC_URL", "https://mcp.example.org/kasm/mcp")];
    let server = TestServer::with(&settings).await;
    let opened = server
        .http
        .get(format!("{}/sse", server.base))
        .bearer_auth(TOKEN);
    let mut events = Events::of(
        opened
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap(),
    );
    let endpoint = events.next().await.unwrap().data;
    assert!(
        endpoint.starts_with("/kasm/messages?session_id="),
        "{endpoint}"
    );
}
