//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Span;

use crate::caller::Scope;
use crate::clients::CLIENTS;

/// A remote MCP server for Kasm Workspaces.
///
/// Settings come from a TOML file, the environment and flags, each over the one before;
/// `kasm-mcp settings` lists them. `kasm-mcp demo` needs none.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of the server.
    #[command(flatten)]
    pub settings: Settings,
}

/// Flags that set what is also in the environment.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// A TOML file with settings [env: KASM_MCP_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on [env: MCP_SERVER_HOST]
    #[arg(long, value_name = "IP")]
    pub host: Option<String>,
    /// The port to listen on [env: MCP_SERVER_PORT]
    #[arg(long)]
    pub port: Option<u16>,
    /// error, warn, info, debug or trace [env: LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP over HTTP (the default)
    Serve,
    /// Serve MCP over standard input and output, for a client on this machine
    Stdio,
    /// Try it without a Kasm server: an emulator and a server on this machine
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// Run the Kasm emulator alone
    #[cfg(feature = "demo")]
    Emulate(Emulate),
    /// Check the whole chain, from the settings over Kasm to the URL that clients use
    ///
    /// One row for each link: ok, note (it works, and there is something to know), skip (it was not tried, and
    /// why) or FAIL with what to do. Without --start nothing is changed in Kasm.
    /// Exit code 0: nothing fails. 1: something does. 64: the settings cannot be read.
    Check(Check),
    /// Ask the server on this machine whether it is well: exit code 0 if it is, for health checks
    Health,
    /// List the tools
    Tools {
        /// With Markdown, all arguments and members of replies instead of a line per tool
        #[arg(long)]
        full: bool,
        /// How to write the list
        #[arg(long, value_enum, default_value_t = ToolsFormat::Text)]
        format: ToolsFormat,
    },
    /// Print how a client connects to this server, ready to paste
    ///
    /// Standard output has nothing but the configuration. Standard error says where it goes, and for some clients
    /// has a link that installs it with one click; the token is never in a link. The token is that of
    /// --token-file, else of KASM_MCP_TOKEN, else MCP_AUTH_TOKEN of the settings. It is no argument, because
    /// everybody on a machine can read those.
    Connect(Connect),
    /// Print the tools as an OpenAPI document, for ChatGPT Actions and other programs without MCP
    Openapi(OpenApi),
    /// List the settings
    Settings {
        /// How to write the list
        #[arg(long, value_enum, default_value_t = SettingsFormat::Env)]
        format: SettingsFormat,
    },
    /// Make, list and revoke tokens of callers
    #[command(subcommand)]
    Token(TokenCommand),
    /// Read the record of calls
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Ask the command policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the manual page, or write it and those of all commands
    Man {
        /// The folder for the pages
        directory: Option<PathBuf>,
    },
    /// Print what a shell needs to complete commands and flags
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What to do with the record of calls.
///
/// It is in the file that MCP_AUDIT_FILE names, or in `audit.jsonl` in MCP_STATE_DIR.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Tell whether it is whole: nothing changed, removed, moved or cut off. Exit code 1 if it is not
    Verify {
        /// The file that is written; full ones beside it are read as well
        file: Option<PathBuf>,
    },
    /// Show the newest lines
    Tail {
        /// The file that is written
        file: Option<PathBuf>,
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// How to write them
        #[arg(long, value_enum, default_value_t = TailFormat::Text)]
        format: TailFormat,
    },
}

/// How to write lines of the record.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TailFormat {
    /// For people
    Text,
    /// As they are
    Json,
}

/// What to do with tokens.
///
/// They are in the file that MCP_TOKENS_FILE names, or in `tokens.toml` in MCP_STATE_DIR. A running server
/// takes changes within a second.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, print it once, and keep its hash
    New(NewToken),
    /// List the tokens, without anything secret
    List,
    /// End a token
    Revoke {
        /// Its name
        name: String,
    },
}

/// Options of `token new`.
#[derive(Args, Clone, Debug)]
pub struct NewToken {
    /// Its name, for logs and `token revoke`
    #[arg(long)]
    pub name: String,
    /// How much it may do: kasm:read, kasm:use or kasm:admin
    #[arg(long, default_value = "kasm:use")]
    pub scope: Scope,
    /// The Kasm user whose sessions it may touch, by id; KASM_USER_ID if not said
    #[arg(long, value_name = "ID")]
    pub kasm_user: Option<String>,
    /// Only tools of these toolsets, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub toolsets: Vec<String>,
    /// Only tools that change nothing
    #[arg(long)]
    pub read_only: bool,
    /// When it ends, such as 30d or 12h; never if not said
    #[arg(long, value_name = "TIME")]
    pub expires_in: Option<Span>,
    /// How many calls a minute it is good for
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
}

/// What to ask the policy.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Explain how a command is judged
    ///
    /// Exit code 0: allowed. 1: refused, or the rules cannot be read. 2: a person would be asked.
    /// 3: unprovable, what it would run cannot be told without running it.
    Check(PolicyCheck),
}

/// Options of `policy check`.
#[derive(Args, Clone, Debug)]
pub struct PolicyCheck {
    /// The command, as a bash script
    #[arg(allow_hyphen_values = true)]
    pub command: String,
    /// The folder it would run in; the home folder if not said
    #[arg(long, value_name = "DIR")]
    pub working_dir: Option<String>,
    /// A rules file, over the built-in rules
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// Start a session of this workspace, try commands, files and the desktop in it, and destroy it
    #[arg(long, value_name = "WORKSPACE")]
    pub start: Option<String>,
    /// A file with a token of this server, to open a stream with; MCP_AUTH_TOKEN if not said
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print one JSON object: {"ok", "checks": [{"name", "status", "fact", "remedy"}]}
    #[arg(long)]
    pub json: bool,
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// The port for MCP clients, 8080 if not said; 0 takes a free one [env: MCP_SERVER_PORT]
    #[arg(long = "port", id = "demo_port", value_name = "PORT")]
    pub port: Option<u16>,
    /// Print one JSON object with addresses and keys instead of instructions
    #[arg(long)]
    pub json: bool,
}

/// Options of `emulate`.
#[derive(Args, Clone, Debug)]
pub struct Emulate {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// Serve TLS with a certificate made for this run
    #[arg(long)]
    pub tls: bool,
}

/// Options of `connect`.
#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// The client; if none is said, they are listed
    #[arg(value_name = "CLIENT", value_parser = client_ids(), hide_possible_values = true)]
    pub clients: Vec<String>,
    /// Where the client reaches the server; MCP_PUBLIC_URL, else the address on this machine, if not said
    #[arg(long)]
    pub url: Option<String>,
    /// A file with the token; - is standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t = ConnectFormat::Text)]
    pub format: ConnectFormat,
}

fn client_ids() -> PossibleValuesParser {
    PossibleValuesParser::new(CLIENTS.iter().map(|client| PossibleValue::new(client.id)))
}

/// How `connect` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ConnectFormat {
    /// The configuration of one client, for its file
    Text,
    /// Sections for a document, of the named clients or of all; without a token
    Markdown,
}

/// Options of `openapi`.
#[derive(Args, Clone, Debug)]
pub struct OpenApi {
    /// Where clients reach the server; MCP_PUBLIC_URL if not said
    #[arg(long)]
    pub url: Option<String>,
    /// The scope of the token that will be used: kasm:read, kasm:use or kasm:admin
    #[arg(long, default_value = "kasm:use")]
    pub scope: Scope,
}

/// How `tools` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ToolsFormat {
    /// A line per tool
    Text,
    /// Everything, schemas included
    Json,
    /// The table of the documents
    Markdown,
}

/// How `settings` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SettingsFormat {
    /// An environment file to fill in
    Env,
    /// The table of the documents
    Markdown,
}
