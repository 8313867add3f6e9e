//! The binary as a service manager or a container engine runs it.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use kasm_emulator::Emulator;

use crate::resources::listener::Listener;
use crate::support;

const BINARY: &str = env!("CARGO_BIN_EXE_kasm-mcp");
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that ends with its test.
struct Server {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Server {
    fn start(emulator: &Emulator, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .envs(support::sources(emulator, settings).environment)
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, log }
    }

    /// Everything that it logs up to a line with `text`.
    fn logs(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines
            .last()
            .is_some_and(|line: &String| line.contains(text))
        {
            lines.push(self.log.next().unwrap().unwrap());
        }
        lines
    }

    fn terminate(&mut self) -> Option<i32> {
        support::signal("TERM", self.process.id());
        self.process.wait().unwrap().code()
    }
}

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            path: path.to_str().unwrap().to_owned(),
            _dir: dir,
        }
    }

    fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// What is said first that begins with `state`.
    fn hears(&self, state: &str) -> String {
        loop {
            let heard = self.heard();
            if heard.starts_with(state) {
                return heard;
            }
        }
    }
}

fn health(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).arg("health").env_clear();
    command.envs(settings.iter().copied()).output().unwrap()
}

#[tokio::test]
async fn service_manager_is_notified_of_ready_alive_and_stopping() {
    let emulator = Emulator::builder().start().await.unwrap();
    let manager = Manager::new();
    let settings = [
        ("NOTIFY_SOCKET", manager.path.as_str()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut server = Server::start(&emulator, &settings);
    let ready = manager.heard();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    let url = ready.split("Serving http://").nth(1).unwrap();
    let address = url.strip_suffix("/mcp").unwrap();
    // Said only when it listens: no second try.
    std::net::TcpStream::connect(address).unwrap();
    for _ in 0..3 {
        assert_eq!(manager.hears("WATCHDOG"), "WATCHDOG=1");
    }
    assert_eq!(server.terminate(), Some(0));
    assert!(manager.hears("STOPPING").starts_with("STOPPING=1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn client_hang_up_is_not_logged_as_error() {
    let emulator = Emulator::builder().start().await.unwrap();
    let manager = Manager::new();
    let settings = [
        ("NOTIFY_SOCKET", manager.path.as_str()),
        ("MCP_AUTH_TOKEN", support::TOKEN),
    ];
    let mut server = Server::start(&emulator, &settings);
    let ready = manager.heard();
    let address = ready.split("Serving ").nth(1).unwrap();
    let base = address.strip_suffix("/mcp").unwrap();
    for _ in 0..3 {
        let wanted = serde_json::json!({ "resourcesListChanged": true });
        let (listener, _) = Listener::modern(base, wanted).await;
        drop(listener);
    }
    assert_eq!(server.terminate(), Some(0));
    let log: Vec<String> = server.log.by_ref().map_while(Result::ok).collect();
    let log = log.join("\n");
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn watchdog_of_another_process_is_not_notified() {
    let emulator = Emulator::builder().start().await.unwrap();
    let manager = Manager::new();
    let settings = [
        ("NOTIFY_SOCKET", manager.path.as_str()),
        ("WATCHDOG_USEC", "1000"),
        ("WATCHDOG_PID", "1"),
    ];
    let mut server = Server::start(&emulator, &settings);
    assert!(manager.heard().starts_with("READY=1\n"));
    assert_eq!(server.terminate(), Some(0));
    let next = manager.heard();
    assert!(next.starts_with("STOPPING=1\n"), "{next}");

    // A manager that is not there is no reason to fail.
    let settings = [("NOTIFY_SOCKET", "/nowhere/at/all")];
    let mut server = Server::start(&emulator, &settings);
    server.logs("cannot notify");
    assert_eq!(server.terminate(), Some(0));
}

#[tokio::test]
async fn health_command_asks_the_server_of_its_settings() {
    let emulator = Emulator::builder().start().await.unwrap();
    let manager = Manager::new();
    let settings = [
        ("NOTIFY_SOCKET", manager.path.as_str()),
        ("MCP_SERVER_HOST", "0.0.0.0"),
    ];
    let mut server = Server::start(&emulator, &settings);
    let ready = manager.heard();
    let address = ready.split("http://").nth(1).unwrap();
    let port = address.strip_suffix("/mcp").unwrap();
    let port = port.rsplit(':').next().unwrap();

    // Neither the other settings nor a proxy matter.
    let settings = [
        ("MCP_SERVER_PORT", port),
        ("KASM_API_URL", "nonsense"),
        ("MCP_AUTH_TOKEN_FILE", "/nowhere"),
        ("http_proxy", "http://127.0.0.1:9"),
    ];
    let well = health(&settings, &[]);
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    assert_eq!(well.stdout, b"ok\n");
    assert!(health(&[], &["--port", port]).status.success());

    server.terminate();
    let gone = health(&settings, &[]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no answer"));
    let wrong = health(&[("MCP_SERVER_PORT", "x")], &[]);
    assert_eq!(wrong.status.code(), Some(64));
}

#[tokio::test]
async fn journal_log_has_levels_and_no_times() {
    let emulator = Emulator::builder().start().await.unwrap();
    let settings = [("LOG_FORMAT", "journal"), ("KASM_TLS_INSECURE", "true")];
    let mut server = Server::start(&emulator, &settings);
    let lines = server.logs("is ready");
    let [notice, ready] = lines.as_slice() else {
        panic!("not the two lines: {lines:?}");
    };
    assert!(notice.starts_with("<4>kasm_mcp"), "{notice}");
    assert!(ready.starts_with("<6>kasm_mcp"), "{ready}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn demo_on_all_addresses_is_reached_from_outside() {
    let mut command = Command::new(BINARY);
    command
        .args(["--host", "0.0.0.0", "demo", "--port", "0", "--json"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let out = BufReader::new(process.stdout.take().unwrap());
    let log = BufReader::new(process.stderr.take().unwrap()).lines();
    let _demo = Server { process, log };
    let facts = out.lines().next().unwrap().unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    // What is shown is an address that can be used here.
    let port = facts["url"].as_str().unwrap();
    let port = port.strip_prefix("http://127.0.0.1:").unwrap();
    let port = port.strip_suffix("/mcp").unwrap();
    let asked = health(&[], &["--host", "0.0.0.0", "--port", port]);
    assert!(asked.status.success(), "{asked:?}");
    // Every address of loopback is this machine, but the server on 127.0.0.1 alone has only one.
    let other = health(&[], &["--host", "127.0.0.2", "--port", port]);
    assert!(other.status.success(), "{other:?}");
}
