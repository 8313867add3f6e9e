//! Links that install the server in a client with one click.
//!
//! Links end up in histories, logs and chats, so they never contain the token: VS Code asks for it, and Cursor
//! reads it from an environment variable. The rest is the configuration for the client's file.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{ClientEntry, TemplateValues};
use crate::percent;

/// The text that Cursor replaces by its environment variable.
const TOKEN_FROM_ENVIRONMENT: &str = "${env:KASM_MCP_TOKEN}";

/// The form of a client's links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFormat {
    /// The whole configuration as JSON, with the inputs to ask for.
    VsCode,
    /// One entry of the configuration, in Base64.
    Cursor,
}

/// One link in two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallLinks {
    /// Opens the client. For a browser or a terminal.
    pub direct: String,
    /// A page of the vendor that opens the client. For documents where only `https` links work.
    pub https: String,
}

impl ClientEntry {
    /// Links that install the server at the URL of `values`, without its token. None if the client has no
    /// links.
    #[must_use]
    pub fn install_links(&self, values: &TemplateValues) -> Option<InstallLinks> {
        let format = self.link?;
        // A link is made from the configuration for the file, so the two cannot differ.
        let filled = self.fill_template(&values.with_token(TOKEN_FROM_ENVIRONMENT));
        let configuration: Value = serde_json::from_str(&filled).ok()?;
        match format {
            LinkFormat::VsCode => vs_code_links(&configuration),
            LinkFormat::Cursor => cursor_links(&configuration),
        }
    }
}

fn vs_code_links(configuration: &Value) -> Option<InstallLinks> {
    let inputs = configuration.get("inputs")?;
    let (name, server) = configuration.get("servers")?.as_object()?.iter().next()?;
    // The link of VS Code is one object: the name, the inputs and the members of the file's entry.
    let mut whole = json!({ "name": name, "inputs": inputs });
    whole.as_object_mut()?.extend(server.as_object()?.clone());
    Some(InstallLinks {
        direct: format!(
            "vscode:mcp/install?{}",
            percent::encode_part(&whole.to_string())
        ),
        https: format!(
            "https://insiders.vscode.dev/redirect/mcp/install?name={}&inputs={}&config={}",
            percent::encode_part(name),
            percent::encode_part(&inputs.to_string()),
            percent::encode_part(&server.to_string()),
        ),
    })
}

fn cursor_links(configuration: &Value) -> Option<InstallLinks> {
    let servers = configuration.get("mcpServers")?.as_object()?;
    let (name, server) = servers.iter().next()?;
    let encoded = BASE64.encode(server.to_string().as_bytes());
    // Base64 has `+`, which means a blank in a query.
    let query = format!(
        "name={}&config={}",
        percent::encode_part(name),
        percent::encode_part(&encoded)
    );
    Some(InstallLinks {
        direct: format!("cursor://anysphere.cursor-deeplink/mcp/install?{query}"),
        https: format!("https://cursor.com/en/install-mcp?{query}"),
    })
}
