//! How a client reaches the configured server.

use std::net::SocketAddr;

use secrecy::SecretString;

use super::address;
use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;

/// URL and token of a server.
#[derive(Debug)]
pub struct ClientEndpoint {
    /// The public URL, if it is set.
    pub public_url: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The token, if it is known.
    pub token: Option<SecretString>,
}

/// Reads URL and token of the server. Other settings may be missing.
///
/// # Errors
/// The errors in the address to listen on.
pub fn client_endpoint(sources: &SettingsSources) -> Result<ClientEndpoint, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // An unreadable token counts as unknown.
    reader.mistakes.clear();
    let listen = address::read_address(&mut reader);
    match listen {
        Some(listen) if reader.mistakes.is_empty() => Ok(ClientEndpoint {
            public_url: reader.text_value("MCP_PUBLIC_URL"),
            listen,
            // Of the tokens in a file only hashes are known, so no other token can be given out.
            token: reader.text_value("MCP_AUTH_TOKEN").map(SecretString::from),
        }),
        _ => Err(SettingMistakes(reader.mistakes)),
    }
}
