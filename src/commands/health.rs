//! `kasm-mcp health`: probes the local server's health endpoint. Container images have no other program for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::{print_text, settings_sources};
use crate::cli;
use crate::config::Config;

/// A healthy server answers within milliseconds; a busy one needs longer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run_health_probe(flags: &cli::SettingsFlags) -> anyhow::Result<ExitCode> {
    let url = format!(
        "http://{}/healthz",
        loopback_address(Config::listen_address(&settings_sources(flags))?)
    );
    // The environment's proxy is meant for Kasm, not for this machine.
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .build()?;
    let answer = http.get(&url).send().await;
    let answer = answer.with_context(|| format!("no answer from {url}"))?;
    anyhow::ensure!(
        answer.status().is_success(),
        "{url} answers {}",
        answer.status()
    );
    print_text("ok\n")?;
    Ok(ExitCode::SUCCESS)
}

/// The loopback URL of a server that listens on `address`.
pub(super) fn loopback_address(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        // A client cannot connect to 0.0.0.0 or :: on every system, but the server listens on loopback too.
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
