//! Health checks.

use kasm_emulator::Fault;
use serde_json::{Value, json};

use crate::support::{TOKEN, TestServer};

#[tokio::test]
async fn health_without_token_has_status_and_version_only() {
    let server = TestServer::start().await;
    let answer = server
        .http
        .get(format!("{}/health", server.base))
        .send()
        .await
        .unwrap();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body,
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })
    );
    for path in ["/healthz", "/readyz"] {
        let answer = server
            .http
            .get(format!("{}{path}", server.base))
            .header("host", "10.0.0.7:8080");
        assert_eq!(answer.send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(
        server.emulator.requests().len(),
        0,
        "nobody without a token makes us ask Kasm"
    );
}

#[tokio::test]
async fn health_with_token_tells_whether_kasm_answers() {
    let server = TestServer::start().await;
    let health = || async {
        let asked = server
            .http
            .get(format!("{}/health", server.base))
            .bearer_auth(TOKEN);
        asked.send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(health().await["kasm"], json!({ "reachable": true }));
    server
        .emulator
        .fail_next("__healthcheck", Fault::Status(502), 1);
    let body = health().await;
    assert_eq!(body["kasm"]["reachable"], false);
    assert!(
        body["kasm"]["reason"].as_str().unwrap().contains("502"),
        "{body}"
    );
}
