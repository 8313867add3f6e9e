//! The record of calls: what it says, and that nobody can change it unnoticed.

mod groups;
mod tamper;
mod unwritable;

use std::path::Path;

use kasm_mcp::audit::{self, BrokenChain, VerifiedChain};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::kasm::until;
use crate::support::{TOKEN, TestServer};

/// A server with a record of its own.
pub struct Recorded {
    pub server: TestServer,
    pub directory: TempDir,
}

impl Recorded {
    pub async fn start(more: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("audit.jsonl");
        let mut settings = vec![("MCP_AUDIT_FILE", file.to_str().unwrap())];
        settings.extend(more);
        let server = TestServer::with(&settings).await;
        Self { server, directory }
    }

    /// Stops the server, so that all is written.
    pub async fn stop(self) -> TempDir {
        self.server.stop().await;
        self.directory
    }
}

/// All lines of a record.
pub fn lines(directory: &Path) -> Vec<Value> {
    let files = audit::chain_files(&directory.join("audit.jsonl")).unwrap();
    let texts = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap());
    let texts: String = texts.collect();
    let lines = texts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

pub fn verify(directory: &Path) -> Result<VerifiedChain, BrokenChain> {
    audit::verify_chain(&directory.join("audit.jsonl"))
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_has_two_lines_for_changes_and_one_for_reads() {
    let recorded = Recorded::start(&[]).await;
    let id = recorded.server.session().await;
    let look = json!({ "kasm_id": id });
    recorded.server.ok("get_session_status", look.clone()).await;
    recorded
        .server
        .fails(
            "get_session_status",
            json!({ "kasm_id": "0".repeat(32) }),
            "not_found",
        )
        .await;
    recorded
        .server
        .fails(
            "destroy_kasm_session",
            json!({ "nonsense": "mark-1" }),
            "validation",
        )
        .await;
    let directory = recorded.stop().await;
    let lines = lines(directory.path());
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            format!("{} {} {}", line["event"], line["tool"], line["outcome"]).replace('"', "")
        })
        .collect();
    let wanted = [
        "start null null",
        "begin create_kasm_session null",
        "end create_kasm_session ok",
        "end get_session_status ok",
        "end get_session_status not_found",
        "begin destroy_kasm_session null",
        "end destroy_kasm_session validation",
    ];
    assert_eq!(told, wanted);
    let (begin, end) = (&lines[1], &lines[2]);
    assert_eq!(begin["call"], end["call"]);
    assert_eq!(begin["effect"], "write");
    assert_eq!(begin["caller"], "token");
    assert_eq!(begin["kasm_user"].as_str().unwrap().len(), 32);
    assert_eq!(begin["arguments"], json!({ "image_name": "Terminal" }));
    assert_eq!(end["kasm_id"], id, "of the session that was made");
    assert_eq!(end["request_id"], begin["request_id"]);
    assert_eq!(begin["address"], "127.0.0.1");
    assert!(end["duration_ms"].is_u64());
    assert_eq!(lines[3]["arguments"], look);
    assert_eq!(lines[3]["digest"].as_str().unwrap().len(), 32);
    assert_ne!(lines[3]["digest"], lines[4]["digest"]);
    assert!(lines[6]["arguments"]["nonsense"].is_null(), "{}", lines[6]);
    let whole = verify(directory.path()).unwrap();
    assert_eq!((whole.first, whole.last, whole.files), (1, 7, 1));
    assert_eq!(whole.beyond_the_head, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_records_only_sizes_of_private_arguments() {
    let recorded = Recorded::start(&[]).await;
    let server = &recorded.server;
    let id = server.session().await;
    let calls = [
        (
            "execute_kasm_command",
            json!({ "kasm_id": id, "command": "cat", "stdin": "mark-of-stdin", "environment": { "TOKEN": "mark-of-env" } }),
        ),
        (
            "write_kasm_file",
            json!({ "kasm_id": id, "file_path": "/home/kasm-user/a", "content": "mark-of-content" }),
        ),
        (
            "edit_kasm_file",
            json!({ "kasm_id": id, "file_path": "/home/kasm-user/a", "old_text": "mark-of-content", "new_text": "mark-of-new" }),
        ),
        (
            "control_desktop",
            json!({ "kasm_id": id, "actions": [{ "type": "type", "text": "mark-of-typed" }] }),
        ),
        (
            "desktop_clipboard",
            json!({ "kasm_id": id, "text": "mark-of-clipboard" }),
        ),
        (
            "create_kasm_user",
            json!({ "username": "new@kasm.local", "password": "Mark-of-Passw0rd" }),
        ),
        (
            "create_kasm_session",
            json!({ "image_name": "Terminal", "environment": { "KEY": "mark-of-session" } }),
        ),
    ];
    for (tool, arguments) in calls {
        server.call(tool, arguments).await;
    }
    let put = format!("{}/files/{id}/home/kasm-user/b", server.base);
    let put = server
        .http
        .put(put)
        .bearer_auth(TOKEN)
        .body("mark-of-upload");
    assert_eq!(put.send().await.unwrap().status(), 201);
    let directory = recorded.stop().await;
    let lines = lines(directory.path());
    let all = lines.iter().map(Value::to_string).collect::<String>();
    assert!(!all.to_lowercase().contains("mark-of"), "{all}");
    let of = |tool: &str| lines.iter().find(|line| line["tool"] == tool).unwrap();
    assert_eq!(of("PUT /files")["address"], "127.0.0.1");
    let run = &of("execute_kasm_command")["arguments"];
    assert_eq!(
        run["command"], "cat",
        "what was run is what the record is for"
    );
    assert_eq!(run["stdin"], json!({ "bytes": 13 }));
    assert_eq!(
        of("PUT /files")["arguments"]["file_path"],
        "/home/kasm-user/b"
    );
    let ends = lines.iter().filter(|line| line["event"] == "end");
    let failed: Vec<_> = ends.filter(|line| line["outcome"] != "ok").collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_records_a_call_left_by_its_client_as_given_up() {
    let recorded = Recorded::start(&[]).await;
    let id = recorded.server.session().await;
    let arguments = json!({ "kasm_id": id, "command": "sleep 30", "wait_seconds": 30 });
    let call = recorded.server.call("execute_kasm_command", arguments);
    let left = tokio::time::timeout(std::time::Duration::from_millis(700), call).await;
    assert!(left.is_err());
    let last = || lines(recorded.directory.path()).pop().unwrap();
    until("the end is on record", || last()["event"] == "end").await;
    assert_eq!(last()["outcome"], "given_up");
    verify(recorded.stop().await.path()).unwrap();
}
