//! The client's trace goes on here: in the log, and in a collector where there is one.

use kasm_emulator::Emulator;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::Program;
use crate::support::{TOKEN, rpc};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "0123456789abcdef0123456789abcdef";

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-00f067aa0ba902b7-01")
}

/// Calls a tool with a trace in the header, and another one in `_meta`.
async fn call(server: &Program, header: &str, meta: Option<&str>) {
    let mut params = json!({ "name": "get_available_workspaces" });
    if let Some(meta) = meta {
        params["_meta"] = json!({ "traceparent": meta });
    }
    let request = server.http.post(format!("{}/mcp", server.base));
    let request = request.bearer_auth(TOKEN).header("traceparent", header);
    let answer = request.json(&rpc("tools/call", params)).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_has_the_clients_trace_id() {
    let emulator = Emulator::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = [("LOG_FORMAT", "json")];
    let server = Program::start(&emulator, directory.path(), "log", &settings).await;
    call(&server, &traceparent(TRACE), None).await;
    call(&server, "nonsense", None).await;
    call(&server, "nonsense", Some(&traceparent(OTHER))).await;
    server.kill().await;
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    let calls: Vec<_> = log
        .lines()
        .filter(|line| line.contains("tool call"))
        .collect();
    assert_eq!(calls.len(), 3, "{log}");
    assert!(calls[0].contains(TRACE), "{}", calls[0]);
    assert!(!calls[1].contains("trace_id"), "{}", calls[1]);
    assert!(calls[2].contains(OTHER), "{}", calls[2]);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn otlp_setting_without_the_feature_exits_64() {
    use std::process::Command;
    let output = Command::new(env!("CARGO_BIN_EXE_kasm-mcp"))
        .env_clear()
        .env("MCP_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--features otlp"), "{said}");
}

#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn otlp_collector_gets_spans_of_the_clients_trace() {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use parking_lot::Mutex;

    use crate::support::kasm::until;

    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = got.clone();
    let take = move |body: Bytes| async move { kept.lock().extend_from_slice(&body) };
    let collector = Router::new().route("/v1/traces", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let emulator = Emulator::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = [("MCP_OTLP_ENDPOINT", endpoint.as_str())];
    let mut server = Program::start(&emulator, directory.path(), "log", &settings).await;
    call(&server, &traceparent(TRACE), None).await;
    call(&server, &traceparent(TRACE), Some(&traceparent(OTHER))).await;
    crate::support::signal("TERM", server.child.id().unwrap());
    server.child.wait().await.unwrap();
    let has = |bytes: &[u8]| {
        let got = got.lock();
        got.windows(bytes.len()).any(|window| window == bytes)
    };
    let trace = |text: &str| u128::from_str_radix(text, 16).unwrap().to_be_bytes();
    until("both traces are there", || {
        has(&trace(TRACE)) && has(&trace(OTHER))
    })
    .await;
    assert!(has(b"tools/call") && has(b"request") && has(b"kasm-mcp"));
    assert!(!has(TOKEN.as_bytes()));
}
