//! kasm-mcp.
