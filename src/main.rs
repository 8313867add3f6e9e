//! The `kasm-mcp` binary.
fn main() {}
