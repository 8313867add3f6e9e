//! `kasm-mcp demo`: emulator and server on this machine, and how to connect.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use kasm_emulator::Emulator;
use secrecy::ExposeSecret;
use serde_json::json;

use super::emulate::{START_TIME, warn_if_unconfined};
use super::health::nearest;
use super::serve::bind;
use super::{logging, print, stop};
use crate::app;
use crate::cli;
use crate::clients::{self, Values};
use crate::config::{Config, Sources};
use crate::http::serve::serve;
use crate::token;

pub(super) async fn run(options: &cli::Demo, flags: &cli::Settings) -> anyhow::Result<ExitCode> {
    let stop = stop::signal()?;
    let host = host(flags)?;
    let emulator = Emulator::builder().start_time(START_TIME).start().await?;
    let listener = bind(SocketAddr::new(host, options.port)).await?;
    let address = listener.local_addr()?;
    let config = config(&emulator, address, flags)?;
    let logging = logging::start(&config.log)?;
    let app = app::http_app(&config)?;
    let url = format!("http://{}/mcp", nearest(address));
    let token = config
        .http
        .auth_token
        .as_ref()
        .map_or("", |token| token.expose_secret());
    warn_if_unconfined();
    print(&if options.json {
        facts(&emulator, &url, token)
    } else {
        welcome(&url, token)?
    })?;
    serve(listener, app, app::serve_limits(&config.limits), stop).await;
    emulator.shutdown().await;
    logging.end().await;
    Ok(ExitCode::SUCCESS)
}

/// This machine only, unless somebody says otherwise: a container has to be reached from outside.
fn host(flags: &cli::Settings) -> anyhow::Result<IpAddr> {
    let Some(host) = &flags.host else {
        return Ok(Ipv4Addr::LOCALHOST.into());
    };
    host.parse()
        .with_context(|| format!("--host {host}: give an IP address, such as 0.0.0.0"))
}

/// The settings of the demo, and limits from the environment.
fn config(
    emulator: &Emulator,
    address: SocketAddr,
    flags: &cli::Settings,
) -> anyhow::Result<Config> {
    let (key, secret) = emulator.key();
    let mut sources = Sources::of_process(None);
    sources.environment.retain(|name, _| {
        ["MCP_MAX_", "MCP_RATE_", "LOG_"]
            .iter()
            .any(|ours| name.starts_with(ours))
    });
    let quiet = flags
        .log_level
        .as_deref()
        .or(sources.environment.get("LOG_LEVEL").map(String::as_str));
    let quiet = quiet.unwrap_or("warn").to_owned();
    let sources = sources
        .with_flag("KASM_API_URL", Some(emulator.url()))
        .with_flag("KASM_API_KEY", Some(key))
        .with_flag("KASM_API_SECRET", Some(secret))
        .with_flag("KASM_USER_ID", Some(emulator.user_id()))
        .with_flag("MCP_SERVER_HOST", Some(address.ip()))
        .with_flag("MCP_SERVER_PORT", Some(address.port()))
        .with_flag("MCP_AUTH_TOKEN", Some(token::bearer()?))
        // Nothing of a demo is kept, and nothing that a server keeps is for it.
        .with_flag("MCP_STATE_DIR", Some(""))
        .with_flag("LOG_LEVEL", Some(quiet));
    Ok(Config::load(&sources)?)
}

fn facts(emulator: &Emulator, url: &str, token: &str) -> String {
    let (api_key, api_key_secret) = emulator.key();
    let facts = json!({
        "url": url, "token": token, "kasm_url": emulator.url(),
        "api_key": api_key, "api_key_secret": api_key_secret, "user_id": emulator.user_id(),
    });
    format!("{facts}\n")
}

/// What the demo shows; `kasm-mcp connect` has the others.
const SHOWN: [&str; 5] = ["cline", "claude-code", "cursor", "vs-code", "curl"];

fn welcome(url: &str, token: &str) -> anyhow::Result<String> {
    let values = Values::new(url.parse()?, token, "kasm-mcp")?;
    let mut text = format!(
        "kasm-mcp demo: an MCP server in front of an emulated Kasm. The emulator is not a Kasm: sessions\n\
         are made up, and all of them are gone when you stop this with ctrl-c.\n\n  \
         URL    {url}\n  Token  {token}   (new for each run)\n\n\
         Connect a client with one of these:\n"
    );
    for client in SHOWN.iter().filter_map(|id| clients::find(id)) {
        let _infallible = write!(
            text,
            "\n# {} ({})\n{}",
            client.name,
            client.place,
            client.fill(&values)
        );
    }
    text.push_str(
        "\n`kasm-mcp connect` knows more clients.\n\n\
         Then ask: \"Which Kasm workspaces are there? Start one, run `uname -a` in it, and show me its screen.\"\n",
    );
    Ok(text)
}
