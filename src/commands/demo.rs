//! `kasm-mcp demo`: runs emulator and server, and prints how to connect.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context as _;
use kasm_emulator::Emulator;
use secrecy::ExposeSecret;
use serde_json::json;

use super::emulate::{START_TIME, warn_if_unconfined};
use super::health::loopback_address;
use super::serve::bind;
use super::{logging, print_text, stop};
use crate::app::{self, ReachedBy};
use crate::cli;
use crate::clients::{self, TemplateValues};
use crate::config::{Config, SettingsSources, all_variables};
use crate::http::serve::serve_http;
use crate::token;

pub(super) async fn run_demo(
    options: &cli::DemoOptions,
    flags: &cli::SettingsFlags,
) -> anyhow::Result<ExitCode> {
    // Installed before the start: an early Ctrl-C then ends the emulated sessions in order.
    let stop = stop::stop_signal()?;
    let settings = DemoSettings::from_options(
        options,
        flags,
        SettingsSources::of_process(flags.config.clone()),
    )?;
    let emulator = Emulator::builder().start_time(START_TIME).start().await?;
    // Port 0 gets its number here, and the configuration names the port.
    let listener = bind(settings.listen).await?;
    let address = listener.local_addr()?;
    let config = demo_config(&emulator, address, &settings)?;
    let logging = logging::start_logging(&config.log)?;
    let app = app::build_application(&config, ReachedBy::ByHttp)?.into_http()?;
    let url = format!("http://{}/mcp", loopback_address(address));
    let token = config
        .http
        .auth_token
        .as_ref()
        .map_or("", |token| token.expose_secret());
    warn_if_unconfined();
    print_text(&if options.json {
        facts_text(&emulator, &url, token)
    } else {
        welcome_text(&url, token)?
    })?;
    serve_http(listener, app, app::serve_limits(&config.limits), stop).await;
    emulator.shutdown().await;
    logging.end().await;
    Ok(ExitCode::SUCCESS)
}

/// The settings that the demo uses, from flags and the environment.
#[derive(Debug)]
struct DemoSettings {
    listen: SocketAddr,
    log_level: String,
    environment: HashMap<String, String>,
}

/// Settings that the demo uses, by prefix of their names.
const OBEYED: [&str; 3] = ["MCP_MAX_", "MCP_RATE_", "LOG_"];
const HOST: &str = "MCP_SERVER_HOST";
const PORT: &str = "MCP_SERVER_PORT";
const DEFAULT_PORT: u16 = 8080;

impl DemoSettings {
    /// Reads the settings. Prints to standard error which others of the environment have no effect here.
    fn from_options(
        options: &cli::DemoOptions,
        flags: &cli::SettingsFlags,
        sources: SettingsSources,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            flags.config.is_none(),
            "the demo has its own settings: omit --config, or use `serve` with it"
        );
        let variable = |name: &str| {
            let value = sources.environment.get(name);
            value
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        // Loopback by default. A container needs another address, because clients reach it from outside.
        let host = match flags.host.as_deref().or(variable(HOST)) {
            None => Ipv4Addr::LOCALHOST.into(),
            Some(host) => host.parse::<IpAddr>().with_context(|| {
                format!("{host}, from --host or {HOST}, is not an IP address; use an address such as 0.0.0.0")
            })?,
        };
        let port = match (options.port.or(flags.port), variable(PORT)) {
            (Some(port), _) => port,
            (None, None) => DEFAULT_PORT,
            (None, Some(port)) => port.parse().with_context(|| {
                format!("{port}, from {PORT}, is not a port; use a number from 0 to 65535")
            })?,
        };
        let log_level = flags.log_level.as_deref().or(variable("LOG_LEVEL"));
        let log_level = log_level.unwrap_or("warn").to_owned();
        let mut environment = sources.environment;
        warn_of_ignored(&environment);
        // Settings of a real server in the environment, such as its Kasm, must not reach the demo.
        environment.retain(|name, _| is_obeyed(name));
        Ok(Self {
            listen: SocketAddr::new(host, port),
            log_level,
            environment,
        })
    }
}

fn is_obeyed(name: &str) -> bool {
    OBEYED.iter().any(|start| name.starts_with(start))
}

fn warn_of_ignored(environment: &HashMap<String, String>) {
    let ignored = all_variables()
        .map(|variable| variable.name)
        .filter(|name| {
            let is_set = environment
                .get(*name)
                .is_some_and(|value| !value.is_empty());
            is_set && !is_obeyed(name) && ![HOST, PORT].contains(name)
        });
    let ignored: Vec<_> = ignored.collect();
    if !ignored.is_empty() {
        // A closed standard error must not fail the demo.
        let _closed = writeln!(
            std::io::stderr(),
            "kasm-mcp demo: these settings have no effect in the demo: {}",
            ignored.join(", ")
        );
    }
}

/// The configuration of the demo.
fn demo_config(
    emulator: &Emulator,
    address: SocketAddr,
    settings: &DemoSettings,
) -> anyhow::Result<Config> {
    let (key, secret) = emulator.key();
    let sources = SettingsSources {
        environment: settings.environment.clone(),
        ..SettingsSources::default()
    };
    let sources = sources
        .with_flag("KASM_API_URL", Some(emulator.url()))
        .with_flag("KASM_API_KEY", Some(key))
        .with_flag("KASM_API_SECRET", Some(secret))
        .with_flag("KASM_USER_ID", Some(emulator.user_id()))
        .with_flag("MCP_SERVER_HOST", Some(address.ip()))
        .with_flag("MCP_SERVER_PORT", Some(address.port()))
        .with_flag("MCP_AUTH_TOKEN", Some(token::bearer_token()))
        // The demo keeps no state and uses none of a server's.
        .with_flag("MCP_STATE_DIR", Some(""))
        .with_flag("LOG_LEVEL", Some(&settings.log_level));
    Ok(Config::load_settings(&sources)?)
}

fn facts_text(emulator: &Emulator, url: &str, token: &str) -> String {
    let (api_key, api_key_secret) = emulator.key();
    let facts = json!({
        "url": url, "token": token, "kasm_url": emulator.url(),
        "api_key": api_key, "api_key_secret": api_key_secret, "user_id": emulator.user_id(),
    });
    format!("{facts}\n")
}

/// The clients that the demo prints; `kasm-mcp connect` lists all.
const SHOWN: [&str; 5] = ["cline", "claude-code", "cursor", "vs-code", "curl"];

fn welcome_text(url: &str, token: &str) -> anyhow::Result<String> {
    let values = TemplateValues::new(url.parse()?, token, "kasm-mcp")?;
    let mut text = format!(
        "kasm-mcp demo: an MCP server with an emulated Kasm. The emulator only simulates Kasm. All sessions\nend \
         when you stop the demo with Ctrl-C.\n\n  URL    {url}\n  Token  {token}   (new for each run)\n\nConnect a \
         client with one of these:\n"
    );
    for client in SHOWN.iter().filter_map(|id| clients::find_client(id)) {
        let _infallible = write!(
            text,
            "\n# {} ({})\n{}",
            client.name,
            client.place,
            client.fill_template(&values)
        );
    }
    text.push_str(
        "\n`kasm-mcp connect` lists more clients.\n\nThen ask: \"Which Kasm workspaces are there? Start one, run \
         `uname -a` in it, and show me its screen.\"\n",
    );
    Ok(text)
}
