//! `kasm-mcp health`: whether the server of these settings answers. Images have no other program that
//! could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::{print, sources};
use crate::cli;
use crate::config::Config;

/// A server that is well answers within milliseconds; a busy one may take a while.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(flags: &cli::Settings) -> anyhow::Result<ExitCode> {
    let url = format!(
        "http://{}/healthz",
        nearest(Config::listen(&sources(flags))?)
    );
    // A proxy of the environment is for Kasm, not for this machine.
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
    print("ok\n")?;
    Ok(ExitCode::SUCCESS)
}

/// Where a server that listens on `address` can be reached from its own machine.
pub(super) fn nearest(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
