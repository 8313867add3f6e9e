//! A disk that is full or slow, and a container that dies.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::confinement;
use super::support::{Server, read};
use super::uploads::{fields, form, post};

async fn run(server: &Server, kasm_id: &str, script: &str) {
    let mut call = server.of(kasm_id);
    call["exec_config"] = json!({ "cmd": format!("sh -c '{script}'") });
    server.get("exec_command_kasm", call).await;
}

/// Waits for what a script leaves in the home.
async fn left(server: &Server, kasm_id: &str, name: &str) -> String {
    let path = server.session_dir(kasm_id).unwrap().join(name);
    for _ in 0..500 {
        match fs::read_to_string(&path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("{name} does not appear");
}

#[tokio::test]
async fn full_disk_refuses_commands_writes_and_uploads() {
    let server = Server::start().await;
    server.configure(|profile| profile.disk_bytes = Some(1 << 20));
    let (kasm_id, token) = {
        let (kasm_id, answer) = server.request().await;
        (
            kasm_id,
            answer["session_token"].as_str().unwrap().to_owned(),
        )
    };
    if confinement::is_missing() {
        assert_eq!(server.session_dir(&kasm_id), None);
        return;
    }
    let home = server.session_dir(&kasm_id).unwrap();
    assert!(home.join("Downloads").is_dir());
    let url = server.service(&kasm_id, "uploads/upload");
    let send = async |name: &str, bytes: usize| {
        let form = form(name, &vec![7; bytes], &fields(0, 1, 0, bytes));
        post(&server, &url, &token, form).await
    };
    assert!((200..300).contains(&send("some", 600_000).await));
    assert_eq!(send("more", 600_000).await, 500);
    assert!(!home.join("Uploads/more").exists());
    fs::write(home.join("flag"), "").unwrap();
    assert!(server.fill_disk(&kasm_id));
    assert_eq!(send("little", 5_000).await, 500);
    // A full disk can still tell by what is gone.
    let script = "cd; head -c 9000 /dev/zero >a; echo $? >/tmp/code; wc -c <a >/tmp/size; rm flag";
    run(&server, &kasm_id, script).await;
    for _ in 0..500 {
        if !home.join("flag").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fs::metadata(home.join("a")).unwrap().len(), 0);
    assert!(server.free_disk(&kasm_id));
    run(&server, &kasm_id, "cat /tmp/code /tmp/size >$HOME/told").await;
    assert_eq!(left(&server, &kasm_id, "told").await, "1\n0\n");
    assert!((200..300).contains(&send("little", 5_000).await));
    // What is on it is served as ever.
    run(
        &server,
        &kasm_id,
        "echo here >~/Downloads/file; echo >~/done",
    )
    .await;
    left(&server, &kasm_id, "done").await;
    let url = server.service(&kasm_id, "vnc/Downloads/Downloads/file");
    let answer = server.visit("GET", &url, &token).send().await.unwrap();
    assert_eq!(read(answer).await.unwrap().body, b"here\n");
}

#[tokio::test]
async fn disk_without_size_is_never_full() {
    let server = Server::start().await;
    let (kasm_id, _, home) = server.session().await;
    assert!(!server.fill_disk(&kasm_id));
    assert!(!server.free_disk(&kasm_id));
    fs::write(home.join("large"), vec![0; 2 << 20]).unwrap();
}

#[tokio::test]
async fn disk_with_delay_slows_downloads_and_uploads() {
    let server = Server::start().await;
    let (kasm_id, token, home) = server.session().await;
    fs::write(home.join("Downloads/file"), vec![1; 100_000]).unwrap();
    server.configure(|profile| {
        profile.disk_delay = Duration::from_millis(100);
        profile.disk_rate = Some(1_000_000);
    });
    let slow = Duration::from_millis(200);
    let url = server.service(&kasm_id, "vnc/Downloads/Downloads/file");
    let since = Instant::now();
    let answer = server.visit("GET", &url, &token).send().await.unwrap();
    assert_eq!(read(answer).await.unwrap().body.len(), 100_000);
    assert!(since.elapsed() >= slow);
    let url = server.service(&kasm_id, "uploads/upload");
    let since = Instant::now();
    let form = form("x", &vec![1; 100_000], &fields(0, 1, 0, 100_000));
    assert!((200..300).contains(&post(&server, &url, &token, form).await));
    assert!(since.elapsed() >= slow);
}

#[tokio::test]
async fn container_can_stop_restart_or_die() {
    let server = Server::start().await;
    let (kasm_id, _, home) = server.session().await;
    let beat = "while :; do echo >>~/beat; sleep 0.02; done";
    let is_still = async || {
        let count = || fs::read(home.join("beat")).unwrap().len();
        let before = count();
        tokio::time::sleep(Duration::from_millis(200)).await;
        before == count()
    };
    let call = json!({ "cmd": format!("sh -c '{beat}'") });
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = call;

    server.get("exec_command_kasm", fields.clone()).await;
    left(&server, &kasm_id, "beat").await;
    assert!(!is_still().await);
    assert!(server.restart_container(&kasm_id));
    assert!(is_still().await);
    assert_eq!(server.word(&kasm_id).as_deref(), Some("running"));

    server.get("exec_command_kasm", fields.clone()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!is_still().await);
    assert!(server.kill_container(&kasm_id));
    assert!(is_still().await);
    assert_eq!(server.word(&kasm_id).as_deref(), Some("running"));
    assert!(!server.restart_container(&kasm_id));
    server.fails("exec_command_kasm", fields.clone()).await;

    assert!(server.stop_container(&kasm_id));
    assert_eq!(server.word(&kasm_id).as_deref(), Some("stopped"));
    server.fails("exec_command_kasm", fields).await;
    assert!(!server.stop_container("nonsense"));
}
