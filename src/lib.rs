//! kasm-mcp: a remote MCP server that gives an AI agent a Kasm Workspaces desktop.
//!
//! In reading order, each module using only those before it:
//!
//! - [`bounded_map`]: what is remembered of each of many, within a limit
//! - [`percent`], [`random`], [`token`]: percent-encoding; random bytes; random tokens and their hashes
//! - [`clients`]: how each MCP client connects
//! - [`metrics`]: counters and timers
//! - [`rate`]: rate limits
//! - [`caller`]: callers and their permissions
//! - [`clock`]: the time of day, which tests can set
//! - [`access`]: the callers of a tokens file
//! - [`oauth`]: access tokens of authorization servers
//! - [`policy`]: the rules for commands and paths
//! - [`picture`]: screenshots for models: scaling and encoding
//! - [`relay`]: mailboxes that programs in a session post to
//! - [`links`]: links that transfer one file, once
//! - [`kasm`]: the Kasm client; domain types in front, the API behind one trait, and the session proxy
//! - [`jobs`]: commands in a session, with their output and exit code
//! - [`leases`]: keeping sessions alive while they are used, and ending them afterwards
//! - [`files`]: the files of a session
//! - [`desktop`]: a desktop with screen, mouse and keyboard
//! - [`tool`]: what a tool is, and the registry that is the only way to call one
//! - [`providers`]: the tools, one file per toolset
//! - [`mcp`]: the registry as an MCP server; sessions of the older revisions
//! - [`rest`]: the registry as plain HTTP and JSON, for clients without MCP
//! - [`http`]: the HTTP surface in front of it
//! - [`config`]: settings from all sources, validated
//! - [`app`]: builds the application from its parts
//! - [`cli`], [`commands`]: the command line, one file per command
//!
//! `docs/architecture.md` gives the reasons.

pub mod access;
pub mod app;
pub mod audit;
pub mod bounded_map;
pub mod caller;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod config;
pub mod desktop;
pub mod files;
pub mod http;
pub mod jobs;
pub mod kasm;
pub mod leases;
pub mod links;
pub mod mcp;
pub mod metrics;
pub mod oauth;
pub mod percent;
pub mod picture;
pub mod policy;
pub mod providers;
pub mod random;
pub mod rate;
pub mod relay;
pub mod rest;
pub mod telemetry;
pub mod token;
pub mod tool;
