//! `kasm-mcp serve` as a process of its own, for tests in which it dies.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::kasm::until;
use super::{TOKEN, rpc, sources};

pub struct Program {
    pub child: Child,
    pub base: String,
    pub http: reqwest::Client,
}

impl Program {
    /// Starts it in `directory`, where its log is called `name`. `KASM_MCP_BIN` names another program than the
    /// one that was built with the tests.
    pub async fn start(
        emulator: &Emulator,
        directory: &Path,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let log = directory.join(name);
        let built = || env!("CARGO_BIN_EXE_kasm-mcp").into();
        let program = std::env::var_os("KASM_MCP_BIN").unwrap_or_else(built);
        let child = Command::new(program)
            .arg("serve")
            .env_clear()
            .envs(sources(emulator, settings).environment)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = || std::fs::read_to_string(&log).unwrap();
        until("the server is ready", || said().contains("is ready")).await;
        let said = said();
        let (_, rest) = said.split_once("127.0.0.1:").unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let base = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { child, base, http }
    }

    pub async fn try_call(&self, tool: &str, arguments: Value) -> reqwest::Result<Value> {
        let params = json!({ "name": tool, "arguments": arguments });
        let request = self.http.post(format!("{}/mcp", self.base));
        let request = request.bearer_auth(TOKEN).json(&rpc("tools/call", params));
        let answer: Value = request.send().await?.json().await?;
        Ok(answer["result"]["structuredContent"].clone())
    }

    pub async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let reply = self.try_call(tool, arguments).await.unwrap();
        assert_eq!(reply["success"], true, "{tool}: {reply}");
        reply["data"].clone()
    }

    /// As `kill -9` does it.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
