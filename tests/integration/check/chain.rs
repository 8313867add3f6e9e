//! The chain from the settings to Kasm, link by link.

use std::collections::HashMap;

use kasm_emulator::{Emulator, Fault};
use tokio::net::TcpListener;

use super::front::{Twist, proxy, stranger};
use super::{OF_KASM, check, read, run, text};
use crate::support::{TestServer, sources};

async fn emulator() -> Emulator {
    Emulator::builder().start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_good_settings_is_all_ok() {
    let server = TestServer::start().await;
    let port = server.base.rsplit_once(':').unwrap().1;
    let settings = [
        ("MCP_SERVER_PORT", port),
        ("MCP_PUBLIC_URL", server.base.as_str()),
    ];
    let mut environment = sources(&server.emulator, &settings).environment;
    environment.retain(|_, value| !value.is_empty());
    let kasm_port = server.emulator.url().rsplit_once(':').unwrap().1.to_owned();
    let steady = |said: &str| {
        let said = said.replace(&kasm_port, "KASM").replace(port, "PORT");
        let said = said.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        let Some((before, after)) = said.split_once("arrived after ") else {
            panic!("no stream in {said}");
        };
        format!(
            "{before}came after N{}",
            after.trim_start_matches(|c: char| c.is_ascii_digit())
        )
    };
    let output = run(environment.clone(), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    insta::assert_snapshot!("check_text", steady(&text(&output.stdout)));
    let output = run(environment, &["--json"]).await;
    read(&output).fails_only(&[]);
    let told: serde_json::Value = serde_json::from_str(&steady(&text(&output.stdout))).unwrap();
    insta::assert_json_snapshot!("check_json", told);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_wrong_settings_exits_64() {
    let wrong = [("KASM_API_URL", "nonsense"), ("MCP_SERVER_PORT", "x")];
    let wrong: HashMap<_, _> = wrong
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let output = run(wrong.clone(), &["--json"]).await;
    let checked = read(&output);
    assert_eq!(checked.code, Some(64));
    let output = run(wrong, &[]).await;
    assert_eq!(output.status.code(), Some(64));
    let said = text(&output.stdout);
    for name in [
        "KASM_API_URL",
        "KASM_API_KEY",
        "KASM_API_SECRET",
        "KASM_USER_ID",
        "MCP_SERVER_PORT",
    ] {
        assert!(
            said.contains(&format!("FAIL  settings            {name}: ")),
            "{name}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_refused_connection_fails_kasm_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = check(&emulator().await, &[("KASM_API_URL", &url)], &[]).await;
    said.has(
        "kasm port",
        "fail",
        &["refuses connections", "wrong port?", "KASM_API_URL"],
    );
    said.skips(&["kasm tls"]);
    said.skips(&OF_KASM);
    said.fails_only(&["kasm port"]);
    said.has("listen", "ok", &["is free"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_unknown_name_fails_kasm_name() {
    let url = [("KASM_API_URL", "https://kasm.invalid")];
    let said = check(&emulator().await, &url, &[]).await;
    said.has(
        "kasm name",
        "fail",
        &["kasm.invalid", "spelling", "KASM_API_URL"],
    );
    said.skips(&["kasm port", "kasm tls"]);
    said.skips(&OF_KASM);
    said.fails_only(&["kasm name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_uses_the_proxy_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut environment = sources(
        &emulator().await,
        &[("KASM_API_URL", "https://kasm.invalid")],
    )
    .environment;
    environment.retain(|_, value| !value.is_empty());
    environment.insert("HTTPS_PROXY".to_owned(), gone);
    let said = read(&run(environment, &["--json"]).await);
    said.has("kasm name", "ok", &["environment's proxy"]);
    said.has("kasm port", "fail", &["refuses connections", "HTTPS_PROXY"]);
    said.fails_only(&["kasm port"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_other_web_server_fails_kasm_answers() {
    let emulator = emulator().await;
    let page = "<html><head><title>Our wiki</title></head></html>";
    for (status, headers, words) in [
        (200, &[][..], ["Our wiki", "not Kasm"]),
        (404, &[], ["Our wiki", "path of KASM_API_URL"]),
        (401, &[], ["requires a login", "let /api/"]),
        (
            302,
            &[("location", "https://login.example/start?state=abc")],
            ["redirects to https://login.example/start", "login page"],
        ),
        (503, &[], ["HTTP 503", "behind it does not answer"]),
    ] {
        let url = stranger(status, headers, page).await;
        let said = check(&emulator, &[("KASM_API_URL", &url)], &[]).await;
        said.has("kasm answers", "fail", &words);
        assert!(!said.row("kasm answers").to_string().contains("state=abc"));
        said.skips(&OF_KASM[2..]);
        said.fails_only(&["kasm answers"]);
    }
    emulator.fail_next("__healthcheck", Fault::Status(500), 1);
    check(&emulator, &[], &[])
        .await
        .fails_only(&["kasm answers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_silent_server_fails_kasm_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let said = check(&emulator().await, &[("KASM_API_URL", &url)], &[]).await;
    said.has("kasm port", "ok", &[]);
    said.has("kasm tls", "fail", &["does not speak HTTP", "wrong port?"]);
    said.skips(&OF_KASM);
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_clock_difference_notes_or_fails_clock() {
    let emulator = emulator().await;
    let date = |ahead: i64| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
        time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (ahead, status, words) in [
        (90, "note", "s behind Kasm"),
        (900, "fail", "s behind Kasm"),
        (-900, "fail", "s ahead of Kasm"),
    ] {
        let url = proxy(emulator.url(), Twist::Date(date(ahead))).await;
        let said = check(&emulator, &[("KASM_API_URL", &url)], &[]).await;
        said.has("clock", status, &[words, "NTP"]);
        said.fails_only(if status == "fail" { &["clock"] } else { &[] });
        // It does not keep the rest from being tried.
        said.has("api key", "ok", &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_redacts_secrets_in_answers() {
    let page = "<title>Welcome, key-that-leaks and secret-that-leaks</title>";
    let url = stranger(200, &[], page).await;
    let settings = [
        ("KASM_API_URL", url.as_str()),
        ("KASM_API_KEY", "key-that-leaks"),
        ("KASM_API_SECRET", "secret-that-leaks"),
    ];
    let said = check(&emulator().await, &settings, &[]).await;
    let words = ["Welcome, [redacted] and [redacted]"];
    said.has("kasm answers", "fail", &words);
}
