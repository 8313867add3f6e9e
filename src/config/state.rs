//! The folder for data that must survive a restart.

use std::path::PathBuf;

use super::reader::SettingsReader;
use super::variable::{Variable, with_default};

const STATE_DIR: &str = "MCP_STATE_DIR";

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[with_default(
    STATE_DIR,
    "/var/lib/kasm-mcp",
    "A folder for data that must survive a restart: leases of sessions, tokens, and the audit log. It is used if it exists. Each server needs its own.",
)];

pub(super) fn state_dir(reader: &SettingsReader) -> Option<PathBuf> {
    reader.text_value(STATE_DIR).map(PathBuf::from)
}
