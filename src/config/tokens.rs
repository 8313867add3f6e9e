//! The tokens of callers: the one token, and the file of tokens.

use std::io::ErrorKind;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use super::state::state_dir;
use super::variable::{Variable, secret_variable, with_default, without_default};
use crate::access::{TokenFile, TokenFileRules, UnusableTokenFile};
use crate::caller::Grants;
use crate::kasm::UserId;
use crate::providers::REALMS;
use crate::providers::kasm::TOOLSETS;

/// The file of tokens in the state directory.
pub const TOKENS_FILE_NAME: &str = "tokens.toml";
const FILE: &str = "MCP_TOKENS_FILE";
const TOKEN: &str = "MCP_AUTH_TOKEN";
const SCOPE: &str = "MCP_AUTH_SCOPE";
/// Tokens shorter than this can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    secret_variable(
        TOKEN,
        "",
        "The token that clients send as `Authorization: Bearer`. It needs at least 16 characters; 32 random bytes are better. If no credential is set and other machines can connect, the server creates a token and shows it once.",
    ),
    with_default(
        SCOPE,
        "kasm:admin",
        "The scope of MCP_AUTH_TOKEN: kasm:read, kasm:use or kasm:admin. Each scope includes those before it.",
    ),
    without_default(
        FILE,
        "/etc/kasm-mcp/tokens.toml",
        "A file with the tokens of several callers (`kasm-mcp token new`; docs/security.md). The server reads it again when it changes. Default: tokens.toml in MCP_STATE_DIR, if it exists.",
    ),
];

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

/// The one token, if it is set.
pub(super) fn read_token(reader: &mut SettingsReader) -> Option<SecretString> {
    let auth_token = reader.text_value(TOKEN).map(SecretString::from);
    let weak = |token: &SecretString| {
        let token = token.expose_secret();
        token.chars().count() < TOKEN_CHARS_MIN || !token.bytes().all(|b| b.is_ascii_graphic())
    };
    if auth_token.as_ref().is_some_and(weak) {
        reader.add_mistake(
            TOKEN,
            format!("the token has fewer than {TOKEN_CHARS_MIN} characters, or characters that are invalid in a \
                header"),
            "create a random one: openssl rand -hex 32",
        );
    }
    auth_token
}

/// The scopes of the one token, and of callers that need none.
pub(super) fn read_grants(reader: &mut SettingsReader) -> Option<Grants> {
    let text = reader.text_value(SCOPE).unwrap_or_default();
    let grants = Grants::from_names(&text, REALMS);
    grants
        .map_err(|unknown| {
            let problem = format!("`{text}` is not a valid value");
            reader.add_mistake(SCOPE, problem, &unknown.to_string());
        })
        .ok()
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
