//! What the handle shows and does.

use std::net::TcpListener;
use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};

use super::support::Server;

#[tokio::test]
async fn recorded_requests_have_no_credentials() {
    let server = Server::start().await;
    server.request().await;
    server.call("no_such_name", json!({"x": 1})).await;
    let requests = server.requests();
    assert_eq!(requests[0].path, "/api/public/request_kasm");
    assert_eq!(requests[0].endpoint, "request_kasm");
    assert_eq!(requests[0].status, 200);
    assert_eq!(requests[0].body["image_id"], server.image_id());
    assert_eq!(requests[0].body["api_key"], Value::Null);
    assert_eq!(requests[0].body["api_key_secret"], Value::Null);
    assert_eq!(
        (requests[1].status, &requests[1].body["x"]),
        (404, &json!(1))
    );
    assert_eq!(server.request_count("request_kasm"), 1);
    assert_eq!(server.request_count("get_kasms"), 0);
}

#[tokio::test]
async fn handle_expires_and_kills_sessions() {
    let server = Server::start().await;
    let (expired, _) = server.request().await;
    let (killed, _) = server.request().await;
    assert!(server.expire_session(&expired));
    assert!(server.kill_session(&killed));
    assert!(!server.kill_session(&killed));
    server.fails("get_kasm_status", server.of(&expired)).await;
    assert_eq!(server.sessions(), []);
}

#[tokio::test]
async fn tls_emulator_has_a_trusted_ca() {
    let server = Server::with(|b| b.tls(true)).await;
    assert!(server.url().starts_with("https://127.0.0.1:"));
    assert!(server.ca_pem().unwrap().contains("BEGIN CERTIFICATE"));
    server.get("get_images", json!({})).await;
}

#[tokio::test]
async fn emulator_with_fixed_key_frees_its_port_at_end() {
    let emulator = Emulator::builder()
        .key("demo-key", "demo-secret")
        .start_time(Duration::from_secs(2))
        .start()
        .await
        .unwrap();
    let addr = emulator.addr();
    assert_eq!(emulator.key(), ("demo-key", "demo-secret"));
    emulator.run_until(async {}).await;
    TcpListener::bind(addr).unwrap();
}
