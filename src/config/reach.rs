//! How a client reaches the configured server.

use std::net::SocketAddr;

use secrecy::SecretString;

use super::read;
use super::reader::{Mistakes, Reader};
use super::source::Sources;

/// URL and token of a server.
#[derive(Debug)]
pub struct Reach {
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
pub fn reach(sources: &Sources) -> Result<Reach, Mistakes> {
    let mut reader = Reader::new(sources)?;
    // An unreadable token counts as unknown.
    reader.mistakes.clear();
    let listen = read::address(&mut reader);
    match listen {
        Some(listen) if reader.mistakes.is_empty() => Ok(Reach {
            public_url: reader.text("MCP_PUBLIC_URL"),
            listen,
            token: reader.text("MCP_AUTH_TOKEN").map(SecretString::from),
        }),
        _ => Err(Mistakes(reader.mistakes)),
    }
}
