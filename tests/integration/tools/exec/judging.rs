//! Judging what a caller sends: bounded, and never on a worker of the runtime.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::future::join_all;
use kasm_emulator::Emulator;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::server;
use crate::support::TestServer;
use crate::support::program::Program;

/// The calls that are judged at the same time as health is asked for.
const CALLS: usize = 8;

/// Asks for health, one request after the other, for ever.
async fn keep_asking(server: &TestServer, answers: &mut usize) {
    loop {
        let asked = server.http.get(format!("{}/healthz", server.base));
        assert_eq!(asked.send().await.unwrap().status(), 200);
        *answers += 1;
    }
}

#[tokio::test]
async fn command_with_500_000_variables_is_environment_too_long() {
    let server = server(&[]).await;
    let id = server.session().await;
    let variables = (0..500_000).map(|number| (format!("V{number}"), Value::from("")));
    let variables: Map<String, Value> = variables.collect();
    let args = json!({ "kasm_id": id, "command": "true", "environment": variables });
    let tool = "execute_kasm_command";
    server
        .fails_as(tool, args, "validation", "environment_too_long")
        .await;
}

#[tokio::test]
async fn command_environment_is_judged_as_a_whole() {
    let server = server(&[]).await;
    let id = server.session().await;
    let variables = json!({ "A": "it's", "PAGER": "sudo ls", "Z": "z" });
    let args = json!({ "kasm_id": id, "command": "true", "environment": variables });
    server.fails("execute_kasm_command", args, "security").await;
}

/// The test's runtime has one worker, which serves both ends of all connections.
#[tokio::test]
async fn healthz_answers_while_commands_are_judged() {
    let server = server(&[]).await;
    let id = server.session().await;
    let script = format!("{}sudo ls", "true;\n".repeat(1_000));
    let args = json!({ "kasm_id": id, "command": script });
    let calls = (0..CALLS).map(|_| server.fails("execute_kasm_command", args.clone(), "security"));
    let mut answers = 0;
    tokio::select! {
        replies = join_all(calls) => assert_eq!(replies.len(), CALLS),
        () = keep_asking(&server, &mut answers) => {}
    }
    assert!(answers > 0, "{answers} answers");
}

/// The time that `/healthz` may take. A program that is not optimised needs milliseconds for each of the
/// thousand requests before the first is judged, so only an optimised one (`KASM_MCP_BIN`) is held to the
/// short time.
fn health_answer_time() -> Duration {
    let optimised = std::env::var_os("KASM_MCP_BIN").is_some();
    Duration::from_millis(if optimised { 50 } else { 2_000 })
}

/// Whether health is answered in time, by a connection of its own.
fn is_healthy_in_time(address: &str) -> bool {
    let ask = || {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(health_answer_time()))?;
        socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 16];
        socket.read_exact(&mut answer)?;
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

/// Asks for health on a thread of its own until it is stopped. Its result: answers in time, and all questions.
fn poll_health(address: String, stop: Arc<AtomicBool>) -> thread::JoinHandle<(u32, u32)> {
    thread::spawn(move || {
        let (mut in_time, mut all) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            all += 1;
            in_time += u32::from(is_healthy_in_time(&address));
            thread::sleep(Duration::from_millis(5));
        }
        (in_time, all)
    })
}

/// The server is a process of its own: the threads of this one must not count. One answer of twenty may be
/// late, because other programs use the machine as well.
#[tokio::test]
#[ignore = "slow: a minute of processor time"]
async fn slow_healthz_answers_in_time_while_a_thousand_commands_are_judged() {
    let emulator = Emulator::builder().start().await.unwrap();
    let directory = TempDir::new().unwrap();
    let settings = [
        ("MCP_MAX_CALLS_PER_CALLER", "2000"),
        ("MCP_MAX_CONNECTIONS_PER_ADDRESS", "2000"),
        // This process sends them one after the other; those that wait must not run out of time.
        ("MCP_HEADER_TIMEOUT_SECONDS", "300"),
        ("MCP_BODY_TIMEOUT_SECONDS", "300"),
        ("MCP_RATE_PER_CALLER", "100000/100000"),
        ("MCP_RATE_PER_ADDRESS", "100000/100000"),
    ];
    let server = Program::start(&emulator, directory.path(), "log", &settings).await;
    let id = "0123456789abcdef0123456789abcdef";
    let environment: Map<String, Value> = (0..500_000)
        .map(|number| (format!("V{number}"), Value::from("")))
        .collect();
    let large = json!({ "kasm_id": id, "command": "true", "environment": environment });
    let heavy = json!({ "kasm_id": id, "command": format!("{}sudo ls", "true;\n".repeat(100)) });

    let stop = Arc::new(AtomicBool::new(false));
    let address = server.base.trim_start_matches("http://").to_owned();
    let polls = poll_health(address, stop.clone());
    let large = server.try_call("execute_kasm_command", large);
    let heavy = (0..1_000).map(|_| server.try_call("execute_kasm_command", heavy.clone()));
    let (large, heavy) = futures::join!(large, join_all(heavy));
    stop.store(true, Ordering::Relaxed);
    let (in_time, all) = polls.join().unwrap();

    assert_eq!(large.unwrap()["code"], "environment_too_long");
    for reply in heavy {
        assert_eq!(reply.unwrap()["error_type"], "security");
    }
    assert!(all >= 20, "{all} questions");
    assert!(
        in_time * 20 >= all * 19,
        "{in_time} of {all} answers came in time"
    );
}

#[tokio::test]
async fn carriage_returns_are_dropped_in_command_but_not_stdin() {
    let server = server(&[]).await;
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "if true; then\r\n od -An -c\r\nfi\r\n", "stdin": "a\r\n" });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["exit_code"], 0, "{data}");
    let stdout = data["stdout"].as_str().unwrap_or_default();
    let words: Vec<_> = stdout.split_whitespace().collect();
    assert_eq!(words, ["a", "\\r", "\\n"], "{data}");
}

#[tokio::test]
async fn incomplete_script_is_command_incomplete_without_approval() {
    let server = server(&[]).await;
    let id = server.session().await;
    for script in [
        "echo 'open",
        "echo \"open",
        "if true; then",
        "echo $(date",
        "ls &&",
    ] {
        let args = json!({ "kasm_id": id, "command": script });
        let tool = "execute_kasm_command";
        server
            .fails_as(tool, args, "validation", "command_incomplete")
            .await;
    }
    let args = json!({ "kasm_id": id, "command": "echo a\u{1b}b" });
    let tool = "execute_kasm_command";
    let reply = server
        .fails_as(tool, args, "validation", "command_outside_limits")
        .await;
    let error = reply["error"].as_str().unwrap();
    assert!(
        error.contains("U+001B") && error.contains("line 1, column 7"),
        "{error}"
    );
}
