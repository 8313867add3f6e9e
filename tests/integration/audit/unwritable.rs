//! What cannot be written down does not happen.

use std::process::Stdio;
use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::verify;
use crate::support::kasm::words;
use crate::support::{TOKEN, TestServer, config, http_app, rpc, sources};

/// A server that can write 16 KiB into any file and no more, as if the disk were full.
struct Full {
    base: String,
    http: reqwest::Client,
    directory: TempDir,
    _child: Child,
}

impl Full {
    async fn start(emulator: &Emulator, fail_open: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("audit.jsonl");
        let settings = [
            ("MCP_AUDIT_FILE", file.to_str().unwrap()),
            ("MCP_AUDIT_FAIL_OPEN", fail_open),
            ("LOG_FORMAT", "json"),
        ];
        // Bash counts in KiB.
        let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" serve";
        let mut child = Command::new("bash")
            .args(["-c", script, env!("CARGO_BIN_EXE_kasm-mcp")])
            .env_clear()
            .envs(sources(emulator, &settings).environment)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = log.next_line().await.unwrap().unwrap();
        let ready: Value = serde_json::from_str(&first).unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self {
            base: format!("http://{}", ready["address"].as_str().unwrap()),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .unwrap(),
            directory,
            _child: child,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let request = self.http.post(format!("{}/mcp", self.base));
        let request = request.bearer_auth(TOKEN).json(&rpc("tools/call", params));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["result"]["structuredContent"].clone()
    }
}

async fn quick() -> Emulator {
    let builder = Emulator::builder().start_time(Duration::from_millis(20));
    builder.start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_on_full_disk_stops_only_calls_with_effect() {
    let emulator = quick().await;
    let full = Full::start(&emulator, "false").await;
    let mut made = 0;
    let refused = loop {
        let reply = full
            .call(
                "create_kasm_session",
                json!({ "image_name": "Terminal", "wait": false }),
            )
            .await;
        if reply["success"] == false {
            break reply;
        }
        made += 1;
        assert!(made < 200, "the disk is never full");
    };
    assert_eq!(refused["error_type"], "unavailable", "{refused}");
    assert_eq!(refused["code"], "audit_unwritable", "{refused}");
    assert!(words(&refused).1.contains("MCP_AUDIT_FILE"), "{refused}");
    assert!(made > 3, "{made}");
    assert_eq!(emulator.request_count("request_kasm"), made);
    let look = full.call("list_user_sessions", json!({})).await;
    assert_eq!(look["success"], true, "{look}");
    let whole = verify(full.directory.path()).unwrap();
    assert!(whole.last > 6, "{whole:?}");
    // There is room again, and what is missing is said.
    let file = full.directory.path().join("audit.jsonl");
    let kept = std::fs::read(&file).unwrap();
    assert!(kept.ends_with(b"}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_on_full_disk_with_setting_lets_calls_run() {
    let emulator = quick().await;
    let full = Full::start(&emulator, "true").await;
    for _ in 0..60 {
        let reply = full
            .call(
                "create_kasm_session",
                json!({ "image_name": "Terminal", "wait": false }),
            )
            .await;
        assert_eq!(reply["success"], true, "{reply}");
    }
    verify(full.directory.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_file_in_use_or_unwritable_stops_the_start() {
    let emulator = quick().await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("audit.jsonl");
    let settings = [("MCP_AUDIT_FILE", file.to_str().unwrap())];
    let _first = TestServer::with(&settings).await;
    let second = http_app(&config(&emulator, &settings)).unwrap_err();
    assert!(
        second.to_string().contains("another process is writing it"),
        "{second}"
    );
    let nowhere = [("MCP_AUDIT_FILE", "/nonexistent/audit.jsonl")];
    let third = http_app(&config(&emulator, &nowhere)).unwrap_err();
    assert!(
        third.to_string().contains("/nonexistent/audit.jsonl"),
        "{third}"
    );
    let open = [nowhere[0], ("MCP_AUDIT_FAIL_OPEN", "true")];
    assert!(http_app(&config(&emulator, &open)).is_ok());
}
