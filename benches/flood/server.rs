//! The server that is attacked.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kasm_emulator::Emulator;
use kasm_mcp::token::TokenHash;
use tempfile::TempDir;

/// Of the caller that is measured.
pub(crate) const QUIET_TOKEN: &str = "the-token-of-the-quiet-caller-0123456789";
/// Of a caller with the usual rate.
pub(crate) const FLOOD_TOKEN: &str = "the-token-of-the-flood-0123456789";
/// Of a caller whose rate is no limit.
pub(crate) const EAGER_TOKEN: &str = "the-token-of-the-eager-caller-0123456789";
/// How long the start may take.
const START_MAX: Duration = Duration::from_secs(10);

/// A server with its default limits and a file of tokens; ends when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start(program: &Path, kasm: &Emulator) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let tokens = folder.path().join("tokens.toml");
        let entry = |name: &str, token: &str, rate: &str| {
            let hash = TokenHash::of_token(token);
            format!(
                "[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nscope = \"kasm:use\"\n{rate}\n"
            )
        };
        let entries = [
            entry("quiet", QUIET_TOKEN, "rate = 1200"),
            entry("flood", FLOOD_TOKEN, ""),
            entry("eager", EAGER_TOKEN, "rate = 1000000000"),
        ];
        fs::write(&tokens, entries.concat())?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let (key, secret) = kasm.key();
        let mut command = Command::new(program);
        // Settings of whoever runs this must not reach the server.
        command.env_clear().arg("serve").stdin(Stdio::null());
        command.stderr(fs::File::create(folder.path().join("log"))?);
        command.envs([
            ("KASM_API_URL", kasm.url()),
            ("KASM_API_KEY", key),
            ("KASM_API_SECRET", secret),
            ("KASM_USER_ID", kasm.user_id()),
            ("MCP_SERVER_HOST", "127.0.0.1"),
            ("MCP_STATE_DIR", ""),
            ("MCP_SERVER_PORT", &port.to_string()),
        ]);
        command.env("MCP_TOKENS_FILE", &tokens);
        let child = command.spawn().context("cannot start the server")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Self {
            child,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(begun.elapsed() < START_MAX, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .context("no VmRSS in /proc")?
            .parse()
            .context("no number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
