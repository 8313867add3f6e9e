//! `kasm-mcp check`: the settings, then Kasm, step by step, with a remedy for what fails.

use std::process::ExitCode;

use super::{print, sources};
use crate::app;
use crate::cli;
use crate::config::Config;
use crate::kasm::{Kasm, KasmError, UserId};
use crate::tool::ToolError;

pub(super) async fn run(flags: &cli::Settings) -> anyhow::Result<ExitCode> {
    let config = Config::load(&sources(flags))?;
    print("ok    settings\n")?;
    for notice in &config.notices {
        print(&format!("note  {notice}\n"))?;
    }
    let kasm = app::kasm(&config)?;
    let mut sound = report(
        "Kasm answers",
        kasm.wire()
            .health()
            .await
            .map(|()| config.kasm.url.to_string()),
    )?;
    if sound {
        sound &= report("API key: workspaces", workspaces(&kasm).await)?;
        sound &= report("API key: sessions", sessions(&kasm, &config).await)?;
    }
    print(if sound {
        "\nAll is well.\n"
    } else {
        "\nSome of it does not work yet.\n"
    })?;
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn workspaces(kasm: &Kasm) -> Result<String, KasmError> {
    let images = kasm.images().await?;
    let usable = images
        .iter()
        .filter(|image| image.enabled && image.available)
        .count();
    Ok(format!("{usable} of {} can be started", images.len()))
}

async fn sessions(kasm: &Kasm, config: &Config) -> Result<String, KasmError> {
    let user: UserId = config
        .kasm_user
        .parse()
        .map_err(|_| KasmError::NotFound { what: "user" })?;
    let sessions = kasm.sessions_of(user).await?;
    Ok(format!("{} of user {user}", sessions.len()))
}

fn report(step: &str, result: Result<String, KasmError>) -> std::io::Result<bool> {
    match result {
        Ok(fact) => {
            print(&format!("ok    {step}: {fact}\n"))?;
            Ok(true)
        }
        Err(error) => {
            let error = ToolError::from(error);
            print(&format!(
                "FAIL  {step}: {}\n      -> {}\n",
                error.message, error.hint
            ))?;
            Ok(false)
        }
    }
}
