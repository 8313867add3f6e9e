//! The registry as an MCP server: rmcp, and what it leaves to its users.

mod ask;
mod completion;
pub mod consent;
mod convert;
pub mod dispatch;
pub mod envelope;
mod error_data;
mod handler;
mod instructions;
mod look;
pub mod message;
mod params;
mod prompts;
mod resources;
pub mod server;
pub mod sessions;
pub mod stdio;
pub mod subscriptions;
mod tasks;
mod watched;

pub use server::McpServer;
pub use subscriptions::ChangeNotices;
