//! Judging what a caller sends: bounded, and never on a worker of the runtime.

use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::server;
use crate::support::TestServer;

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
async fn an_environment_of_500_000_variables_is_refused_before_it_is_judged() {
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
async fn an_environment_is_judged_as_a_whole() {
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

#[tokio::test]
async fn carriage_returns_at_line_ends_are_dropped_in_commands_only() {
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
async fn an_incomplete_script_is_refused_as_one_and_needs_no_consent() {
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
