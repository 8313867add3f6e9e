//! The registry as an MCP server: rmcp, and what it leaves to its users.

pub mod approvals;
mod completion;
pub mod direct;
pub mod dispatch;
mod elicitation;
pub mod envelope;
mod error_data;
mod handler;
mod instructions;
mod internal_call;
pub mod message;
mod params;
mod prompts;
mod resources;
mod rmcp_values;
pub mod server;
pub mod sessions;
pub mod stdio;
pub mod subscriptions;
mod tasks;
mod tool_forms;
mod tool_lists;
mod watched_changes;

pub use server::McpServer;
pub use subscriptions::ChangeNotices;
