//! Commands are real processes in a directory of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kasm_emulator::{Emulator, confinement_works};
use serde_json::{Value, json};

use super::confinement;
use super::support::Server;

/// Waits for a file and reads it.
async fn appears(path: &Path) -> String {
    for _ in 0..500 {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} does not appear", path.display());
}

/// A session and its home.
async fn session(server: &Server) -> (String, PathBuf) {
    let (kasm_id, _) = server.request().await;
    let home = server.session_dir(&kasm_id).unwrap();
    (kasm_id, home)
}

async fn run(server: &Server, kasm_id: &str, config: Value) {
    let mut fields = server.of(kasm_id);
    fields["exec_config"] = config;
    server.get("exec_command_kasm", fields).await;
}

/// What a script prints, by way of a file.
async fn prints(server: &Server, kasm_id: &str, script: &str, root: bool) -> String {
    let home = server.session_dir(kasm_id).unwrap();
    let cmd = format!("sh -c '({script}) >\"$HOME/.out\" 2>&1; mv \"$HOME/.out\" \"$HOME/out\"'");
    let mut config = json!({"cmd": cmd});
    if root {
        config["user"] = json!("root");
    }
    run(server, kasm_id, config).await;
    let out = home.join("out");
    let text = appears(&out).await;
    fs::remove_file(&out).unwrap();
    text
}

#[tokio::test]
async fn exec_command_passes_words_and_environment() {
    let server = Server::start().await;
    let fields = json!({
        "image_id": server.image_id(), "user_id": server.user_id(),
        "environment": {"FROM": "session", "BOTH": "session"},
    });
    let answer = server.get("request_kasm", fields).await;
    let kasm_id = answer["kasm_id"].as_str().unwrap();
    let home = server.session_dir(kasm_id).unwrap();
    let config = json!({
        "cmd": r#"sh -c 'printf "%s|" "$@" "$FROM" "$BOTH" "$PWD" >p; echo >>p; env >>p; mv p done' sh "a  b" $HOME *"#,
        "environment": {"BOTH": "it's \"mine\"\n$HOME"},
        "workdir": "/home/kasm-user/Desktop",
    });
    run(&server, kasm_id, config).await;
    let text = appears(&home.join("Desktop/done")).await;
    let begin = "a  b|$HOME|*|session|it's \"mine\"\n$HOME|";
    assert!(text.starts_with(begin), "{text}");
    assert!(text.contains("/home/kasm-user/Desktop|"), "{text}");
    for line in [
        "DISPLAY=:1",
        "VNC_PW=emulated-vnc-password-",
        "KASM_API_JWT=ey",
        "KASM_API_HOST=emulated-kasm.invalid",
        "USER=kasm-user",
        "KASM_USER_NAME=demo@kasm.local",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} in {text}");
    }
    assert!(text.contains(&format!("KASM_ID={kasm_id}")));
    assert!(!text.contains("CARGO"), "the caller's environment leaks");
}

#[tokio::test]
async fn session_home_has_kasms_folders() {
    let server = Server::start().await;
    let (kasm_id, home) = session(&server).await;
    let text = prints(&server, &kasm_id, "cd; ls -A", false).await;
    for name in ["Desktop", "Downloads", "Uploads", ".bashrc"] {
        assert!(text.contains(name), "{text}");
    }
    fs::write(home.join("Downloads/x"), "here").unwrap();
    let text = prints(&server, &kasm_id, "cat ~/Desktop/Downloads/x", false).await;
    assert_eq!(text, "here");
}

#[tokio::test]
async fn exec_command_runs_as_root_or_kasm_user_only() {
    let server = Server::start().await;
    let (kasm_id, _) = session(&server).await;
    let script = "touch mine && chown 1000:1000 mine && id -u && ls -n mine";
    prints(&server, &kasm_id, script, true).await;
    let text = prints(&server, &kasm_id, "echo >>mine && id -u", false).await;
    assert!(text.trim().parse::<u32>().is_ok(), "{text}");
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = json!({"cmd": "true", "user": "somebody"});
    server.fails("exec_command_kasm", fields).await;
}

#[tokio::test]
async fn commands_see_only_processes_of_their_session() {
    let server = Server::start().await;
    let (kasm_id, home) = session(&server).await;
    let cmd = "bash -c 'echo $$ >p; mv p pid; exec sleep 600'";
    run(&server, &kasm_id, json!({"cmd": cmd})).await;
    let pid = appears(&home.join("pid")).await;
    let text = prints(&server, &kasm_id, "kill $(cat pid) && echo killed", false).await;
    assert_eq!(text, "killed\n", "{pid}");
    if confinement_works() {
        let other = session(&server).await.0;
        let text = prints(&server, &other, "ps ax || ls /proc", false).await;
        assert!(!text.contains("cargo"), "{text}");
    }
}

#[tokio::test]
async fn confined_command_cannot_reach_the_machine() {
    if confinement::skips_test() {
        return;
    }
    let server = Server::start().await;
    let (kasm_id, home) = session(&server).await;
    let script = format!(
        "ls /root; touch /usr/x; touch /etc/x; touch /x; ls {}; ls /; touch /tmp/x && echo fine",
        home.display()
    );
    let text = prints(&server, &kasm_id, &script, true).await;
    assert!(text.ends_with("fine\n"), "{text}");
    for path in ["/usr/x", "/etc/x", "/x"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    assert_eq!(text.matches("cannot touch").count(), 3, "{text}");
    assert_eq!(text.matches("cannot access").count(), 2, "{text}");
}

#[tokio::test]
async fn confined_command_reaches_network_only_with_egress() {
    if confinement::skips_test() {
        return;
    }
    let server = Server::start().await;
    let port = server.addr().port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo open || echo closed");
    let script = format!("bash -c \"{script}\"");
    for (egress, word) in [(true, "open\n"), (false, "closed\n")] {
        server.configure(|p| p.egress = egress);
        let (kasm_id, _) = session(&server).await;
        let text = prints(&server, &kasm_id, &script, false).await;
        assert!(text.ends_with(word), "{text}");
    }
}

#[tokio::test]
async fn commands_without_curl_or_wget_do_not_find_them() {
    let server = Server::start().await;
    for missing in ["curl", "wget"] {
        server.configure(|p| {
            p.curl = missing != "curl";
            p.wget = missing != "wget";
        });
        let (kasm_id, _) = session(&server).await;
        let script = format!("command -v {missing} || bash -c \"command -v {missing}\" || echo no");
        assert_eq!(prints(&server, &kasm_id, &script, true).await, "no\n");
        let text = prints(&server, &kasm_id, "echo a | awk 1 | base64", false).await;
        assert_eq!(text, "YQo=\n");
    }
}

/// A session with a process that adds a line to a file again and again.
async fn ticking(server: &Server) -> (String, PathBuf) {
    let (kasm_id, home) = session(server).await;
    let cmd = "setsid sh -c 'while :; do echo >>~/ticks; sleep 0.02; done'";
    run(server, &kasm_id, json!({"cmd": cmd})).await;
    let ticks = home.join("ticks");
    appears(&ticks).await;
    (kasm_id, ticks)
}

/// Whether the file grows.
async fn ticks(path: &Path) -> bool {
    let length = || fs::metadata(path).map(|m| m.len()).ok();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = length();
    tokio::time::sleep(Duration::from_millis(300)).await;
    before.is_some() && length() > before
}

#[tokio::test]
async fn processes_pause_and_stop_with_their_session() {
    let server = Server::start().await;
    let (kasm_id, file) = ticking(&server).await;
    assert!(ticks(&file).await);
    server.get("pause_kasm", server.of(&kasm_id)).await;
    assert!(!ticks(&file).await);
    server.get("resume_kasm", server.of(&kasm_id)).await;
    assert!(ticks(&file).await);
    server.get("stop_kasm", server.of(&kasm_id)).await;
    assert!(!ticks(&file).await);
    server.get("resume_kasm", server.of(&kasm_id)).await;
    assert!(!ticks(&file).await);
    assert_eq!(
        prints(&server, &kasm_id, "echo back", false).await,
        "back\n"
    );
    assert!(file.exists());
}

#[tokio::test]
async fn ended_session_leaves_no_files_or_processes() {
    let server = Server::start().await;
    let (destroyed, first) = ticking(&server).await;
    server.get("destroy_kasm", server.of(&destroyed)).await;
    assert!(!first.parent().unwrap().exists());
    assert_eq!(server.session_dir(&destroyed), None);
    let (expired, second) = ticking(&server).await;
    server.expire_session(&expired);
    assert!(!second.exists());
    let (_, third) = ticking(&server).await;
    drop(server);
    assert!(!third.exists());
}

#[tokio::test]
async fn killed_container_still_shows_as_running() {
    let server = Server::start().await;
    let (kasm_id, file) = ticking(&server).await;
    assert!(server.kill_container(&kasm_id));
    assert!(!server.kill_container(&kasm_id));
    assert!(!ticks(&file).await);
    assert_eq!(server.word(&kasm_id).as_deref(), Some("running"));
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = json!({"cmd": "true"});
    server.fails("exec_command_kasm", fields.clone()).await;
    server.get("stop_kasm", server.of(&kasm_id)).await;
    server.get("resume_kasm", server.of(&kasm_id)).await;
    server.get("exec_command_kasm", fields).await;
}

#[tokio::test]
async fn exec_command_that_cannot_run_has_no_effect() {
    let server = Server::start().await;
    let (kasm_id, home) = session(&server).await;
    run(&server, &kasm_id, json!({"cmd": "no-such-program"})).await;
    run(&server, &kasm_id, json!({"cmd": "A=b touch a"})).await;
    run(
        &server,
        &kasm_id,
        json!({"cmd": "touch b", "workdir": "/none"}),
    )
    .await;
    server.configure(|p| p.exec_fails = true);
    run(&server, &kasm_id, json!({"cmd": "touch c"})).await;
    server.configure(|p| p.exec_fails = false);
    assert_eq!(prints(&server, &kasm_id, "echo on", false).await, "on\n");
    tokio::time::sleep(Duration::from_millis(100)).await;
    for name in ["a", "b", "c"] {
        assert!(!home.join(name).exists(), "{name}");
    }
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = json!({"cmd": "sh -c 'left open"});
    server.fails("exec_command_kasm", fields).await;
}

#[tokio::test]
async fn unconfined_commands_run_only_if_asked_for() {
    let server = Server::with(|b| b.start_time(Duration::ZERO).unconfined(true)).await;
    let (kasm_id, home) = session(&server).await;
    let text = prints(&server, &kasm_id, "echo $HOME; pwd; type sh", false).await;
    let expected = home.display().to_string();
    assert!(
        text.starts_with(&format!("{expected}\n{expected}\n")),
        "{text}"
    );
    if confinement_works() {
        return;
    }
    let strict = Emulator::builder().unconfined(false);
    let server = Server::of_builder(strict.start_time(Duration::ZERO)).await;
    let (kasm_id, _) = server.request().await;
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = json!({"cmd": "true"});
    let error = server.fails("exec_command_kasm", fields).await;
    assert!(error.contains("bubblewrap"), "{error}");
    assert_eq!(server.commands(), []);
}

#[tokio::test]
async fn file_of_root_is_served_after_chown() {
    let server = Server::start().await;
    let (kasm_id, token, home) = server.session().await;
    let url = server.service(&kasm_id, "vnc/Downloads/Downloads/made");
    let status = async || {
        let answer = server.visit("GET", &url, &token).send().await;
        answer.unwrap().status().as_u16()
    };
    let script = "umask 077; echo >~/Downloads/made";
    prints(&server, &kasm_id, script, true).await;
    // Where the emulator may not change owners, both users are one.
    let made = fs::metadata(home.join("Downloads/made")).unwrap().uid();
    let one = made == fs::metadata(&home).unwrap().uid();
    assert_eq!(status().await, if one { 200 } else { 404 });
    let script = "chown 1000:1000 ~/Downloads/made";
    prints(&server, &kasm_id, script, true).await;
    assert_eq!(status().await, 200);
}
