//! The path of the audit log.

use std::path::PathBuf;

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use super::state::state_dir;
use super::variable::{Variable, with_default, without_default};
use crate::audit::AuditSettings;

const FILE: &str = "MCP_AUDIT_FILE";
/// The value that turns the audit log off.
const OFF: &str = "off";
/// The name of the log in the state directory.
const FILE_NAME: &str = "audit.jsonl";

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    without_default(
        FILE,
        "/var/log/kasm-mcp/audit.jsonl",
        "The audit log of tool calls (docs/security.md), or `off`. Default: audit.jsonl in MCP_STATE_DIR, if that folder exists.",
    ),
    with_default(
        "MCP_AUDIT_FILE_BYTES",
        "104857600",
        "The size at which a file of the audit log is closed and the next one is started.",
    ),
    with_default(
        "MCP_AUDIT_FILES",
        "0",
        "How many full files of the audit log are kept. 0 keeps all.",
    ),
    with_default(
        "MCP_AUDIT_FAIL_OPEN",
        "false",
        "Run calls that change something even if the audit log cannot be written. Otherwise these calls are refused.",
    ),
];

/// The log of the server: the configured one, or that of the state directory, if there is one.
pub(super) fn audit_settings(reader: &mut SettingsReader) -> Option<AuditSettings> {
    let named = reader.text_value(FILE);
    let file = match named.as_deref() {
        Some(OFF) => None,
        Some(file) => Some(PathBuf::from(file)),
        None => state_dir(reader)
            // The state directory has a default, so one that does not exist means that none is wanted.
            .filter(|directory| directory.is_dir())
            .map(|directory| directory.join(FILE_NAME)),
    };
    let bytes_max = reader.number_value("MCP_AUDIT_FILE_BYTES", 4_096, 1 << 40);
    let keep = usize::try_from(reader.number_value("MCP_AUDIT_FILES", 0, 1_000_000)).unwrap_or(0);
    let fail_open = reader.boolean_value("MCP_AUDIT_FAIL_OPEN");
    Some(AuditSettings {
        file: file?,
        bytes_max,
        keep,
        fail_open,
    })
}

/// The log that `kasm-mcp audit` reads. Other settings may be missing.
///
/// # Errors
/// No setting names it.
pub fn audit_file(sources: &SettingsSources) -> Result<PathBuf, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // Mistakes in settings that this command does not use must not stop it.
    reader.mistakes.clear();
    let named = reader.text_value(FILE).filter(|file| file != OFF);
    let file = named.map(PathBuf::from);
    let file = file.or_else(|| Some(state_dir(&reader)?.join(FILE_NAME)));
    file.ok_or_else(|| {
        let problem = "neither it nor MCP_STATE_DIR is set".to_owned();
        reader.add_mistake(FILE, problem, "name the file as an argument");
        SettingMistakes(reader.mistakes)
    })
}
