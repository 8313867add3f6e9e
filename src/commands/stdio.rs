//! `kasm-mcp stdio`: serves one client on this machine, without a token.

use std::process::ExitCode;

use rmcp::ServiceExt;

use super::{logging, settings_sources, stop};
use crate::app::{self, ReachedBy};
use crate::cli::SettingsFlags;
use crate::config::{Config, SettingMistakes};
use crate::mcp::stdio::StdioTransport;

/// Sets a loopback address: stdio does not listen, so the address must not require a token.
pub(super) fn config(flags: SettingsFlags) -> Result<Config, SettingMistakes> {
    let flags = SettingsFlags {
        host: Some("127.0.0.1".to_owned()),
        ..flags
    };
    Config::load_settings(&settings_sources(&flags))
}

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let logging = logging::start_logging(&config.log)?;
    let stop = stop::stop_signal()?;
    let (server, audit) = app::build_application(&config, ReachedBy::ByStdio)?.into_stdio();
    let service = server
        .serve(StdioTransport::new(tokio::io::stdin(), tokio::io::stdout()))
        .await?;
    let cancel = service.cancellation_token();
    tokio::select! {
        ended = service.waiting() => { ended?; }
        () = stop => cancel.cancel(),
    }
    // Lines may still wait for the writer's thread, which ends with the process.
    if let Some(audit) = audit {
        audit.close().await;
    }
    logging.end().await;
    Ok(ExitCode::SUCCESS)
}
