//! Sessions: one that runs anyway, and one that is started to try things in.

use std::process::Stdio;
use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::json;

use super::{check, command, read};
use crate::support::kasm::until;
use crate::support::{TestServer, signal, sources};

const START: &[&str] = &["--start", "Terminal"];

async fn emulator() -> Emulator {
    let builder = Emulator::builder().start_time(Duration::from_millis(20));
    builder.start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_a_running_session_and_leaves_it() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let said = check(&server.emulator, &[], &[]).await;
    said.has("sessions", "ok", &["1 running"]);
    for row in ["session: downloads", "session: uploads", "session: desktop"] {
        said.has(row, "ok", &[]);
    }
    said.has("session: commands", "skip", &["--start"]);
    said.fails_only(&[]);
    assert!(server.emulator.commands().is_empty());
    assert_eq!(server.word_of(&id).as_deref(), Some("running"));

    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let said = check(&server.emulator, &[], &[]).await;
    said.has(
        "session: downloads",
        "fail",
        &["allow_kasm_downloads", "MCP_PUBLIC_URL"],
    );
    said.fails_only(&["session: downloads"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_without_session_names_the_start_option() {
    let said = check(&emulator().await, &[], &[]).await;
    said.has(
        "session: screen",
        "skip",
        &["no session is running", "--start"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_start_destroys_its_session() {
    let server = TestServer::start().await;
    let own = server.session().await;
    let said = check(&server.emulator, &[], START).await;
    said.has("session: start", "ok", &["Terminal"]);
    said.has("session: commands", "ok", &["uid"]);
    said.has("session: files", "ok", &["/home/kasm-user"]);
    said.has("session: screen", "ok", &["pixels"]);
    said.has("session: end", "ok", &["destroyed"]);
    said.fails_only(&[]);
    let left = server.emulator.sessions();
    assert_eq!(left.len(), 1, "only that of somebody else: {left:?}");
    assert_eq!(server.word_of(&own).as_deref(), Some("running"));
    server
        .ok("get_session_status", json!({ "kasm_id": own }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_start_destroys_a_failing_session() {
    let emulator = emulator().await;
    emulator.configure(|profile| profile.downloads_allowed = false);
    let said = check(&emulator, &[], START).await;
    said.has("session: commands", "fail", &["allow_kasm_downloads"]);
    said.has("session: files", "skip", &[]);
    said.has("session: end", "ok", &["destroyed"]);
    assert!(emulator.sessions().is_empty());

    let said = check(&emulator, &[], &["--start", "no such thing"]).await;
    said.has("session: start", "fail", &["no such thing"]);
    said.has("session: end", "skip", &[]);
    assert!(emulator.sessions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tries_the_address_of_the_sessions() {
    let emulator = emulator().await;
    let probe = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    emulator.configure(|profile| profile.proxy_port = Some(port));
    let address = format!("http://127.0.0.1:{port}");
    let server = TestServer::in_front_of(emulator, &[]).await;
    server.session().await;
    let said = check(&server.emulator, &[], &[]).await;
    said.has("session: downloads", "fail", &[&address, "zone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_on_ctrl_c_destroys_its_session() {
    // It never runs, so the check waits for it.
    let emulator = Emulator::builder()
        .start_time(Duration::from_secs(600))
        .start()
        .await
        .unwrap();
    let mut environment = sources(&emulator, &[]).environment;
    environment.retain(|_, value| !value.is_empty());
    let mut command = command(environment, &["--json", "--start", "Terminal"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it was started", || emulator.sessions().len() == 1).await;
    signal("INT", child.id().unwrap());
    let said = read(&child.wait_with_output().await.unwrap());
    said.has("session: start", "fail", &["interrupted"]);
    said.has("session: end", "ok", &["destroyed"]);
    assert!(emulator.sessions().is_empty());
}
