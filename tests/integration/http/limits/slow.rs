//! Clients that send a little at a time, or much of nothing.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{from, ping, status};
use crate::support::{TOKEN, TestServer, handshake, rpc};

fn address(server: &TestServer) -> SocketAddr {
    server
        .base
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap()
}

/// A connection from this address.
async fn connect(server: &TestServer, own: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{own}:0").parse().unwrap())?;
    socket.connect(address(server)).await
}

/// What the server says until it closes.
async fn rest(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut text));
    let _reset = read.await.expect("the server closes");
    String::from_utf8_lossy(&text).into_owned()
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn body_in_single_bytes_over_time_limit_is_408() {
    let server = TestServer::with(&[("MCP_BODY_TIMEOUT_SECONDS", "1")]).await;
    for path in ["/mcp", "/tools/call", "/api/v1/tools/list_user_sessions"] {
        let socket = connect(&server, "127.0.0.1").await.unwrap();
        let (mut read, mut write) = socket.into_split();
        write.write_all(head(path, 1_000).as_bytes()).await.unwrap();
        let drip = tokio::spawn(async move {
            while write.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), read.read_to_end(&mut answer));
        let _reset = read.await.expect("the server closes");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert!(answer.contains("too slowly"), "{path}: {answer}");
        drip.await.unwrap();
    }
}

#[tokio::test]
async fn large_body_has_more_time_than_a_small_one() {
    let server = TestServer::with(&[("MCP_BODY_TIMEOUT_SECONDS", "1")]).await;
    let mut socket = connect(&server, "127.0.0.1").await.unwrap();
    let ping = rpc("ping", json!({})).to_string();
    let body = format!("{}{ping}", " ".repeat(40_000));
    socket
        .write_all(head("/mcp", body.len()).as_bytes())
        .await
        .unwrap();
    for part in body.as_bytes().chunks(20_000) {
        socket.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(800)).await;
    }
    let mut answer = [0_u8; 64];
    let read = socket.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn headers_over_size_limit_are_431() {
    let server = TestServer::with(&[("MCP_MAX_HEADER_BYTES", "16384")]).await;
    let many: String = (0..101).map(|count| format!("X-{count}: a\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "a".repeat(20_000));
    for headers in [many, long] {
        let mut socket = connect(&server, "127.0.0.1").await.unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let _refused_early = socket.write_all(head.as_bytes()).await;
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut socket = connect(&server, "127.0.0.1").await.unwrap();
    let endless = async { while socket.write_all(b"X-More: and more\r\n").await.is_ok() {} };
    let cut_off = tokio::time::timeout(Duration::from_secs(20), endless).await;
    cut_off.expect("it is cut off");
    assert_eq!(status(ping(&server.http, &server, TOKEN)).await, 200);
}

#[tokio::test]
async fn half_open_connections_of_one_address_are_closed() {
    let server = TestServer::with(&[]).await;
    let mut open = Vec::new();
    for _ in 0..2_000 {
        if let Ok(mut socket) = connect(&server, "127.0.0.3").await
            && socket.write_all(b"POST /mcp HTTP/1.1\r\n").await.is_ok()
        {
            open.push(socket);
        }
    }
    assert_eq!(status(ping(&from("127.0.0.2"), &server, TOKEN)).await, 200);
    let mut closed = 0;
    for socket in &mut open {
        let mut byte = [0_u8; 1];
        let read = tokio::time::timeout(Duration::from_millis(1), socket.read(&mut byte)).await;
        closed += usize::from(read.is_ok());
    }
    assert_eq!(
        open.len() - closed,
        1_000,
        "{closed} of {} are closed",
        open.len()
    );
    drop(open);
    let again = from("127.0.0.3");
    let end = tokio::time::Instant::now() + crate::support::kasm::PATIENCE;
    while ping(&again, &server, TOKEN).send().await.is_err() {
        assert!(
            tokio::time::Instant::now() < end,
            "the places are never free again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
#[ignore = "slow: 12 s of processor time"]
async fn slow_ten_thousand_handshakes_of_one_caller_leave_room_for_others() {
    let server = TestServer::with(&[]).await;
    let shake = || {
        server
            .post(&rpc("initialize", handshake("2025-11-25")))
            .send()
    };
    let shaken = futures::stream::iter(0..10_000).map(|_| shake());
    let mut shaken = shaken.buffer_unordered(32);
    let mut first = None;
    while let Some(answer) = shaken.next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        first.get_or_insert_with(|| answer.headers()["mcp-session-id"].clone());
    }
    // Sessions of one caller make room for its newer ones.
    let old = server
        .post(&rpc("ping", json!({})))
        .header("mcp-session-id", first.unwrap());
    assert_eq!(status(old).await, 404);
    assert_eq!(status(ping(&from("127.0.0.2"), &server, TOKEN)).await, 200);
    server.ok("list_user_sessions", json!({})).await;
}
