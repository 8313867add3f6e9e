//! How a session moves, and what it refuses where.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::Server;

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn session_is_running_after_its_start_time() {
    let server = Server::with(|b| b.start_time(Duration::from_millis(250))).await;
    let (kasm_id, _) = server.request().await;
    assert_eq!(server.word(&kasm_id).as_deref(), Some("starting"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.word(&kasm_id).as_deref(), Some("running"));
}

#[tokio::test]
async fn session_pauses_stops_and_resumes() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    for (endpoint, word) in [
        ("pause_kasm", "paused"),
        ("resume_kasm", "running"),
        ("stop_kasm", "stopped"),
        ("resume_kasm", "running"),
    ] {
        let answer = server.get(endpoint, server.of(&kasm_id)).await;
        assert_eq!(answer, json!({}));
        assert_eq!(server.word(&kasm_id).as_deref(), Some(word));
    }
}

#[tokio::test]
async fn session_change_in_wrong_state_is_refused() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    server.fails("resume_kasm", server.of(&kasm_id)).await;
    server.get("stop_kasm", server.of(&kasm_id)).await;
    server.fails("stop_kasm", server.of(&kasm_id)).await;
    server.fails("pause_kasm", server.of(&kasm_id)).await;
    let unknown = server.of("0123456789abcdef0123456789abcdef");
    for endpoint in [
        "stop_kasm",
        "pause_kasm",
        "resume_kasm",
        "destroy_kasm",
        "keepalive",
    ] {
        server.fails(endpoint, unknown.clone()).await;
    }
}

#[tokio::test]
async fn pause_kasm_forbidden_by_policy_or_kind_is_refused() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    server.configure(|p| p.pause_allowed = false);
    server.fails("pause_kasm", server.of(&kasm_id)).await;
    server.configure(|p| p.pause_allowed = true);
    let images = server.images();
    let machine = images.iter().find(|i| i.image_type == "Server").unwrap();
    let fields = json!({"image_id": machine.image_id, "user_id": server.user_id()});
    let answer = server.get("request_kasm", fields).await;
    let kasm_id = answer["kasm_id"].as_str().unwrap();
    server.fails("pause_kasm", server.of(kasm_id)).await;
}

#[tokio::test]
async fn session_in_transition_shows_its_own_status() {
    let server = Server::with(|b| b.start_time(Duration::ZERO).transition_time(LONG)).await;
    let (kasm_id, _) = server.request().await;
    server.get("pause_kasm", server.of(&kasm_id)).await;
    assert_eq!(server.word(&kasm_id).as_deref(), Some("pausing"));
    server.fails("resume_kasm", server.of(&kasm_id)).await;
    server.configure(|p| p.leaving_word = Some("shuffling".to_owned()));
    assert_eq!(server.word(&kasm_id).as_deref(), Some("shuffling"));
}

#[tokio::test]
async fn destroy_kasm_answers_before_the_session_is_gone() {
    let server = Server::with(|b| {
        b.start_time(Duration::ZERO)
            .transition_time(Duration::from_millis(250))
    })
    .await;
    let (kasm_id, _) = server.request().await;
    server.get("destroy_kasm", server.of(&kasm_id)).await;
    assert_eq!(server.word(&kasm_id).as_deref(), Some("deleting"));
    server.get("destroy_kasm", server.of(&kasm_id)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.fails("get_kasm_status", server.of(&kasm_id)).await;
    assert_eq!(server.sessions(), []);
}

#[tokio::test]
async fn destroy_kasm_by_another_user_is_refused() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let fields = json!({"kasm_id": kasm_id, "user_id": server.other_user_id()});
    server.fails("destroy_kasm", fields).await;
    assert_eq!(server.word(&kasm_id).as_deref(), Some("running"));
}

async fn expiry(server: &Server, kasm_id: &str) -> String {
    let status = server.get("get_kasm_status", server.of(kasm_id)).await;
    status["kasm"]["expiration_date"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn keepalive_moves_the_expiration_date() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let before = expiry(&server, &kasm_id).await;
    let answer = server.get("keepalive", json!({"kasm_id": kasm_id})).await;
    assert_eq!(answer, json!({"usage_reached": false}));
    assert!(expiry(&server, &kasm_id).await > before);
    server.configure(|p| p.usage_reached = true);
    let answer = server.get("keepalive", json!({"kasm_id": kasm_id})).await;
    assert_eq!(answer, json!({"usage_reached": true}));
}

#[tokio::test]
async fn keepalive_does_not_move_a_time_limit() {
    let server = Server::with(|b| b.profile(|p| p.session_time_limit = Some(LONG))).await;
    let (kasm_id, _) = server.request().await;
    let before = expiry(&server, &kasm_id).await;
    server.get("keepalive", json!({"kasm_id": kasm_id})).await;
    assert_eq!(expiry(&server, &kasm_id).await, before);
}

#[tokio::test]
async fn session_without_keepalive_expires() {
    let server = Server::with(|b| {
        b.start_time(Duration::ZERO)
            .transition_time(Duration::ZERO)
            .keepalive_expiration(Duration::from_millis(250))
    })
    .await;
    let (kasm_id, _) = server.request().await;
    assert!(server.word(&kasm_id).is_some());
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.fails("get_kasm_status", server.of(&kasm_id)).await;
}

#[tokio::test]
async fn exec_command_is_recorded_and_returns_no_output() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let mut fields = server.of(&kasm_id);
    fields["privileged"] = json!(true);
    fields["exec_user"] = json!("root");
    fields["exec_config"] = json!({
        "cmd": "bash -c 'echo hello'", "environment": {"DISPLAY": ":1"}, "workdir": "/tmp",
    });
    let answer = server.get("exec_command_kasm", fields).await;
    let keys: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["current_time", "kasm"]);
    let commands = server.commands();
    assert_eq!(commands.len(), 1);
    assert_eq!(commands[0].cmd, "bash -c 'echo hello'");
    assert_eq!(commands[0].user, None);
    assert_eq!(commands[0].environment["DISPLAY"], ":1");
    assert_eq!(commands[0].kasm_id, kasm_id);
}

#[tokio::test]
async fn exec_command_without_or_with_huge_config_is_refused() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let with = |config: Value| {
        let mut fields = server.of(&kasm_id);
        fields["exec_config"] = config;
        fields
    };
    server.fails("exec_command_kasm", server.of(&kasm_id)).await;
    server.fails("exec_command_kasm", with(json!({}))).await;
    let long = "x".repeat(128 * 1024);
    let config = json!({"cmd": "true", "environment": {"DATA": long}});
    server.fails("exec_command_kasm", with(config)).await;
    let config = json!({"cmd": "true", "environment": {"DATA": &long[..100_000]}});
    server.get("exec_command_kasm", with(config)).await;
    server.get("stop_kasm", server.of(&kasm_id)).await;
    let config = json!({"cmd": "true"});
    server.fails("exec_command_kasm", with(config)).await;
    assert_eq!(server.commands().len(), 1);
}
