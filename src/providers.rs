//! Where tools come from. A provider is a struct that its toolsets work on; it is mounted only
//! when it is configured.

pub mod kasm;
