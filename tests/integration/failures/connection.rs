//! Kasm cannot be reached, or its certificate is not trusted.

use std::io::Write;
use std::time::Duration;

use kasm_emulator::Emulator;
use kasm_mcp::app;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::told;
use crate::support::kasm::PATIENCE;
use crate::support::{TestServer, config};

const LIST: &str = "list_user_sessions";

#[tokio::test(flavor = "multi_thread")]
async fn kasm_connection_refused_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = TestServer::with(&[("KASM_API_URL", &url)]).await;
    for (tool, arguments) in [
        (LIST, json!({})),
        ("create_kasm_session", json!({ "image_name": "Terminal" })),
        ("get_kasm_users", json!({})),
    ] {
        let words = ("Kasm is not available", "kasm-mcp check");
        told(&server, (tool, arguments), "unavailable", words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_that_never_answers_is_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = [
        ("KASM_API_URL", url.as_str()),
        ("KASM_TIMEOUT_SECONDS", "1"),
        ("KASM_RETRIES", "0"),
    ];
    let server = TestServer::with(&settings).await;
    let words = ("within 1 s", "check the state");
    told(&server, (LIST, json!({})), "timeout", words).await;
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_url_of_other_server_is_api_error() {
    let server = TestServer::start().await;
    let elsewhere = format!("{}/portal", server.emulator.url());
    let wrong = TestServer::with(&[("KASM_API_URL", &elsewhere)]).await;
    let words = ("does not have the endpoint", "operator");
    told(&wrong, (LIST, json!({})), "api", words).await;
}

async fn tls_emulator() -> Emulator {
    let builder = Emulator::builder().tls(true);
    let builder = builder.start_time(Duration::from_millis(20));
    builder.start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_self_signed_certificate_is_unavailable() {
    let server = TestServer::in_front_of(tls_emulator().await, &[]).await;
    let words = ("certificate", "kasm-mcp check");
    told(&server, (LIST, json!({})), "unavailable", words).await;
    assert!(server.emulator.requests().is_empty(), "no key was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_untrusted_certificate_is_unavailable() {
    let (emulator, another) = (tls_emulator().await, tls_emulator().await);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(another.ca_pem().unwrap().as_bytes())
        .unwrap();
    let path = file.path().to_str().unwrap();
    let server = TestServer::in_front_of(emulator, &[("KASM_TLS_CA_FILE", path)]).await;
    let words = ("certificate", "kasm-mcp check");
    told(&server, (LIST, json!({})), "unavailable", words).await;
    assert!(server.emulator.requests().is_empty(), "no key was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_trusted_self_signed_certificate_works() {
    let emulator = tls_emulator().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(emulator.ca_pem().unwrap().as_bytes())
        .unwrap();
    let path = file.path().to_str().unwrap();
    let server = TestServer::in_front_of(emulator, &[("KASM_TLS_CA_FILE", path)]).await;
    let session = timeout(PATIENCE, server.session()).await.unwrap();
    assert_eq!(server.word_of(&session).as_deref(), Some("running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_tls_insecure_setting_works() {
    let settings = [("KASM_TLS_INSECURE", "true")];
    let server = TestServer::in_front_of(tls_emulator().await, &settings).await;
    let session = timeout(PATIENCE, server.session()).await.unwrap();
    assert_eq!(server.word_of(&session).as_deref(), Some("running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ca_file_missing_or_unreadable_stops_the_start() {
    let emulator = tls_emulator().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"not a certificate\n").unwrap();
    let useless = file.path().to_str().unwrap();
    let missing = format!("{useless}.missing");
    for path in [useless, &missing] {
        let config = config(&emulator, &[("KASM_TLS_CA_FILE", path)]);
        let error = app::http_app(&config).err().unwrap().to_string();
        assert!(error.contains(path), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_http_to_tls_port_is_unavailable() {
    let emulator = tls_emulator().await;
    let url = emulator.url().replace("https://", "http://");
    let server = TestServer::in_front_of(emulator, &[("KASM_API_URL", &url)]).await;
    let words = ("Kasm is not available", "kasm-mcp check");
    told(&server, (LIST, json!({})), "unavailable", words).await;
}
