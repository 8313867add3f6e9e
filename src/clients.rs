//! How each client connects: one list for `connect`, the demo and the documents.
//!
//! A new client is an entry here and a file in `clients/templates`. Facts are from the documents and sources
//! of the clients, as of November 2026.

pub mod fill;
mod link;
mod list;

pub use fill::{ServerAddress, TemplateValues, WrongAddress, WrongToken};
pub use link::{InstallLinks, LinkFormat};
pub use list::CLIENTS;

/// One client.
#[derive(Clone, Copy, Debug)]
pub struct ClientEntry {
    /// Its id on the command line.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The file or form for its configuration.
    pub place: &'static str,
    /// The format of the configuration.
    pub format: TemplateFormat,
    /// The configuration, with `{{url}}` and the like for values that differ between servers.
    template: &'static str,
    /// Notes on unexpected behaviour.
    pub note: &'static str,
    /// The form of its install links, if it has them.
    pub link: Option<LinkFormat>,
    /// How the printed configuration was tested.
    pub tested: TestedWith,
}

/// The format of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateFormat {
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
    /// Values that a person enters into a form.
    Text,
}

impl TemplateFormat {
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

/// How tests use a configuration as it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestedWith {
    /// The named program connected with it and used the tools.
    Run(&'static str),
    /// It was parsed, and its URL answers. Why it was not run.
    Parsed(&'static str),
}

/// The client of that id.
#[must_use]
pub fn find_client(id: &str) -> Option<&'static ClientEntry> {
    CLIENTS.iter().find(|client| client.id == id)
}
