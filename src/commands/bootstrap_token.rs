//! The bootstrap token: created if other machines can reach the server and no credential is set.

use std::io::Write as _;

use anyhow::Context as _;

use crate::access::edit;
use crate::access::entry::TokenEntry;
use crate::caller::ToolFilter;
use crate::config::{Config, SettingMistake, SettingMistakes, TOKENS_FILE_NAME, token_rules};
use crate::token::{self, TokenHash};

/// The name of the bootstrap token.
const NAME: &str = "first";

/// Returns the configuration with a credential. If it has none, creates a token, stores its hash in the state
/// directory, and prints the token once.
///
/// # Errors
/// The token's hash cannot be stored. A token that changes at each restart would be of no use, so none is
/// created.
pub(super) fn with_bootstrap_token(mut config: Config) -> anyhow::Result<Config> {
    if !config.http.lacks_credential() {
        return Ok(config);
    }
    let token = token::bearer_token();
    let entry = TokenEntry {
        name: NAME.to_owned(),
        hash: TokenHash::of_token(&token),
        grants: config.http.auth_grants.clone(),
        kasm_user: None,
        tenant: None,
        reach: ToolFilter::default(),
        expires: None,
        rate: None,
    };
    let ip = config.http.listen.ip();
    let refuse = |why: String| {
        SettingMistakes(vec![SettingMistake {
            variable: "MCP_AUTH_TOKEN".to_owned(),
            problem: format!("not set, but other machines can reach {ip}, and no token could be created: {why}"),
            remedy: "set a token (openssl rand -hex 32), set MCP_STATE_DIR to a folder that this server may write, \
                or set MCP_SERVER_HOST=127.0.0.1 to serve this machine only"
                .to_owned(),
        }])
    };
    let Some(folder) = &config.state_dir else {
        return Err(refuse("MCP_STATE_DIR is not set".to_owned()).into());
    };
    let file = folder.join(TOKENS_FILE_NAME);
    // The hash is stored before the token is shown: a token that was shown must work.
    std::fs::create_dir_all(folder)
        .map_err(|error| refuse(format!("{}: {error}", folder.display())))?;
    edit::add_entry(&file, &entry, &token_rules(config.usual_kasm_user()))
        .map_err(|error| refuse(format!("{}: {error}", file.display())))?;
    writeln!(
        std::io::stderr(),
        "kasm-mcp: no token was set, so one was created. It is shown only now; {} stores its hash:\n\n    \
         {token}\n\n`kasm-mcp token new` creates more tokens, `kasm-mcp token revoke {NAME}` revokes this one.",
        file.display()
    )
    .context("cannot print the new token")?;
    config.http.tokens_file = Some(file);
    Ok(config)
}
