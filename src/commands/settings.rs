//! `kasm-mcp settings`: prints the table of settings as an environment file or as Markdown.

use std::process::ExitCode;

use super::print_text;
use crate::cli::SettingsFormat;
use crate::config::VariableTable;

pub(super) fn print_settings(format: SettingsFormat) -> anyhow::Result<ExitCode> {
    print_text(&match format {
        SettingsFormat::Env => VariableTable.env_example(),
        SettingsFormat::Markdown => VariableTable.markdown(),
    })?;
    Ok(ExitCode::SUCCESS)
}
