//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Span;

use crate::caller::{Grants, ToolNamePattern, UnknownScope};
use crate::clients::CLIENTS;
use crate::providers::REALMS;

// The doc comments in this file are the text of `--help` and of the manual pages.
/// A remote MCP server for Kasm Workspaces.
///
/// Settings come from a TOML file, then the environment, then flags; a later one overrides an earlier one.
/// `kasm-mcp settings` lists them. `kasm-mcp demo` needs no settings.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// The command to run. Default: `serve`.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// Settings of the server.
    #[command(flatten)]
    pub settings: SettingsFlags,
}

/// Flags for the settings that are needed most often.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingsFlags {
    /// A TOML file with settings [env: KASM_MCP_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on [env: MCP_SERVER_HOST]
    #[arg(long, value_name = "IP")]
    pub host: Option<String>,
    /// The port to listen on [env: MCP_SERVER_PORT]
    #[arg(long)]
    pub port: Option<u16>,
    /// The log level: error, warn, info, debug or trace [env: LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Serve MCP over HTTP (the default)
    Serve,
    /// Serve MCP over standard input and output, for a client on this machine
    Stdio,
    /// Run an emulated Kasm and a server for it, to try kasm-mcp without Kasm
    #[cfg(feature = "demo")]
    Demo(DemoOptions),
    /// Run only the Kasm emulator
    #[cfg(feature = "demo")]
    Emulate(EmulateOptions),
    /// Run every connectivity check, from the settings through Kasm to the public URL
    ///
    /// Prints one row per check: ok, note (it works, but read this), skip (not checked, and why) or FAIL with a
    /// remedy. Without --start, nothing in Kasm is changed. Exit code 0: no check failed. 1: a check failed.
    /// 64: the settings are invalid.
    Check(CheckOptions),
    /// Probe the health endpoint of the local server. Exit code 0 if it is healthy
    Health,
    /// List the tools
    Tools {
        /// With Markdown: describe all arguments and reply members instead of one line per tool
        #[arg(long)]
        full: bool,
        /// The output format
        #[arg(long, value_enum, default_value_t = ToolsFormat::Text)]
        format: ToolsFormat,
    },
    /// Print the configuration of a client for this server, ready to paste
    ///
    /// Standard output holds only the configuration. Standard error says which file it belongs in and, for some
    /// clients, prints a link that installs it with one click. The link never contains the token. The token
    /// comes from --token-file, KASM_MCP_TOKEN or MCP_AUTH_TOKEN, in this order. It is not an argument because
    /// other users of the machine can read arguments.
    Connect(ConnectOptions),
    /// Print the tools as an OpenAPI document, for ChatGPT Actions and other clients without MCP
    Openapi(OpenApiOptions),
    /// List the settings
    Settings {
        /// The output format
        #[arg(long, value_enum, default_value_t = SettingsFormat::Env)]
        format: SettingsFormat,
    },
    /// Create, list and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Verify or show the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Test commands against the command policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the manual page, or write the pages of all commands to a folder
    Man {
        /// The folder to write the pages to
        directory: Option<PathBuf>,
    },
    /// Print the completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Verify or show the audit log.
///
/// The log is the file that MCP_AUDIT_FILE names, or `audit.jsonl` in MCP_STATE_DIR.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify that no line was changed, removed, moved or cut off. Exit code 1 if one was
    Verify {
        /// The current file of the log; the full files beside it are read too
        file: Option<PathBuf>,
    },
    /// Show the newest lines
    Tail {
        /// The current file of the log; the full files beside it are read too
        file: Option<PathBuf>,
        /// How many lines
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// The output format
        #[arg(long, value_enum, default_value_t = TailFormat::Text)]
        format: TailFormat,
    },
}

/// How `audit tail` prints lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TailFormat {
    /// For people
    Text,
    /// The JSON lines of the file
    Json,
}

/// Create, list and revoke tokens.
///
/// Tokens are stored in the file that MCP_TOKENS_FILE names, or in `tokens.toml` in MCP_STATE_DIR. A running
/// server applies changes within a second.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token, print it once, and store its hash
    New(NewTokenOptions),
    /// List the tokens, without secrets
    List,
    /// Revoke a token
    Revoke {
        /// The name of the token
        name: String,
    },
}

/// Options of `token new`.
#[derive(Args, Clone, Debug)]
pub struct NewTokenOptions {
    /// The name of the token, for logs and `token revoke`
    #[arg(long)]
    pub name: String,
    /// The scope of the token: kasm:read, kasm:use or kasm:admin
    #[arg(long, default_value = "kasm:use", value_parser = scopes)]
    pub scope: Grants,
    /// The id of the Kasm user whose sessions the token gives access to. Default: KASM_USER_ID
    #[arg(long, value_name = "ID")]
    pub kasm_user: Option<String>,
    /// Whose things the token shares where it has no account. Default: the Kasm user, or the token alone
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Allow only the tools of these toolsets, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub toolsets: Vec<String>,
    /// Allow only tools with these names, separated by commas. `*` stands for any characters: get_*,list_*
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub tools: Vec<ToolNamePattern>,
    /// Allow only tools that change nothing
    #[arg(long)]
    pub read_only: bool,
    /// When the token expires, such as 30d or 12h. Default: never
    #[arg(long, value_name = "TIME")]
    pub expires_in: Option<Span>,
    /// How many requests per minute the token allows
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
}

/// Reads scopes of the realms that this program has.
fn scopes(text: &str) -> Result<Grants, UnknownScope> {
    Grants::from_names(text, REALMS)
}

/// Test commands against the command policy.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show how the policy judges a command, and why
    ///
    /// Exit code 0: allowed. 1: refused, or the rules file is invalid. 2: needs a person's approval. 3:
    /// unprovable, because what it runs is known only at run time.
    Check(PolicyCheckOptions),
}

/// Options of `policy check`.
#[derive(Args, Clone, Debug)]
pub struct PolicyCheckOptions {
    /// The command, as a bash script
    #[arg(allow_hyphen_values = true)]
    pub command: String,
    /// The folder that the command starts in. Default: the home folder
    #[arg(long, value_name = "DIR")]
    pub working_dir: Option<String>,
    /// A file with rules, which are added to the built-in rules
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckOptions {
    /// Start a session of this workspace, test commands, files and the desktop in it, and destroy it
    #[arg(long, value_name = "WORKSPACE")]
    pub start: Option<String>,
    /// A file with a token for this server, used to open an event stream. Default: MCP_AUTH_TOKEN
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print one JSON object: {"ok", "checks": [{"name", "status", "fact", "remedy"}]}
    #[arg(long)]
    pub json: bool,
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// The port for MCP clients, 8080 by default; 0 takes a free port [env: MCP_SERVER_PORT]
    #[arg(long = "port", id = "demo_port", value_name = "PORT")]
    pub port: Option<u16>,
    /// Print one JSON object with addresses and keys instead of instructions
    #[arg(long)]
    pub json: bool,
}

/// Options of `emulate`.
#[derive(Args, Clone, Debug)]
pub struct EmulateOptions {
    /// The address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// Serve TLS with a certificate that is created for this run
    #[arg(long)]
    pub tls: bool,
}

/// Options of `connect`.
#[derive(Args, Clone, Debug)]
pub struct ConnectOptions {
    /// The client. Without it, all clients are listed
    #[arg(value_name = "CLIENT", value_parser = client_ids(), hide_possible_values = true)]
    pub clients: Vec<String>,
    /// The URL at which the client reaches the server. Default: MCP_PUBLIC_URL, else this machine's address
    #[arg(long)]
    pub url: Option<String>,
    /// A file with the token; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The output format
    #[arg(long, value_enum, default_value_t = ConnectFormat::Text)]
    pub format: ConnectFormat,
}

fn client_ids() -> PossibleValuesParser {
    PossibleValuesParser::new(CLIENTS.iter().map(|client| PossibleValue::new(client.id)))
}

/// How `connect` prints configurations.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ConnectFormat {
    /// The configuration file of one client
    Text,
    /// Sections for a document, of the named clients or of all, without a token
    Markdown,
}

/// Options of `openapi`.
#[derive(Args, Clone, Debug)]
pub struct OpenApiOptions {
    /// The URL at which clients reach the server. Default: MCP_PUBLIC_URL
    #[arg(long)]
    pub url: Option<String>,
    /// The scope of the token that clients will use: kasm:read, kasm:use or kasm:admin
    #[arg(long, default_value = "kasm:use", value_parser = scopes)]
    pub scope: Grants,
}

/// How `tools` prints the list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ToolsFormat {
    /// One line per tool
    Text,
    /// All data, with schemas
    Json,
    /// The table of the README
    Markdown,
}

/// How `settings` prints the list.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SettingsFormat {
    /// An environment file to edit
    Env,
    /// The table of the README
    Markdown,
}
