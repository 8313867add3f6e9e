//! Many callers on one server: who they are, what they may do, and that they never meet.

mod commands;
mod isolation;
pub mod issuer;
mod migration;
mod no_account;
mod oauth;
mod realms;
mod tokens;
mod tool_names;

use std::path::{Path, PathBuf};

use kasm_emulator::Emulator;
use kasm_mcp::token::TokenHash;
use serde_json::Value;
use std::time::Duration;

use crate::support::TestServer;

/// The token of a caller with this name.
pub fn token(name: &str) -> String {
    format!("token-of-{name}-0123456789")
}

/// A file of tokens that a test writes.
pub struct TokenFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TokenFile {
    /// A file with these entries: a name, and the fields besides name and hash.
    pub fn new(entries: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let file = Self {
            _folder: folder,
            path,
        };
        file.write(entries);
        file
    }

    pub fn write(&self, entries: &[(&str, &str)]) {
        let text: String = entries
            .iter()
            .map(|(name, more)| entry(name, more))
            .collect();
        self.write_text(&text);
    }

    fn write_text(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// A server that takes these tokens, and the usual one.
    async fn serve(&self) -> TestServer {
        TestServer::with(&[("MCP_TOKENS_FILE", self.path())]).await
    }
}

fn entry(name: &str, more: &str) -> String {
    let hash = TokenHash::of_token(token(name));
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{more}\n\n")
}

/// The status of a bare request with this token.
async fn status(server: &TestServer, token: &str, body: &Value) -> u16 {
    let request = server.http.post(server.mcp()).bearer_auth(token).json(body);
    request.send().await.unwrap().status().as_u16()
}

/// Waits until a token is answered with this status.
async fn becomes(server: &TestServer, token: &str, wanted: u16) {
    let body = crate::support::rpc("tools/list", serde_json::json!({}));
    let end = tokio::time::Instant::now() + crate::support::kasm::PATIENCE;
    while status(server, token, &body).await != wanted {
        assert!(
            tokio::time::Instant::now() < end,
            "{token} never gets {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the binary prints, and its exit code.
pub async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"));
    command.args(arguments).env_clear();
    for (name, value) in settings {
        command.env(name, value);
    }
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The settings of a server in front of `emulator`, without a token.
fn without_token(emulator: &Emulator, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut sources = crate::support::sources(emulator, more);
    sources.environment.remove("MCP_AUTH_TOKEN");
    sources.environment.into_iter().collect()
}
