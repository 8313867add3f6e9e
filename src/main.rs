//! The `kasm-mcp` binary: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use kasm_mcp::{cli, commands};

/// A tool call makes hundreds of short-lived allocations; the system's allocator spends a sixth of
/// the call on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run_command(cli::Cli::parse())
}
