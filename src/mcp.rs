//! rmcp at the edge: the registry as an MCP server, and what rmcp leaves to its user.

mod ask;
pub mod consent;
pub mod handler;
mod instructions;
pub mod message;
pub mod peek;
pub mod sessions;
mod tasks;

pub use handler::McpServer;
