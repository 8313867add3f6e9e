//! The `kasm-mcp` binary: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use kasm_mcp::{cli, commands};

fn main() -> ExitCode {
    commands::run(cli::Cli::parse())
}
