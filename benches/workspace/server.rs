//! The server as a process of its own in front of an emulator, with one session.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use kasm_emulator::Emulator;
use serde_json::{Value, json};

/// How long a server or a session may take to be there.
const START_MAX: Duration = Duration::from_secs(10);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const TOKEN: &str = "benchmark-token-of-some-length";

/// What is measured: a session of an emulator, by a server in front of it.
pub(super) struct Bench {
    pub(super) emulator: Emulator,
    pub(super) http: reqwest::Client,
    pub(super) kasm_id: String,
    /// What a browser would send to the session.
    pub(super) cookies: String,
    server: Server,
}

impl Bench {
    /// With `reachable`, workspaces may deliver output to the server.
    pub(super) async fn start(
        program: &Path,
        emulator: Emulator,
        reachable: bool,
    ) -> anyhow::Result<Self> {
        let server = Server::start(program, &emulator, reachable)?;
        let mut bench = Self {
            emulator,
            http: reqwest::Client::builder().timeout(ANSWER_MAX).build()?,
            kasm_id: String::new(),
            cookies: String::new(),
            server,
        };
        let (image, user) = (bench.emulator.image_id(), bench.emulator.user_id());
        let session = json!({ "image_id": image, "user_id": user });
        let session = bench.ask("request_kasm", session).await?;
        let text = |name: &str| {
            session[name]
                .as_str()
                .map(str::to_owned)
                .context("no session")
        };
        bench.kasm_id = text("kasm_id")?;
        let token = text("session_token")?;
        bench.cookies = format!("username=demo@kasm.local; session_token={token}");
        Ok(bench)
    }

    /// Calls the emulator as Kasm's released API.
    pub(super) async fn ask(&self, endpoint: &str, mut fields: Value) -> anyhow::Result<Value> {
        let (key, secret) = self.emulator.key();
        fields["api_key"] = key.into();
        fields["api_key_secret"] = secret.into();
        let url = format!("{}/api/public/{endpoint}", self.emulator.url());
        let answer: Value = self
            .http
            .post(url)
            .json(&fields)
            .send()
            .await?
            .json()
            .await?;
        ensure!(answer["error_message"].is_null(), "{endpoint}: {answer}");
        Ok(answer)
    }

    /// Calls a tool and returns the MCP result. The session is an argument already.
    pub(super) async fn call(&self, tool: &str, mut arguments: Value) -> anyhow::Result<Value> {
        arguments["kasm_id"] = self.kasm_id.as_str().into();
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        let request = self.http.post(&self.server.url).bearer_auth(TOKEN);
        let mut answer: Value = request.json(&message).send().await?.json().await?;
        let result = answer["result"].take();
        let right = result["structuredContent"]["success"] == true;
        ensure!(right, "{tool} answered {result}");
        Ok(result)
    }
}

/// The server, which ends with its owner.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &Path, kasm: &Emulator, reachable: bool) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let own = format!("http://127.0.0.1:{port}");
        let (key, secret) = kasm.key();
        let mut command = Command::new(program);
        // Settings of whoever runs this must not reach the server.
        command.env_clear().arg("serve").stderr(Stdio::null());
        command.envs([
            ("KASM_API_URL", kasm.url()),
            ("KASM_API_KEY", key),
            ("KASM_API_SECRET", secret),
            ("KASM_USER_ID", kasm.user_id()),
            ("MCP_AUTH_TOKEN", TOKEN),
            ("MCP_SERVER_HOST", "127.0.0.1"),
            ("MCP_STATE_DIR", ""),
            ("MCP_RATE_PER_ADDRESS", "1000000/1000000"),
            ("MCP_RATE_PER_CALLER", "1000000/1000000"),
            ("MCP_RATE_COSTLY_TOOLS", "1000000/1000000"),
            ("MCP_SERVER_PORT", &port.to_string()),
        ]);
        if reachable {
            command.env("MCP_PUBLIC_URL", &own);
        }
        let child = command.spawn().context("cannot start the server")?;
        let url = format!("{own}/mcp");
        let server = Self { child, url };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(begun.elapsed() < START_MAX, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
