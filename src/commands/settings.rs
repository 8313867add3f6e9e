//! `kasm-mcp settings`: prints the table of settings as an environment file or as Markdown.

use std::process::ExitCode;

use super::print;
use crate::cli::SettingsFormat;
use crate::config::Variables;

pub(super) fn run(format: SettingsFormat) -> anyhow::Result<ExitCode> {
    print(&match format {
        SettingsFormat::Env => Variables.env_example(),
        SettingsFormat::Markdown => Variables.markdown(),
    })?;
    Ok(ExitCode::SUCCESS)
}
