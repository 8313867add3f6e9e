//! A whole server for one test, and the ways to talk to it.

pub mod clients;
pub mod confinement;
pub mod kasm;
pub mod program;
pub mod sse_client;
pub mod toolbox;

use std::time::Duration;

use kasm_emulator::Emulator;
use kasm_mcp::app::{self, BuildError, ReachedBy};
use kasm_mcp::config::{Config, SettingsSources};
use kasm_mcp::http::HttpApp;
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::{ServeEnd, serve_http};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The token of every test server.
pub const TOKEN: &str = "integration-test-token-0123456789";

/// Emulator and server on loopback, gone when dropped.
pub struct TestServer {
    pub emulator: Emulator,
    /// Such as `http://127.0.0.1:4711`.
    pub base: String,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<ServeEnd>>,
}

impl TestServer {
    /// A server with its defaults, in front of an emulator that is quick.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same with some settings of its own, by variable.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::builder()
            .start_time(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        Self::in_front_of(emulator, settings).await
    }

    pub async fn in_front_of(emulator: Emulator, settings: &[(&str, &str)]) -> Self {
        let config = config(&emulator, settings);
        Self::of_config(emulator, &config).await
    }

    /// A server with settings that no variable can have, such as times below a second.
    pub async fn of_config(emulator: Emulator, config: &Config) -> Self {
        Self::of_app(emulator, config, http_app(config).unwrap()).await
    }

    /// A server for the callers of `auth` alone.
    pub async fn for_callers(emulator: Emulator, config: &Config, auth: Authenticator) -> Self {
        let app = app::build_application(config, ReachedBy::ByHttp).unwrap();
        let app = HttpApp::new(app.into_state(auth));
        Self::of_app(emulator, config, app).await
    }

    async fn of_app(emulator: Emulator, config: &Config, app: HttpApp) -> Self {
        let listener = TcpListener::bind(config.http.listen).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let limits = app::serve_limits(&config.limits);
        let served = tokio::spawn(serve_http(listener, app, limits, async {
            let _sender_dropped = stopped.await;
        }));
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            emulator,
            base,
            http,
            stop: Some(stop),
            served: Some(served),
        }
    }

    /// Another server in front of the same Kasm, as after a restart. It has an emulator of its own too,
    /// which nobody asks.
    pub async fn in_front_of_other(other: &Self) -> Self {
        let spare = Emulator::builder().start().await.unwrap();
        let (key, secret) = other.emulator.key();
        let settings = [
            ("KASM_API_URL", other.emulator.url()),
            ("KASM_API_KEY", key),
            ("KASM_API_SECRET", secret),
        ];
        Self::in_front_of(spare, &settings).await
    }

    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.base)
    }

    /// A POST to `/mcp` with the token and nothing else that a transport asks for.
    pub fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(self.mcp()).bearer_auth(TOKEN).json(body)
    }

    /// Calls a tool with a bare JSON-RPC POST and returns the reply form.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let body = rpc(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        );
        let answer = self.post(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        let result = &answer["result"];
        let structured = result["structuredContent"].clone();
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, structured, "the text block is the same JSON");
        assert_eq!(
            result["isError"],
            !structured["success"].as_bool().unwrap(),
            "{structured}"
        );
        structured
    }

    /// The `data` of a call that succeeds.
    pub async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let reply = self.call(tool, arguments).await;
        assert_eq!(reply["success"], true, "{tool}: {reply}");
        assert!(
            reply["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{tool}: {reply}"
        );
        reply["data"].clone()
    }

    /// A call that fails with this `error_type`, with words and a hint. Returns the reply.
    pub async fn fails(&self, tool: &str, arguments: Value, error_type: &str) -> Value {
        let reply = self.call(tool, arguments).await;
        assert_eq!(reply["success"], false, "{tool}: {reply}");
        assert_eq!(reply["error_type"], error_type, "{tool}: {reply}");
        for text in ["error", "hint"] {
            assert!(
                reply[text].as_str().is_some_and(|text| text.len() > 5),
                "{tool}: {reply}"
            );
        }
        reply
    }

    /// A call that fails with this `error_type` and `code`. Returns the reply.
    pub async fn fails_as(
        &self,
        tool: &str,
        arguments: Value,
        error_type: &str,
        code: &str,
    ) -> Value {
        let reply = self.fails(tool, arguments, error_type).await;
        assert_eq!(reply["code"], code, "{tool}: {reply}");
        reply
    }

    /// A running session of the caller's user.
    pub async fn session(&self) -> String {
        let data = self
            .ok("create_kasm_session", json!({ "image_name": "Terminal" }))
            .await;
        assert_eq!(data["operational_status"], "running");
        data["kasm_id"].as_str().unwrap().to_owned()
    }

    /// Sends the stop signal and waits for the end.
    pub async fn stop(mut self) -> ServeEnd {
        drop(self.stop.take());
        self.served.take().unwrap().await.unwrap()
    }

    /// Sends the stop signal and returns at once.
    pub fn begin_stop(&mut self) -> JoinHandle<ServeEnd> {
        drop(self.stop.take());
        self.served.take().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(served) = &self.served {
            served.abort();
        }
    }
}

/// The settings of a server in front of `emulator`.
pub fn sources(emulator: &Emulator, settings: &[(&str, &str)]) -> SettingsSources {
    let (key, secret) = emulator.key();
    let mut sources = SettingsSources::default();
    let base = [
        ("KASM_API_URL", emulator.url()),
        ("KASM_API_KEY", key),
        ("KASM_API_SECRET", secret),
        ("KASM_USER_ID", emulator.user_id()),
        ("MCP_SERVER_HOST", "127.0.0.1"),
        ("MCP_SERVER_PORT", "0"),
        ("MCP_AUTH_TOKEN", TOKEN),
        ("KASM_IMAGE_CACHE_SECONDS", "0"),
        // Tests are quicker than anybody's clients.
        ("MCP_RATE_PER_ADDRESS", "1000000/1000000"),
        ("MCP_RATE_FAILED_AUTH", "1000000/1000000"),
        ("MCP_RATE_PER_CALLER", "1000000/1000000"),
        ("MCP_RATE_COSTLY_TOOLS", "1000000/1000000"),
        // Not the one of a server that this machine may have.
        ("MCP_STATE_DIR", ""),
    ];
    for (name, value) in base.iter().chain(settings) {
        sources
            .environment
            .insert((*name).to_owned(), (*value).to_owned());
    }
    sources
}

/// The server of `serve`, ready to be served.
pub fn http_app(config: &Config) -> Result<HttpApp, BuildError> {
    app::build_application(config, ReachedBy::ByHttp)?.into_http()
}

pub fn config(emulator: &Emulator, settings: &[(&str, &str)]) -> Config {
    Config::load_settings(&sources(emulator, settings)).unwrap()
}

/// Sends a signal, such as `TERM`. The `kill` of a shell is always there.
pub fn signal(name: &str, process: u32) {
    let mut shell = std::process::Command::new("sh");
    let sent = shell.args(["-c", &format!("kill -s {name} {process}")]);
    assert!(sent.status().unwrap().success());
}

/// A JSON-RPC request.
pub fn rpc(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The parameters of an `initialize`.
pub fn handshake(version: &str) -> Value {
    json!({
        "protocolVersion": version, "capabilities": {},
        "clientInfo": { "name": "integration", "version": "1" },
    })
}
