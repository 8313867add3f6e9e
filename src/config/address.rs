//! The address to listen on.

use std::net::{IpAddr, SocketAddr};

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use super::variable::{Variable, with_default};

/// The settings of this file, in the order of the documents.
pub(super) const VARIABLES: &[Variable] = &[
    with_default(
        "MCP_SERVER_HOST",
        "0.0.0.0",
        "The address to listen on. With 127.0.0.1, only this machine can connect.",
    ),
    with_default("MCP_SERVER_PORT", "8080", "The port to listen on."),
];

/// The address to listen on, even if other settings are invalid.
pub(super) fn read_listen(sources: &SettingsSources) -> Result<SocketAddr, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // Unreadable secrets do not matter here.
    reader.mistakes.clear();
    match read_address(&mut reader) {
        Some(listen) if reader.mistakes.is_empty() => Ok(listen),
        _ => Err(SettingMistakes(reader.mistakes)),
    }
}

pub(super) fn read_address(reader: &mut SettingsReader) -> Option<SocketAddr> {
    let host = reader.text_value("MCP_SERVER_HOST");
    // The setting is an IP address, but `localhost` is often written.
    let host = host.map(|host| host.replace("localhost", "127.0.0.1"));
    let ip = reader.parsed_value::<IpAddr>(
        "MCP_SERVER_HOST",
        host,
        "give an IP address, such as 127.0.0.1 or 0.0.0.0",
    );
    let port = reader.number_value("MCP_SERVER_PORT", 0, 65_535);
    Some(SocketAddr::new(ip?, u16::try_from(port).unwrap_or(0)))
}
