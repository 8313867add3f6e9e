//! What a client has to know of the server of these settings.

use std::net::SocketAddr;

use secrecy::SecretString;

use super::read;
use super::reader::{Mistakes, Reader};
use super::source::Sources;

/// How to reach a server and be let in.
#[derive(Debug)]
pub struct Reach {
    /// The public URL, if it is set.
    pub public_url: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The token, if there is one that can be read.
    pub token: Option<SecretString>,
}

/// Reads how to reach the server. Other settings may be missing.
///
/// # Errors
/// The mistakes in where it listens.
pub fn reach(sources: &Sources) -> Result<Reach, Mistakes> {
    let mut reader = Reader::new(sources)?;
    // Secrets that cannot be read are asked for.
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
