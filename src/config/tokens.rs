//! The path of the tokens file, and the valid values of its entries.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use crate::access::{TokenFile, TokenFileRules, UnusableTokenFile};
use crate::kasm::UserId;
use crate::providers::REALMS;
use crate::providers::kasm::TOOLSETS;

/// The file of tokens in the state directory.
pub const TOKENS_FILE_NAME: &str = "tokens.toml";
const FILE: &str = "MCP_TOKENS_FILE";
const STATE_DIR: &str = "MCP_STATE_DIR";

/// The valid values of an entry; `kasm_user` is the default.
#[must_use]
pub fn token_rules(kasm_user: Option<&str>) -> TokenFileRules {
    TokenFileRules {
        toolsets: TOOLSETS.iter().map(|toolset| toolset.name).collect(),
        realms: REALMS,
        kasm_user: kasm_user.map(str::to_owned),
        user_id: |text| Some(text.parse::<UserId>().ok()?.to_string()),
    }
}

/// The file that `kasm-mcp token` edits, whether it exists or not. Other settings may be missing.
///
/// # Errors
/// No setting names it.
pub fn tokens_file(sources: &SettingsSources) -> Result<PathBuf, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // A token can be created before the other settings are complete.
    reader.mistakes.clear();
    let named = reader.text_value(FILE).map(PathBuf::from);
    let file = named.or_else(|| Some(state_dir(&reader)?.join(TOKENS_FILE_NAME)));
    file.ok_or_else(|| {
        let problem = "neither it nor MCP_STATE_DIR is set".to_owned();
        reader.add_mistake(FILE, problem, "name the tokens file");
        SettingMistakes(reader.mistakes)
    })
}

pub(super) fn state_dir(reader: &SettingsReader) -> Option<PathBuf> {
    reader.text_value(STATE_DIR).map(PathBuf::from)
}

/// The tokens file of the server: the configured one, or that of the state directory, if it exists and this
/// server may read it.
pub(super) fn checked_tokens_file(
    reader: &mut SettingsReader,
    kasm_user: Option<&str>,
) -> Option<PathBuf> {
    let named = reader.text_value(FILE).map(PathBuf::from);
    let is_named = named.is_some();
    let file = named.or_else(|| Some(state_dir(reader)?.join(TOKENS_FILE_NAME)))?;
    // The file is opened only to report its errors with those of the settings; the server opens it again.
    match TokenFile::open(file.clone(), token_rules(kasm_user)) {
        Ok(_) => Some(file),
        // The default file is optional: it may not exist, or belong to another user's server.
        Err(UnusableTokenFile::Io(error))
            if !is_named
                && matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory
                ) =>
        {
            None
        }
        Err(UnusableTokenFile::Io(error)) => {
            let problem = format!("{} cannot be read: {error}", file.display());
            let remedy = "name a readable file; `kasm-mcp token new` creates one";
            reader.add_mistake(FILE, problem, remedy);
            None
        }
        Err(UnusableTokenFile::Wrong(faults)) => {
            for fault in faults {
                let problem = format!("{}: {fault}", file.display());
                reader.add_mistake(FILE, problem, "correct or remove the entry");
            }
            None
        }
    }
}
