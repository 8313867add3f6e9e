//! How each client connects: one list, for `connect`, the demo and the documents.
//!
//! A new client is an entry here and a file in `clients/templates`. Facts are from the documents and sources
//! of the clients, as of November 2026.

pub mod fill;
mod link;
mod list;

pub use fill::{Address, Values, WrongAddress, WrongToken};
pub use link::{InstallLinks, LinkFormat};
pub use list::CLIENTS;

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its name on the command line.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Where its configuration goes.
    pub place: &'static str,
    /// How the configuration is written.
    pub format: Format,
    /// The configuration, with `{{url}}` and the like for what differs from server to server.
    template: &'static str,
    /// What about it is not as one would think.
    pub note: &'static str,
    /// How it takes a link that installs the server, if it does.
    pub link: Option<LinkFormat>,
    /// What was done with the very text that is printed.
    pub tested: Tested,
}

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// A line for a POSIX shell.
    Shell,
    /// A Python program.
    Python,
    /// What somebody types into a form.
    Text,
}

impl Format {
    /// Its name in Markdown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Shell => "sh",
            Self::Python => "python",
            Self::Text => "text",
        }
    }
}

/// What the tests do with a configuration as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// The program that is named has connected with it, and used the tools.
    Run(&'static str),
    /// It was read as its format, and its address answers. Why nothing more.
    Parsed(&'static str),
}

/// The client of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}
