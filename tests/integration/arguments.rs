//! Arguments as clients send them: empty fields of a form, JSON and numbers in texts, nulls, and
//! keys of their own.

mod careless;
mod shapes;

use careless::careless;
use kasm_mcp::commands::tools;
use serde_json::{Value, json};

use crate::support::clients::{Client, TRANSPORTS};
use crate::support::kasm::NO_SUCH_ID;
use crate::support::{TestServer, rpc};
use crate::tools::exec;

/// Plain arguments of every tool, in an order in which they work, and how the call ends where it is
/// no success. `SESSION` stands for a session, `JOB` for a command that ended in it, and `USER` for a
/// user that the test made.
pub fn calls() -> Vec<(&'static str, Value, &'static str)> {
    [
        calls_of_the_server(),
        calls_of_a_session(),
        calls_in_a_session(),
    ]
    .concat()
}

fn calls_of_the_server() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("get_available_workspaces", json!({}), ""),
        ("list_user_sessions", json!({}), ""),
        ("list_all_sessions", json!({}), ""),
        ("get_kasm_users", json!({ "page": 1 }), ""),
        ("get_kasm_user", json!({ "user_id": "USER" }), ""),
        (
            "update_kasm_user",
            json!({ "user_id": "USER", "locked": false, "phone": "1" }),
            "",
        ),
        (
            "create_kasm_user",
            json!({ "username": "true", "password": "[1]aA-zzzzz", "locked": true }),
            "",
        ),
        ("logout_kasm_user", json!({ "user_id": "USER" }), ""),
        (
            "create_kasm_session",
            json!({
                "image_name": "Terminal", "environment": { "A": "1", "B": "" }, "wait": true,
                "lease_minutes": 30, "enable_sharing": false,
            }),
            "",
        ),
    ]
}

fn calls_of_a_session() -> Vec<(&'static str, Value, &'static str)> {
    let actions = json!([
        { "type": "click", "x": 10, "y": 20, "button": "left" },
        { "type": "type", "text": "30" },
        { "type": "wait", "seconds": 0.01 },
    ]);
    vec![
        (
            "get_session_status",
            session(json!({ "include_url": false })),
            "",
        ),
        ("extend_kasm_session", session(json!({})), ""),
        (
            "share_kasm_session",
            session(json!({ "user_id": "USER", "access": "r" })),
            "",
        ),
        ("get_session_frame_stats", session(json!({})), "conflict"),
        ("get_session_bottleneck_stats", session(json!({})), ""),
        (
            "get_session_recordings",
            session(json!({ "download_links": true })),
            "",
        ),
        (
            "get_session_screenshot",
            session(json!({ "width": 640 })),
            "",
        ),
        ("desktop_clipboard", session(json!({ "text": "30" })), ""),
        (
            "control_desktop",
            session(json!({ "actions": actions, "screenshot": "never" })),
            "",
        ),
        ("diagnose_kasm", session(json!({})), ""),
    ]
}

fn calls_in_a_session() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "execute_kasm_command",
            session(json!({
                "command": "true", "environment": { "A": "[1]" }, "stdin": "30",
                "timeout_seconds": 20, "wait_seconds": 10, "as_root": false,
            })),
            "",
        ),
        (
            "get_command_output",
            session(json!({ "job_id": "JOB", "offset": 0, "wait_seconds": 1 })),
            "",
        ),
        (
            "stop_command",
            session(json!({ "job_id": "JOB", "signal": "TERM" })),
            "",
        ),
        (
            "write_kasm_file",
            file(json!({ "content": "[1]", "append": false })),
            "files",
        ),
        (
            "read_kasm_file",
            file(json!({ "offset": 0, "limit": 100 })),
            "files",
        ),
        (
            "edit_kasm_file",
            file(json!({ "old_text": "[1]", "new_text": "", "replace_all": true })),
            "files",
        ),
        (
            "list_kasm_files",
            session(json!({ "path": "/home/kasm-user", "depth": 1, "limit": 10 })),
            "files",
        ),
        (
            "link_kasm_file",
            file(json!({ "direction": "download" })),
            "files",
        ),
        ("pause_kasm_session", session(json!({})), ""),
        ("resume_kasm_session", session(json!({})), ""),
        ("destroy_kasm_session", session(json!({})), ""),
        (
            "delete_kasm_user",
            json!({ "user_id": "USER", "force": true }),
            "",
        ),
    ]
}

fn session(more: Value) -> Value {
    let mut args = json!({ "kasm_id": "SESSION" });
    merge(&mut args, more);
    args
}

fn file(more: Value) -> Value {
    let mut args = session(json!({ "file_path": "/home/kasm-user/a.txt" }));
    merge(&mut args, more);
    args
}

fn merge(args: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("{more}");
    };
    args.as_object_mut().unwrap().extend(more);
}

/// Calls every tool as a careless client does.
async fn every_tool(unset: &Value) {
    let server = exec::server(&[]).await;
    let target = json!({ "username": "careless", "password": "s3cret-Pass" });
    let made = server
        .kasm("create_user", json!({ "target_user": target }))
        .await;
    let user = made["user"]["user_id"].as_str().unwrap().to_owned();
    let mut known = vec![("USER", user)];
    let listed: Vec<_> = tools::listed_tools().map(|(_, info)| info).collect();
    let calls = calls();
    assert_eq!(calls.len(), listed.len(), "every tool is called");
    for (tool, args, failure) in calls {
        let mut text = args.to_string();
        for (word, value) in &known {
            text = text.replace(word, value);
        }
        let info = listed.iter().find(|info| *info.name == *tool).unwrap();
        let args = serde_json::from_str(&text).unwrap();
        let sent = careless(&info.input_schema, &args, unset);
        let reply = server.call(tool, sent.clone()).await;
        // Where nothing can be confined, a session has no files.
        let files_missing = failure == "files" && reply["error_type"] != "validation";
        if !files_missing {
            let expected = if failure == "conflict" {
                json!(failure)
            } else {
                Value::Null
            };
            assert_eq!(reply["error_type"], expected, "{tool} {sent}: {reply}");
        }
        for (word, member) in [("SESSION", "kasm_id"), ("JOB", "job_id")] {
            if let Some(value) = reply["data"][member].as_str() {
                known.retain(|(known, _)| *known != word);
                known.push((word, value.to_owned()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_accepts_empty_strings_and_values_in_strings() {
    every_tool(&json!("")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_accepts_nulls_and_values_in_strings() {
    every_tool(&Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn careless_arguments_are_accepted_on_every_transport() {
    let server = TestServer::start().await;
    let listed: Vec<_> = tools::listed_tools().map(|(_, info)| info).collect();
    let schema = |tool: &str| {
        &listed
            .iter()
            .find(|info| *info.name == *tool)
            .unwrap()
            .input_schema
    };
    let session = server.session().await;
    for transport in TRANSPORTS {
        let mut client = Client::connect(&server, transport).await;
        for (tool, args) in [
            ("list_user_sessions", json!({})),
            (
                "get_session_status",
                json!({ "kasm_id": session, "include_url": true }),
            ),
            (
                "get_session_screenshot",
                json!({ "kasm_id": session, "width": 320 }),
            ),
        ] {
            for unset in [json!(""), Value::Null] {
                let sent = careless(schema(tool), &args, &unset);
                let reply = client.call(&server, tool, sent.clone()).await;
                assert_eq!(reply["success"], true, "{transport} {tool} {sent}: {reply}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_arguments_are_validation_naming_the_argument() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    for (tool, more, culprit) in [
        (
            "execute_kasm_command",
            json!({ "command": "true", "wait_secs": "" }),
            "wait_secs",
        ),
        (
            "execute_kasm_command",
            json!({ "command": "true", "wait_seconds": 30.5 }),
            "wait_seconds",
        ),
        (
            "execute_kasm_command",
            json!({ "command": "true", "wait_seconds": "30.5" }),
            "wait_seconds",
        ),
        (
            "execute_kasm_command",
            json!({ "command": null }),
            "command",
        ),
        (
            "execute_kasm_command",
            json!({ "command": "true", "environment": "x" }),
            "environment",
        ),
        (
            "get_session_status",
            json!({ "include_url": "yes" }),
            "include_url",
        ),
        (
            "get_session_status",
            json!({ "random_string": "x" }),
            "random_string",
        ),
        ("control_desktop", json!({ "action": "[]" }), "actions"),
        ("control_desktop", json!({ "actions": "[{]" }), "actions"),
    ] {
        let mut args = json!({ "kasm_id": kasm_id });
        merge(&mut args, more);
        let reply = server.fails(tool, args.clone(), "validation").await;
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains(culprit), "{tool} {args}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn string_argument_that_looks_like_json_stays_a_string() {
    let server = exec::server(&[]).await;
    let kasm_id = server.session().await;
    let args = json!({
        "kasm_id": kasm_id, "command": "cat; printf %s \"$A\"", "stdin": "[1, 2]",
        "environment": { "A": "{\"b\": 30.0}" },
    });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["stdout"], "[1, 2]{\"b\": 30.0}", "{data}");
    let empty = json!({ "kasm_id": kasm_id, "text": "" });
    let data = server.ok("desktop_clipboard", empty).await;
    assert_eq!(data["text"], "", "an empty text was put on the clipboard");
    let unknown = json!({ "kasm_id": NO_SUCH_ID });
    server
        .fails("get_session_status", unknown, "not_found")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_json_strings_are_audited_by_size_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let server = TestServer::with(&[("MCP_AUDIT_FILE", file.to_str().unwrap())]).await;
    let kasm_id = server.session().await;
    let actions = r#"[{"type":"type","text":"s3cret"}, "{\"type\":\"type\",\"text\":\"s3cret\"}"]"#;
    for (tool, more) in [
        ("control_desktop", json!({ "actions": actions })),
        (
            "control_desktop",
            json!({ "actions": "[{\"text\":\"s3cret\"" }),
        ),
        (
            "create_kasm_session",
            json!({ "environment": "{\"A\":\"s3cret\"}" }),
        ),
        (
            "create_kasm_session",
            json!({ "environment": "{\"A\":\"s3cret\"" }),
        ),
        ("create_kasm_session", json!({ "environment": ["s3cret"] })),
        (
            "get_session_status",
            json!({ "chatInput": "s3cret", "sessionId": "s3cret" }),
        ),
    ] {
        let mut args = json!({ "kasm_id": kasm_id });
        if tool == "create_kasm_session" {
            args = json!({ "image_name": "Terminal" });
        }
        merge(&mut args, more);
        let body = rpc("tools/call", json!({ "name": tool, "arguments": args }));
        server.post(&body).send().await.unwrap();
    }
    let record = std::fs::read_to_string(&file).unwrap();
    assert!(record.contains("control_desktop"), "{record}");
    assert!(!record.contains("s3cret"), "{record}");
}
