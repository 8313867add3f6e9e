//! `kasm-mcp check` as an operator runs it.

mod chain;
mod front;
mod key;
mod live;
mod server;
mod tls;

use std::collections::HashMap;
use std::process::{Output, Stdio};

use kasm_emulator::Emulator;
use serde_json::Value;

use crate::support::{TOKEN, sources};

/// What a check said.
pub struct Checked {
    pub code: Option<i32>,
    rows: Vec<Value>,
    all: String,
}

impl Checked {
    /// The row of that name.
    #[track_caller]
    pub fn row(&self, name: &str) -> &Value {
        let mut rows = self.rows.iter().filter(|row| row["name"] == name);
        let row = rows.next();
        row.unwrap_or_else(|| panic!("no row {name} in {}", self.all))
    }

    /// A row has this status, and its fact and remedy these words.
    #[track_caller]
    pub fn has(&self, name: &str, status: &str, words: &[&str]) {
        let row = self.row(name);
        assert_eq!(row["status"], status, "{row} in {}", self.all);
        for word in words {
            assert!(row.to_string().contains(word), "{word} is missing in {row}");
        }
        let remedied = row["remedy"].as_str().is_some_and(|it| it.len() > 5);
        assert!(status != "fail" || remedied, "no remedy: {row}");
    }

    /// These rows were skipped, with a reason.
    #[track_caller]
    pub fn skips(&self, names: &[&str]) {
        for name in names {
            self.has(name, "skip", &[]);
            assert!(self.row(name)["fact"].as_str().unwrap().len() > 5, "{name}");
        }
    }

    /// Nothing fails but this.
    #[track_caller]
    pub fn fails_only(&self, names: &[&str]) {
        let failed = self.rows.iter().filter(|row| row["status"] == "fail");
        let failed: Vec<_> = failed.map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(failed, names, "{}", self.all);
        assert_eq!(
            self.code,
            Some(i32::from(!names.is_empty())),
            "{}",
            self.all
        );
    }
}

/// Runs it with the settings of a server in front of `emulator`, and `settings` over them.
pub async fn check(emulator: &Emulator, settings: &[(&str, &str)], flags: &[&str]) -> Checked {
    let mut environment = sources(emulator, settings).environment;
    environment.retain(|_, value| !value.is_empty());
    let output = run(environment, &[&["--json"], flags].concat()).await;
    let (key, secret) = emulator.key();
    let said = text(&output.stdout) + &text(&output.stderr);
    for hidden in [key, secret, TOKEN] {
        assert!(!said.contains(hidden), "a secret is in {said}");
    }
    read(&output)
}

/// Runs it with this environment and nothing else.
pub async fn run(environment: HashMap<String, String>, flags: &[&str]) -> Output {
    command(environment, flags).output().await.unwrap()
}

pub fn command(environment: HashMap<String, String>, flags: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"));
    command
        .arg("check")
        .args(flags)
        .env_clear()
        .env("MCP_STATE_DIR", "/nonexistent/kasm-mcp")
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// What `--json` printed.
pub fn read(output: &Output) -> Checked {
    let all = text(&output.stdout);
    let told: Value = serde_json::from_str(&all)
        .unwrap_or_else(|_| panic!("no JSON: {all} {}", text(&output.stderr)));
    let rows = told["checks"].as_array().unwrap().clone();
    let fails = rows.iter().any(|row| row["status"] == "fail");
    assert_eq!(told["ok"], !fails, "{all}");
    Checked {
        code: output.status.code(),
        rows,
        all,
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What depends on Kasm being there.
pub const OF_KASM: [&str; 9] = [
    "kasm answers",
    "clock",
    "api key",
    "workspaces",
    "user",
    "sessions",
    "session: commands",
    "session: files",
    "session: screen",
];
