//! What `get_kasm_status` says, in all the shapes it may take.

use std::time::Duration;

use kasm_emulator::{NotReadyShape, TimeStyle};
use serde_json::{Value, json};

use super::support::Server;

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn get_kasm_status_of_running_session_is_complete() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let kasm = &status["kasm"];
    assert_eq!(kasm["operational_status"], "running");
    assert_eq!(kasm["kasm_id"], kasm_id);
    assert_eq!(kasm["username"], "demo@kasm.local");
    assert_eq!(kasm["token"], "");
    let dashed = [
        &kasm_id[..8],
        &kasm_id[8..12],
        &kasm_id[12..16],
        &kasm_id[16..20],
        &kasm_id[20..],
    ]
    .join("-");
    let vnc = &kasm["port_map"]["vnc"];
    assert_eq!(vnc["path"], format!("desktop/{dashed}/vnc"));
    assert_eq!(vnc["port"], server.addr().port());
    assert_eq!(kasm["client_settings"]["allow_kasm_downloads"], true);
}

#[tokio::test]
async fn get_kasm_status_has_proxy_path_and_policy() {
    let server = Server::start().await;
    server.configure(|p| {
        p.proxy_port = Some(8443);
        p.proxy_path = "apps/kasm".to_owned();
        p.downloads_allowed = false;
    });
    let (kasm_id, _) = server.request().await;
    let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let uploads = &status["kasm"]["port_map"]["uploads"];
    assert_eq!(uploads["port"], 8443);
    let path = uploads["path"].as_str().unwrap();
    assert!(path.starts_with("apps/kasm/"), "{path}");
    let settings = &status["kasm"]["client_settings"];
    assert_eq!(settings["allow_kasm_downloads"], false);
    assert_eq!(settings["allow_kasm_uploads"], true);
}

#[tokio::test]
async fn status_dates_have_no_zone_and_may_be_missing() {
    let server = Server::with(|b| b.start_time(LONG)).await;
    let (kasm_id, _) = server.request().await;
    let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let time = status["current_time"].as_str().unwrap();
    assert_eq!(time.len(), "2026-09-10 12:52:49.000000".len());
    assert_eq!((&time[10..11], &time[19..20]), (" ", "."));
    assert_eq!(status["kasm"]["start_date"], "None");
    assert_eq!(status["kasm"]["keepalive_date"], Value::Null);
    server.configure(|p| p.time_style = TimeStyle::Iso);
    let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let time = status["current_time"].as_str().unwrap();
    assert!(time.contains('T') && time.ends_with('Z'), "{time}");
}

#[tokio::test]
async fn get_kasm_status_of_starting_session_has_three_shapes() {
    let server = Server::with(|b| {
        b.start_time(LONG)
            .profile(|p| p.transitional_word = "settling".to_owned())
    })
    .await;
    let (kasm_id, _) = server.request().await;
    let status = async |shape| {
        server.configure(|p| p.not_ready_shape = shape);
        let reply = server.call("get_kasm_status", server.of(&kasm_id)).await;
        assert_eq!(reply.status, 200);
        reply.json()
    };
    let a = status(NotReadyShape::Kasm).await;
    assert_eq!(a["kasm"]["operational_status"], "settling");
    assert_eq!(a["kasm"]["port_map"], json!({}));
    assert_eq!(a["error_message"], Value::Null);
    let b = status(NotReadyShape::Progress).await;
    assert_eq!(b["kasm"], Value::Null);
    assert_eq!(b["operational_status"], "settling");
    assert!(b["operational_progress"].is_number());
    assert!(b["operational_message"].is_string());
    assert_eq!(b["error_message"], Value::Null);
    let c = status(NotReadyShape::ProgressAndError).await;
    assert_eq!(c["operational_status"], "settling");
    assert!(c["error_message"].is_string());
}

#[tokio::test]
async fn get_kasm_status_brings_a_new_token() {
    let server = Server::start().await;
    let (kasm_id, answer) = server.request().await;
    let first = answer["session_token"].as_str().unwrap();
    let newest = async || {
        let status = server.get("get_kasm_status", server.of(&kasm_id)).await;
        let url = status["kasm_url"].as_str().unwrap();
        url.rsplit('/').next().unwrap().to_owned()
    };
    let second = newest().await;
    assert_ne!(first, second);
    assert!(server.accepts_cookies("demo@kasm.local", first));
    server.configure(|p| p.status_invalidates_tokens = true);
    let third = newest().await;
    assert!(!server.accepts_cookies("demo@kasm.local", first));
    assert!(!server.accepts_cookies("demo@kasm.local", &second));
    assert!(server.accepts_cookies("demo@kasm.local", &third));
}

#[tokio::test]
async fn get_kasm_status_by_another_user_is_refused() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let fields = json!({"kasm_id": kasm_id, "user_id": server.other_user_id()});
    let reply = server.call("get_kasm_status", fields).await;
    let body = reply.json();
    assert_eq!(reply.status, 200);
    let keys: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error_message"]);
}
