//! A server that others can reach needs a credential. If it has none, it makes one.

use std::io::Write as _;

use anyhow::Context as _;

use crate::access::edit;
use crate::access::entry::Entry;
use crate::caller::Reach;
use crate::config::{Config, Mistake, Mistakes, TOKENS_FILE_NAME, token_rules};
use crate::token::{self, Hash};

/// The name of the token that a server makes for itself.
const NAME: &str = "first";

/// The same configuration with a credential: the one that it has, or a token made for this occasion, whose
/// hash is kept in the state directory, and which is shown here and never again.
///
/// # Errors
/// The token cannot be kept. It would be another one after each restart then, so there is none.
pub(super) fn ensured(mut config: Config) -> anyhow::Result<Config> {
    if !config.http.lacks_credential() {
        return Ok(config);
    }
    let token = token::bearer();
    let entry = Entry {
        name: NAME.to_owned(),
        hash: Hash::of(&token),
        scope: config.http.auth_scope,
        kasm_user: None,
        reach: Reach::default(),
        expires: None,
        rate: None,
    };
    let ip = config.http.listen.ip();
    let refuse = |why: String| {
        Mistakes(vec![Mistake {
            variable: "MCP_AUTH_TOKEN".to_owned(),
            problem: format!("not set, {ip} can be reached from other machines, and no token can be made: {why}"),
            remedy: "set a token (openssl rand -hex 32), or MCP_STATE_DIR to a directory that this server may write, or \
                     MCP_SERVER_HOST=127.0.0.1 to serve this machine only"
                .to_owned(),
        }])
    };
    let Some(folder) = &config.state_dir else {
        return Err(refuse("MCP_STATE_DIR is not set".to_owned()).into());
    };
    let file = folder.join(TOKENS_FILE_NAME);
    std::fs::create_dir_all(folder)
        .map_err(|error| refuse(format!("{}: {error}", folder.display())))?;
    edit::add(&file, &entry, &token_rules(&config.kasm_user))
        .map_err(|error| refuse(format!("{}: {error}", file.display())))?;
    writeln!(
        std::io::stderr(),
        "kasm-mcp: no token was set, so one was made. It is shown this once; {} has its hash:\n\n    {token}\n\n\
         `kasm-mcp token new` makes others, `kasm-mcp token revoke {NAME}` ends this one.",
        file.display()
    )
    .context("the new token cannot be shown")?;
    config.http.tokens_file = Some(file);
    Ok(config)
}
