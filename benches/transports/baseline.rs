//! What the protocol library does without us: a bare rmcp server with two tools, no
//! authentication and no log. It is a good one: no delay on its sockets, its router built once.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::serve::ListenerExt;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use serde_json::{Value, json};

/// How long its upstream may take.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(10);

static ROUTER: LazyLock<ToolRouter<Baseline>> = LazyLock::new(Baseline::tool_router);

/// How it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Sessions, answers as events: what rmcp does unless told otherwise.
    Sessions,
    /// No sessions, answers as one JSON object: the fastest it has.
    Stateless,
    /// One client on standard input and output.
    Stdio,
}

/// What it is told when it is started.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    mode: Mode,
    /// What the tool `status` asks.
    #[arg(long)]
    upstream: reqwest::Url,
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[derive(Clone)]
struct Baseline {
    http: reqwest::Client,
    upstream: reqwest::Url,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct EchoArgs {
    /// What to say back.
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct StatusArgs {
    /// The session to ask for.
    kasm_id: String,
}

#[tool_router]
impl Baseline {
    #[tool(description = "Says the text back")]
    async fn echo(&self, Parameters(args): Parameters<EchoArgs>) -> String {
        args.text
    }

    #[tool(description = "Asks the upstream for the status of a session")]
    async fn status(&self, Parameters(args): Parameters<StatusArgs>) -> Result<String, String> {
        let request = self.http.post(self.upstream.clone());
        let request = request.json(&json!({ "kasm_id": args.kasm_id }));
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        let status = answer["kasm"]["operational_status"].as_str();
        status.map(str::to_owned).ok_or_else(|| answer.to_string())
    }
}

#[tool_handler(router = ROUTER, name = "baseline", version = "0")]
impl ServerHandler for Baseline {}

/// Serves until it is killed, or until its standard input ends.
pub(crate) fn serve(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let http = reqwest::Client::builder()
            .timeout(UPSTREAM_TIMEOUT)
            .tcp_nodelay(true)
            .build()?;
        let handler = Baseline {
            http,
            upstream: options.upstream,
        };
        match options.mode {
            Mode::Stdio => {
                let service = handler.serve(rmcp::transport::stdio()).await?;
                service.waiting().await?;
            }
            Mode::Sessions => serve_http(handler, true, options.port).await?,
            Mode::Stateless => serve_http(handler, false, options.port).await?,
        }
        Ok(())
    })
}

async fn serve_http(handler: Baseline, sessions: bool, port: u16) -> std::io::Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(sessions)
        .with_json_response(!sessions);
    let manager = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(handler.clone()), manager, config);
    let router = axum::Router::new().nest_service("/mcp", service);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let listener = listener.tap_io(|socket| {
        // A socket that is gone already cannot be set, and need not be.
        let _gone = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}
