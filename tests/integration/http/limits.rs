//! Limits that protect the server from its clients.

mod callers;
mod rates;
mod slow;

use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use kasm_emulator::Fault;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TOKEN, TestServer, rpc};

/// Requests from an address of their own.
fn from(address: &str) -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30));
    let client = client.local_address(address.parse::<IpAddr>().unwrap());
    client.build().unwrap()
}

/// A ping that needs no session.
fn ping(client: &reqwest::Client, server: &TestServer, token: &str) -> reqwest::RequestBuilder {
    let request = client.post(server.mcp()).bearer_auth(token);
    request.json(&rpc("ping", json!({})))
}

async fn status(request: reqwest::RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Sends requests until one is refused, and returns its answer and how many were answered.
async fn until_refused(request: reqwest::RequestBuilder) -> (reqwest::Response, usize) {
    for count in 0..1_000 {
        let answer = request.try_clone().unwrap().send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return (answer, count);
        }
        assert!(answer.status().is_success(), "{answer:?}");
    }
    panic!("a thousand requests were answered");
}

/// The seconds of `Retry-After`.
fn retry_after(answer: &reqwest::Response) -> u64 {
    let value = &answer.headers()["retry-after"];
    value.to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn mcp_body_over_limit_is_413_with_and_without_length() {
    let server = TestServer::with(&[("MCP_MAX_BODY_BYTES", "2000")]).await;
    let body = |size: usize| {
        rpc(
            "tools/call",
            json!({ "name": "x", "arguments": { "a": "a".repeat(size) } }),
        )
    };
    assert_eq!(
        server.post(&body(100)).send().await.unwrap().status(),
        StatusCode::OK
    );
    let answer = server.post(&body(3_000)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("MCP_MAX_BODY_BYTES")
    );

    let address = server.base.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 3_000, " ".repeat(3_000));
    socket.write_all(chunk.as_bytes()).await.unwrap();
    let mut answer = [0_u8; 64];
    let read = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer[..read].starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn headers_over_time_limit_close_the_connection() {
    let server = TestServer::with(&[("MCP_HEADER_TIMEOUT_SECONDS", "1")]).await;
    let mut socket = TcpStream::connect(server.base.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    socket
        .write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection is closed by the server");
    assert_eq!(
        server
            .post(&rpc("ping", json!({})))
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn calls_over_caller_limit_wait_for_their_turn() {
    let server = TestServer::with(&[("MCP_MAX_CALLS_PER_CALLER", "1")]).await;
    let kasm_id = server.session().await;
    let asked = |endpoint: &str| {
        let mut requests = server.emulator.requests();
        requests.retain(|request| request.endpoint == endpoint);
        requests
    };
    let held = Fault::Latency(Duration::from_millis(500));
    server.emulator.fail_next("get_kasm_status", held, 1);
    let before = asked("get_kasm_status").len();
    let first = server.call("get_session_status", json!({ "kasm_id": kasm_id }));
    let second = async {
        while asked("get_kasm_status").len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let call = server.call("get_available_workspaces", json!({}));
        let arrives = async {
            let images = asked("get_images").len();
            while asked("get_images").len() == images {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Kasm does not hear of the second call before it has answered the first.
            let answered = asked("get_kasm_status").pop().unwrap().status;
            assert_eq!(answered, 200, "the calls ran at the same time");
        };
        tokio::join!(call, arrives).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(
        (&first["success"], &second["success"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn tool_call_over_time_limit_is_timeout() {
    let server = TestServer::with(&[("MCP_TOOL_TIMEOUT_SECONDS", "1")]).await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_secs(20)), 3);
    let reply = server
        .fails("get_available_workspaces", json!({}), "timeout")
        .await;
    assert!(reply["error"].as_str().unwrap().contains("1 s"), "{reply}");
}
