//! The end of the server.

use std::time::Duration;

use kasm_emulator::Fault;
use kasm_mcp::http::serve::ServeEnd;
use serde_json::{Value, json};

use crate::support::sse_client::{Events, SseClient};
use crate::support::{TOKEN, TestServer, handshake, rpc};

#[tokio::test]
async fn shutdown_finishes_running_calls_and_refuses_new_ones() {
    let mut server = TestServer::start().await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_millis(400)), 1);
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let call = tokio::spawn(server.post(&call).send());
    while server.emulator.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let served = server.begin_stop();
    let refused = async {
        loop {
            let fresh = reqwest::Client::builder().build().unwrap();
            if fresh
                .get(format!("{}/healthz", server.base))
                .send()
                .await
                .is_err()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused)
        .await
        .expect("new connections are refused");
    let answer: Value = call.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
    assert_eq!(served.await.unwrap(), ServeEnd::Drained);
}

#[tokio::test]
async fn shutdown_with_open_streams_does_not_wait_for_them() {
    let server = TestServer::start().await;
    let mut sse = SseClient::connect(&server.base, "/sse").await;
    let opened = server
        .post(&rpc("initialize", handshake("2025-11-25")))
        .send()
        .await
        .unwrap();
    let stream = server
        .http
        .get(server.mcp())
        .bearer_auth(TOKEN)
        .header("accept", "text/event-stream");
    let stream = stream.header("mcp-session-id", opened.headers()["mcp-session-id"].clone());
    let mut stream = Events::of(stream.send().await.unwrap());
    let ended = tokio::time::timeout(Duration::from_secs(5), server.stop())
        .await
        .unwrap();
    assert_eq!(ended, ServeEnd::Drained);
    assert_eq!(sse.events.next().await, None);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn shutdown_still_answers_on_an_event_stream() {
    let mut server = TestServer::start().await;
    let mut sse = SseClient::connect(&server.base, "/sse").await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_millis(300)), 1);
    let call = sse.request("tools/call", json!({ "name": "get_available_workspaces" }));
    let stop = async {
        while server.emulator.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let served = server.begin_stop();
        served.await.unwrap()
    };
    let (answer, ended) = tokio::join!(call, stop);
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
    assert_eq!(ended, ServeEnd::Drained);
}

#[tokio::test]
async fn shutdown_cuts_calls_off_at_the_drain_limit() {
    let mut server = TestServer::with(&[("MCP_DRAIN_SECONDS", "1")]).await;
    server
        .emulator
        .fail_next("get_images", Fault::Latency(Duration::from_secs(20)), 1);
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let _call = tokio::spawn(server.post(&call).send());
    while server.emulator.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let served = server.begin_stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), served)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, ServeEnd::CutOff);
}
