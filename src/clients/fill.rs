//! Fills templates in. Values are checked and then escaped for their place, so no URL and no token can become
//! part of a shell command or a program.

use reqwest::Url;

use super::{ClientEntry, TemplateFormat};

/// Prefixes of paths that filter the tools.
const NARROWER: [&str; 2] = ["/mcp/x/", "/mcp/readonly"];

/// The URL at which a client reaches the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// The URL of the server, without our own path and without a trailing slash.
    base: String,
    /// `/mcp`, or a path below it that filters the tools.
    path: String,
}

/// Not an address that a client could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give an http or https URL without a user, a query or a fragment, such as https://mcp.example.org"
)]
pub struct WrongAddress;

/// Not a token that a client could send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty, or has spaces or characters that are invalid in a header")]
pub struct WrongToken;

impl std::str::FromStr for ServerAddress {
    type Err = WrongAddress;

    /// Accepts the URL with and without `/mcp`, and with a path that filters the tools, such as
    /// `/mcp/readonly`.
    fn from_str(text: &str) -> Result<Self, WrongAddress> {
        let url: Url = text.trim().parse().map_err(|_| WrongAddress)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(WrongAddress);
        }
        let all = url.as_str().trim_end_matches('/');
        // The last occurrence, because the path of the server itself may contain such a part.
        let narrowed = NARROWER.iter().find_map(|path| all.rfind(path));
        let (base, path) = narrowed.map_or_else(
            || (all.strip_suffix("/mcp").unwrap_or(all), "/mcp"),
            |at| all.split_at(at),
        );
        Ok(Self {
            base: base.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl ServerAddress {
    /// The URL of MCP.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    /// Whether the URL filters the tools.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.path != "/mcp"
    }

    /// The URL of HTTP+SSE. It also works at the URL of MCP; a filtered URL has no other.
    fn sse_url(&self) -> String {
        if self.is_narrowed() {
            self.mcp_url()
        } else {
            format!("{}/sse", self.base)
        }
    }
}

/// The values that differ between servers.
#[derive(Clone, Debug)]
pub struct TemplateValues {
    address: ServerAddress,
    token: String,
    program: String,
}

impl TemplateValues {
    /// Values for a server at `address` with `token`; `program` is this binary on the machine of the client.
    ///
    /// # Errors
    /// No client could send the token.
    pub fn new(address: ServerAddress, token: &str, program: &str) -> Result<Self, WrongToken> {
        // Visible ASCII only: a line break would end the header in which the token is sent.
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(WrongToken);
        }
        Ok(Self {
            address,
            token: token.to_owned(),
            program: program.to_owned(),
        })
    }

    /// Replaces the token by another text.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Whether the URL filters the tools.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.address.is_narrowed()
    }

    fn value_of(&self, name: &str) -> Option<String> {
        Some(match name {
            "url" => self.address.mcp_url(),
            "sse" => self.address.sse_url(),
            // HTTP+SSE at the root is that of `/mcp`; a narrowed address has its own.
            "base" if self.address.is_narrowed() => self.address.mcp_url(),
            "base" => self.address.base.clone(),
            "token" => self.token.clone(),
            "program" => self.program.clone(),
            _ => return None,
        })
    }
}

impl ClientEntry {
    /// Whether filtering by path is impossible for this client, because it does not use MCP.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        // Such a template adds its own paths to the URL of the server, and a path that filters tools has none
        // below it.
        self.template.contains("{{base}}/")
    }

    /// Whether its configuration contains the token.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.template.contains("{{token}}")
    }

    /// Its configuration, with a trailing line break.
    #[must_use]
    pub fn fill_template(&self, values: &TemplateValues) -> String {
        let mut out = String::new();
        let mut rest = self.template;
        // In one pass, so that inserted values are not expanded again.
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
            out.push_str(before);
            if let Some(value) = values.value_of(name) {
                out.push_str(&escape_for(&value, self.format));
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

/// `value`, escaped for the quotes of the template: double quotes, or single ones in a shell.
fn escape_for(value: &str, format: TemplateFormat) -> String {
    match format {
        // What JSON escapes, the three others escape alike.
        TemplateFormat::Json
        | TemplateFormat::Toml
        | TemplateFormat::Yaml
        | TemplateFormat::Python => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        // Templates quote with `'`: this ends the string, adds a quote and begins the string again.
        TemplateFormat::Shell => value.replace('\'', r"'\''"),
        TemplateFormat::Text => value.to_owned(),
    }
}
