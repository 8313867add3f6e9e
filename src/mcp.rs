//! The registry as an MCP server: rmcp, and what it leaves to its users.

mod ask;
mod completion;
pub mod consent;
mod convert;
mod handler;
mod instructions;
mod look;
pub mod message;
mod params;
pub mod peek;
mod prompts;
mod resources;
pub mod server;
pub mod sessions;
pub mod stdio;
pub mod subscriptions;
mod tasks;
mod watched;

pub use server::McpServer;
pub use subscriptions::Notices;
