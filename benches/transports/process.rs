//! The servers as processes: started on a core of their own, and looked at through `/proc`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::{NamedTempFile, TempDir};

use crate::baseline::Mode;
use crate::client::Target;
use crate::upstream::{STATUS_PATH, USER_ID};

/// The core of load and upstream.
pub(crate) const LOAD_CORE: &str = "1";
/// The core of the servers.
const SERVER_CORE: &str = "0";
const TOKEN: &str = "benchmark-token-of-some-length";
/// How long a server may take to listen.
const START_MAX: Duration = Duration::from_secs(10);
/// Linux counts processor time in hundredths of a second (USER_HZ).
const TICKS_PER_SECOND: u64 = 100;

/// What runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// There are two cores and a way to bind to them, but this process is not bound yet.
    ToBePinned,
    /// Servers on one core, load and upstream on another.
    Apart,
    /// Wherever the system puts it.
    Anywhere,
}

impl Cores {
    pub(crate) fn of_this_machine(pinned: bool) -> Self {
        if pinned {
            return Self::Apart;
        }
        let several = std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
        let tool = Command::new("taskset").arg("--version").output();
        if several && tool.is_ok_and(|output| output.status.success()) {
            Self::ToBePinned
        } else {
            Self::Anywhere
        }
    }
}

/// What is measured, and in front of what.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    pub(crate) baseline: PathBuf,
    pub(crate) upstream: SocketAddr,
    pub(crate) cores: Cores,
    /// Where the servers keep their records of calls.
    pub(crate) records: TempDir,
}

impl Programs {
    fn command(&self, program: &Path) -> Command {
        let mut command = if self.cores == Cores::Apart {
            let mut command = Command::new("taskset");
            command.args(["-c", SERVER_CORE]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // Settings of whoever runs this must not reach the servers.
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// The command `name` of kasm-mcp, with authentication and a record of calls, that lets `sessions` be open.
    pub(crate) fn kasm_mcp(&self, name: &str, port: u16, sessions: u32) -> Command {
        let mut command = self.command(&self.server);
        command
            .arg(name)
            .env("KASM_API_URL", format!("http://{}", self.upstream))
            .env("KASM_API_KEY", "benchmark-key")
            .env("KASM_API_SECRET", "benchmark-secret")
            .env("KASM_USER_ID", USER_ID)
            .env("MCP_AUTH_TOKEN", TOKEN)
            .env("MCP_SERVER_HOST", "127.0.0.1")
            .env("MCP_SERVER_PORT", port.to_string())
            .env("MCP_MAX_SESSIONS", sessions.to_string())
            .env("MCP_MAX_SESSIONS_PER_CALLER", sessions.to_string())
            .env("MCP_MAX_CALLS_PER_CALLER", "1000")
            .env("MCP_MAX_CONNECTIONS_PER_ADDRESS", "20000")
            .env("MCP_RATE_PER_ADDRESS", "1000000000/1000000000")
            .env("MCP_RATE_PER_CALLER", "1000000000/1000000000")
            .env("MCP_RATE_COSTLY_TOOLS", "1000000000/1000000000")
            .env("MCP_STATE_DIR", "")
            .env(
                "MCP_AUDIT_FILE",
                self.records.path().join(format!("{port}.jsonl")),
            )
            .env("LOG_LEVEL", "info");
        command
    }

    pub(crate) fn baseline(&self, mode: Mode, port: u16) -> Command {
        let mode = match mode {
            Mode::Sessions => "sessions",
            Mode::Stateless => "stateless",
            Mode::Stdio => "stdio",
        };
        let mut command = self.command(&self.baseline);
        command
            .args(["baseline-server", mode, "--port", &port.to_string()])
            .arg("--upstream")
            .arg(format!("http://{}{STATUS_PATH}", self.upstream));
        command
    }

    pub(crate) fn start_kasm_mcp(&self, sessions: u32) -> anyhow::Result<Server> {
        let port = free_port()?;
        Server::start(self.kasm_mcp("serve", port, sessions), port, Some(TOKEN))
    }

    pub(crate) fn start_baseline(&self, mode: Mode) -> anyhow::Result<Server> {
        let port = free_port()?;
        Server::start(self.baseline(mode, port), port, None)
    }
}

/// A child that ends with its owner.
#[derive(Debug)]
pub(crate) struct OwnedChild(pub(crate) Child);

impl Drop for OwnedChild {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    child: OwnedChild,
    /// From before it was started until it listened.
    pub(crate) started_in: Duration,
    pub(crate) target: Target,
    /// Its log, a file as under a service manager.
    _log: NamedTempFile,
}

impl Server {
    fn start(mut command: Command, port: u16, token: Option<&'static str>) -> anyhow::Result<Self> {
        let log = NamedTempFile::new()?;
        command.stderr(log.reopen()?);
        let begun = Instant::now();
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        let mut child = OwnedChild(child);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.0.try_wait()? {
                let log = fs::read_to_string(log.path())?;
                bail!("the server ended with {status}: {log}");
            }
            ensure!(begun.elapsed() < START_MAX, "the server does not listen");
        }
        Ok(Self {
            child,
            started_in: begun.elapsed(),
            target: Target { address, token },
            _log: log,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.id())
    }
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) all: u64,
    /// Without pages of files, such as the program itself.
    pub(crate) own: u64,
}

impl Memory {
    fn of(process: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number.and_then(|number| number.parse().ok())
        };
        Ok(Self {
            all: field("VmRSS:").context("no VmRSS in /proc")?,
            own: field("RssAnon:").unwrap_or(0),
        })
    }
}

/// How long the process has been on a core, in all its threads.
pub(crate) fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may contain anything; the 12th and 13th fields after it are ours.
    let (_, fields) = stat.rsplit_once(')').context("an unknown /proc")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    let ticks: u64 = ticks.iter().sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}
