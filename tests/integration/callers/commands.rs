//! `kasm-mcp token`, and the token that a server makes for itself.

use std::process::Stdio;
use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{TokenFile, becomes, entry, mode, run, without_token};
use crate::support::rpc;

const TOKENS: &str = "MCP_TOKENS_FILE";

#[tokio::test]
async fn token_command_makes_lists_and_revokes_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let settings = [(TOKENS, file.to_str().unwrap())];
    let user = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    let (code, said, error) = run(
        &["token", "new", "--name", "first", "--scope", "kasm:admin"],
        &settings,
    )
    .await;
    assert_eq!(code, Some(0), "{error}");
    let first = said.lines().next().unwrap().to_owned();
    assert!(first.starts_with("kmcp_") && first.len() == 48, "{said}");
    assert_eq!(mode(&file), 0o600);

    let server = crate::support::TestServer::with(&settings).await;
    becomes(&server, &first, 200).await;
    let options = [
        "token",
        "new",
        "--name",
        "second",
        "--kasm-user",
        user,
        "--toolsets",
        "files,exec",
        "--read-only",
        "--expires-in",
        "30d",
        "--rate",
        "60",
    ];
    let (code, said, error) = run(&options, &settings).await;
    assert_eq!(code, Some(0), "{error}");
    let second = said.lines().next().unwrap().to_owned();
    becomes(&server, &second, 200).await;

    let (code, listed, _) = run(&["token", "list"], &settings).await;
    assert_eq!(code, Some(0));
    for words in [
        "first  kasm:admin",
        "second  kasm:use",
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "exec,files",
        "read-only",
        "rate=60",
    ] {
        assert!(listed.contains(words), "{words} is missing in {listed}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in text
        .lines()
        .filter_map(|line| line.strip_prefix("sha256 = "))
    {
        assert!(!listed.contains(secret.trim_matches('"')), "{listed}");
    }
    assert!(!text.contains(&first) && !text.contains(&second));

    let (code, _, error) = run(&["token", "new", "--name", "second"], &settings).await;
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("already"), "{error}");
    let (code, ..) = run(&["token", "revoke", "second"], &settings).await;
    assert_eq!(code, Some(0));
    becomes(&server, &second, 401).await;
    becomes(&server, &first, 200).await;
    let (code, _, error) = run(&["token", "revoke", "second"], &settings).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("no token `second`"), "{error}");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[tokio::test]
async fn token_command_keeps_comments_in_the_file() {
    let file = TokenFile::new(&[]);
    let text = format!(
        "# ours\n{}# the build server\n{}",
        entry("a", "scope = \"kasm:use\" # enough"),
        entry("b", "scope = \"kasm:read\"")
    );
    file.write_text(&text);
    let settings = [(TOKENS, file.path())];
    let (code, ..) = run(&["token", "new", "--name", "c"], &settings).await;
    assert_eq!(code, Some(0));
    let longer = std::fs::read_to_string(&file.path).unwrap();
    assert!(longer.starts_with(&text), "{longer}");
    let (code, ..) = run(&["token", "revoke", "c"], &settings).await;
    assert_eq!(code, Some(0));
    let (code, ..) = run(&["token", "revoke", "b"], &settings).await;
    assert_eq!(code, Some(0));
    let shorter = std::fs::read_to_string(&file.path).unwrap();
    assert!(
        shorter.contains("# enough")
            && shorter.contains("# ours")
            && !shorter.contains("name = \"b\""),
        "{shorter}"
    );
    // Entries in a form that cannot be cut out are not guessed at.
    let inline = format!(
        "token = [{{ name = \"a\", sha256 = \"{}\", scope = \"kasm:use\" }}]\n",
        "0".repeat(64)
    );
    file.write_text(&inline);
    let (code, _, error) = run(&["token", "revoke", "a"], &settings).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("editor"), "{error}");
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), inline);
}

#[tokio::test]
async fn token_command_with_wrong_options_makes_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let settings = [(TOKENS, file.to_str().unwrap())];
    for wrong in [
        ["--name", "a b", "--scope", "kasm:use"],
        ["--name", "a", "--scope", "root"],
        ["--name", "a", "--kasm-user", "bob"],
        ["--name", "a", "--toolsets", "nonsense"],
        ["--name", "a", "--expires-in", "-1d"],
        ["--name", "a", "--rate", "0"],
    ] {
        let (code, said, error) = run(&[&["token", "new"], &wrong[..]].concat(), &settings).await;
        assert_ne!(code, Some(0), "{wrong:?}");
        assert!(!said.contains("kmcp_") && !error.is_empty(), "{wrong:?}");
        assert!(!file.exists(), "{wrong:?}");
    }
}

#[tokio::test]
async fn server_without_token_makes_a_bootstrap_token_once() {
    let emulator = Emulator::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let settings = [
        ("MCP_SERVER_HOST", "0.0.0.0"),
        ("MCP_STATE_DIR", state.to_str().unwrap()),
    ];
    let mut made = None;
    for start in ["first", "second"] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"));
        command
            .env_clear()
            .envs(without_token(&emulator, &settings))
            .env("LOG_FORMAT", "json");
        let mut server = command
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let mut token = None;
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line());
            let line = line.await.unwrap().unwrap().unwrap();
            if line.trim_start().starts_with("kmcp_") {
                token = Some(line.trim().to_owned());
            }
            let log: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(address) = log["address"].as_str() {
                break address.replace("0.0.0.0", "127.0.0.1");
            }
        };
        assert_eq!(token.is_some(), start == "first");
        made = made.or(token);
        let http = reqwest::Client::builder().build().unwrap();
        let body = rpc("tools/list", json!({}));
        for (token, status) in [(made.as_deref().unwrap(), 200), ("kmcp_other", 401)] {
            let request = http
                .post(format!("http://{address}/mcp"))
                .bearer_auth(token)
                .json(&body);
            assert_eq!(request.send().await.unwrap().status(), status, "{start}");
        }
    }
    assert_eq!(mode(&state.join("tokens.toml")), 0o600);
}

#[tokio::test]
async fn bootstrap_token_without_state_directory_stops_the_start() {
    let emulator = Emulator::builder().start().await.unwrap();
    for state in ["/dev/null/x", "/dev/null"] {
        let settings = without_token(
            &emulator,
            &[("MCP_SERVER_HOST", "0.0.0.0"), ("MCP_STATE_DIR", state)],
        );
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (code, _, error) = run(&["serve"], &settings).await;
        assert_eq!(code, Some(64), "{error}");
        for words in [
            "MCP_AUTH_TOKEN",
            "MCP_STATE_DIR",
            "127.0.0.1",
            "openssl rand -hex 32",
        ] {
            assert!(error.contains(words), "{words} is missing in {error}");
        }
        assert!(!error.contains("kmcp_"), "{error}");
    }
}
