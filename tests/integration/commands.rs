//! The binary as a user runs it.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kasm_emulator::{Emulator, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::support::{self, TOKEN, rpc};

const BINARY: &str = env!("CARGO_BIN_EXE_kasm-mcp");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn serve_with_wrong_settings_exits_64_naming_all() {
    let output = run(
        &[],
        &[("KASM_API_URL", "nonsense"), ("MCP_SERVER_PORT", "x")],
    );
    assert_eq!(output.status.code(), Some(64));
    let said = text(&output.stderr);
    for name in [
        "KASM_API_URL",
        "KASM_API_KEY",
        "KASM_API_SECRET",
        "KASM_USER_ID",
        "MCP_SERVER_PORT",
    ] {
        assert!(said.contains(name), "{name} is missing in {said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn man_pages_name_every_command_setting_and_exit_code() {
    let page = text(&run(&["man"], &[]).stdout).replace("\\-", "-");
    for variable in kasm_mcp::config::all_variables() {
        assert!(page.contains(variable.name), "{}", variable.name);
    }
    for command in ["serve", "check", "token", "audit", "--config"] {
        assert!(page.contains(command), "{command} is missing in {page}");
    }
    assert!(page.contains("EXIT STATUS"));

    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let written = run(&["man", pages.to_str().unwrap()], &[]);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert!(written.stdout.is_empty());
    let read = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert_eq!(read("kasm-mcp.1").replace("\\-", "-"), page);
    assert!(read("kasm-mcp-token-new.1").contains("expires"));

    let file = pages.join("kasm-mcp.1");
    let refused = run(&["man", file.to_str().unwrap()], &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("cannot write into"));
}

#[test]
fn emulate_without_tools_names_what_commands_need() {
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().to_str().unwrap();
    let mut emulator = Command::new(BINARY)
        .args(["emulate", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = std::io::BufReader::new(emulator.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut said).unwrap();
    emulator.kill().unwrap();
    emulator.wait().unwrap();
    assert!(said.contains("bubblewrap"), "{said}");
}

#[test]
fn completions_in_bash_complete_commands() {
    let script = run(&["completions", "bash"], &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kasm-mcp");
    std::fs::write(&file, script.stdout).unwrap();
    let asked = r#"source "$0"; COMP_WORDS=(kasm-mcp tok); COMP_CWORD=1
        words=($(complete -p kasm-mcp)); while [ "${words[0]}" != -F ]; do words=("${words[@]:1}"); done
        "${words[1]}" kasm-mcp tok kasm-mcp
        echo "${COMPREPLY[@]}""#;
    let shell = Command::new("bash")
        .args(["--norc", "-c", asked])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(text(&shell.stdout), "token\n", "{}", text(&shell.stderr));
}

#[test]
fn tools_and_settings_commands_print_lists() {
    let tools = run(&["tools"], &[]);
    assert!(text(&tools.stdout).contains("create_kasm_session"));
    let tools: Value =
        serde_json::from_slice(&run(&["tools", "--format", "json"], &[]).stdout).unwrap();
    let tools = tools.as_array().unwrap();
    assert_eq!(
        tools.len(),
        kasm_mcp::commands::tools::listed_tools().count()
    );
    assert!(
        tools
            .iter()
            .all(|tool| tool["inputSchema"]["type"] == "object")
    );
    assert!(text(&run(&["tools", "--format", "markdown"], &[]).stdout).starts_with("**sessions**"));
    assert!(text(&run(&["settings"], &[]).stdout).contains("KASM_API_URL="));
    assert!(
        text(&run(&["settings", "--format", "markdown"], &[]).stdout)
            .contains("| `KASM_API_URL` |")
    );
}

#[test]
fn demo_on_taken_port_names_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["demo", "--port", &port], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains(&port) && said.contains("another program"),
        "{said}"
    );
}

/// The facts that a demo prints as JSON.
async fn demo_facts(arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut demo = tokio::process::Command::new(BINARY);
    demo.args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut demo = demo.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line());
    let line = line.await.unwrap().unwrap();
    // The next demo wants the same port.
    demo.kill().await.unwrap();
    serde_json::from_str(&line.unwrap()).unwrap()
}

#[tokio::test]
async fn demo_obeys_the_port_of_flag_and_environment() {
    let free = || {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        probe.local_addr().unwrap().port().to_string()
    };
    let (port, other) = (free(), free());
    let variable = [("MCP_SERVER_PORT", port.as_str())];
    let ignored = [("MCP_SERVER_PORT", other.as_str())];
    for (arguments, variables) in [
        (vec!["--port", &port, "demo", "--json"], &[][..]),
        (vec!["demo", "--json", "--port", &port], &[][..]),
        (vec!["demo", "--json"], &variable[..]),
        (vec!["--port", &port, "demo", "--json"], &ignored[..]),
        (
            vec!["--port", &other, "demo", "--json", "--port", &port],
            &[][..],
        ),
    ] {
        let facts = demo_facts(&arguments, variables).await;
        let url = facts["url"].as_str().unwrap();
        assert!(url.contains(&format!(":{port}/")), "{arguments:?}: {url}");
    }
}

#[test]
fn demo_with_settings_it_cannot_obey_exits_1() {
    for (arguments, variables, named) in [
        (&["--config", "x.toml", "demo"][..], &[][..], "--config"),
        (&["demo"], &[("MCP_SERVER_PORT", "many")], "MCP_SERVER_PORT"),
        (
            &["demo"],
            &[("MCP_SERVER_HOST", "localhost")],
            "MCP_SERVER_HOST",
        ),
    ] {
        let output = run(arguments, variables);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(
            text(&output.stderr).contains(named),
            "{}",
            text(&output.stderr)
        );
    }
}

/// What `serve` writes to its log until `word` is there.
async fn log_until(emulator: &Emulator, settings: &[(&str, &str)], word: &str) -> String {
    let mut command = tokio::process::Command::new(BINARY);
    command
        .env_clear()
        .envs(support::sources(emulator, settings).environment)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut server = command.spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut log = String::new();
    while !log.contains(word) {
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line());
        let line = line.await.unwrap_or_else(|_| panic!("never {word}: {log}"));
        let Some(line) = line.unwrap() else {
            break;
        };
        log.push_str(&line);
        log.push('\n');
    }
    log
}

#[tokio::test]
async fn serve_logs_why_kasm_does_not_answer() {
    let tls = Emulator::builder().tls(true).start().await.unwrap();
    let plain = tls.url().replace("https://", "http://");
    for (settings, words) in [
        (
            &[][..],
            ["issuer of the certificate is unknown", "KASM_TLS_CA_FILE"],
        ),
        (
            &[("KASM_API_URL", plain.as_str())],
            ["speaks TLS", "write https://"],
        ),
        (
            &[("KASM_API_URL", "http://127.0.0.1:9")],
            ["refuses connections", "wrong port?"],
        ),
    ] {
        let settings = [settings, &[("LOG_FORMAT", "json"), ("KASM_RETRIES", "0")]].concat();
        let log = log_until(&tls, &settings, "Kasm does not answer").await;
        assert!(log.contains("is ready"), "it serves all the same: {log}");
        for word in words {
            assert!(log.contains(word), "{word} is missing in {log}");
        }
    }
    let unusable = [("KASM_TLS_CA_FILE", "/nonexistent/ca.pem")];
    let log = log_until(&tls, &unusable, "KASM_TLS_CA_FILE").await;
    assert!(
        log.contains("/nonexistent/ca.pem") && log.contains("PEM file that this user can read"),
        "{log}"
    );
}

#[test]
fn emulate_on_public_address_exits_1() {
    let output = run(&["emulate", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("loopback"));
}

#[tokio::test]
async fn demo_prints_a_working_curl_command() {
    let mut demo = tokio::process::Command::new(BINARY);
    demo.args(["demo", "--port", "0"])
        .env_clear()
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut demo = demo.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    let curl = loop {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        printed.push_str(&line);
        printed.push('\n');
        if line.starts_with("curl ") {
            let rest = lines.next_line().await.unwrap().unwrap();
            break format!("{line}\n{rest}");
        }
    };
    for client in ["Cline", "Claude Code", "Cursor", "VS Code"] {
        assert!(printed.contains(client), "{client} is missing in {printed}");
    }
    // What a shell would make of the line, for machines without curl.
    let words: Vec<&str> = curl.split('\'').collect();
    let [_, url, _, authorization, _, kind, _, body, ..] = words.as_slice() else {
        panic!("not the expected line: {curl}");
    };
    let mut request = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(*url)
        .body((*body).to_owned());
    for header in [authorization, kind] {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
}

#[tokio::test]
async fn serve_on_sigterm_finishes_calls_and_exits_0() {
    let emulator = Emulator::builder().start().await.unwrap();
    let sources = support::sources(&emulator, &[("LOG_FORMAT", "json")]);
    let mut command = tokio::process::Command::new(BINARY);
    command
        .env_clear()
        .envs(sources.environment)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut server = command.spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).await.unwrap(), 0, "it is ready");
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["address"].as_str() {
            break format!("http://{address}/mcp");
        }
    };

    emulator.fail_next("get_images", Fault::Latency(Duration::from_millis(500)), 1);
    let http = reqwest::Client::builder().build().unwrap();
    let call = rpc("tools/call", json!({ "name": "get_available_workspaces" }));
    let call = tokio::spawn(http.post(&url).bearer_auth(TOKEN).json(&call).send());
    while emulator.request_count("get_images") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    support::signal("TERM", server.id().unwrap());
    let answer: Value = call.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
    let ended = tokio::time::timeout(Duration::from_secs(10), server.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("all requests finished"), "{rest}");
}
