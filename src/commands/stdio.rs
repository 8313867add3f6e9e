//! `kasm-mcp stdio`: serves one client on this machine, without a token.

use std::process::ExitCode;
use std::sync::Arc;

use rmcp::ServiceExt;

use super::{logging, sources, stop};
use crate::app;
use crate::cli::Settings;
use crate::config::{Config, Mistakes};
use crate::mcp::McpServer;
use crate::mcp::consent::Consent;
use crate::mcp::stdio::StdioTransport;
use crate::providers::kasm::KasmProvider;

/// Sets a loopback address: stdio does not listen, so the address must not require a token.
pub(super) fn config(flags: Settings) -> Result<Config, Mistakes> {
    let flags = Settings {
        host: Some("127.0.0.1".to_owned()),
        ..flags
    };
    Config::load(&sources(&flags))
}

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let logging = logging::start(&config.log)?;
    let stop = stop::signal()?;
    // Stdio has no HTTP endpoint, so there is no relay and there are no links.
    let kasm = app::kasm(&config)?;
    let leases = app::leases(&config, &kasm);
    let provider = KasmProvider::new(kasm, None, None, leases, config.tools.clone());
    let audit = app::audit(&config)?;
    let registry = app::registry(&Arc::new(provider), &config, audit.clone());
    let server = McpServer::new(Arc::new(registry))
        .with_consent(Consent::new(config.limits.confirm_timeout))
        .for_local(app::caller(&config, true));
    let service = server
        .serve(StdioTransport::new(tokio::io::stdin(), tokio::io::stdout()))
        .await?;
    let cancel = service.cancellation_token();
    tokio::select! {
        ended = service.waiting() => { ended?; }
        () = stop => cancel.cancel(),
    }
    if let Some(audit) = audit {
        audit.close().await;
    }
    logging.end().await;
    Ok(ExitCode::SUCCESS)
}
