//! A Kasm Workspaces server on loopback.
