//! What a call costs in every transport, and what the server costs while it waits.
//!
//! `benches/run` measures what is shipped; `cargo bench --bench transports [-- --quick]` is the
//! shorter way. Both print Markdown. The server runs as a process of its own with authentication
//! on, in front of a stub of Kasm that answers at once. It is compared with a bare rmcp server on
//! the same machine, in the mode that is nearest, measured right before it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its tables, and how far it is"
)]

#[path = "transports/baseline.rs"]
mod baseline;
#[path = "transports/client.rs"]
mod client;
#[path = "transports/footprint.rs"]
mod footprint;
#[path = "transports/load.rs"]
mod load;
#[path = "transports/process.rs"]
mod process;
#[path = "transports/rounds.rs"]
mod rounds;
#[path = "transports/stdio.rs"]
mod stdio;
#[path = "transports/tables.rs"]
mod tables;
#[path = "transports/upstream.rs"]
mod upstream;
#[path = "transports/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;

use load::Pace;
use process::{Cores, Programs};
use tempfile::TempDir;

/// Measures the transports of kasm-mcp.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Options {
    /// Short measurements: an impression, not a result.
    #[arg(long)]
    quick: bool,
    /// How often to measure everything; the tables show medians.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    repeat: u16,
    /// Measure only the transports whose name contains this, and no memory.
    #[arg(long)]
    only: Option<String>,
    /// The server to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_kasm-mcp"))]
    server: PathBuf,
    /// Given by `cargo bench`. Without it (`cargo test --all-targets`) there is nothing to do.
    #[arg(long, hide = true)]
    bench: bool,
    /// This process is on its core already.
    #[arg(long, hide = true)]
    pinned: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Be the server to compare with.
    #[command(hide = true)]
    BaselineServer(baseline::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(Role::BaselineServer(options)) = options.role {
        baseline::serve(options)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !options.bench {
        return Ok(ExitCode::SUCCESS);
    }
    let cores = Cores::of_this_machine(options.pinned);
    if cores == Cores::ToBePinned {
        return again_on_its_own_core();
    }
    // One thread for load and upstream, as they share one core.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&options, cores))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs this program once more, bound to the core that the servers do not use.
fn again_on_its_own_core() -> anyhow::Result<ExitCode> {
    let status = Command::new("taskset")
        .args(["-c", process::LOAD_CORE])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--pinned")
        .status()
        .context("cannot run taskset")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn measure(options: &Options, cores: Cores) -> anyhow::Result<()> {
    let pace = if options.quick {
        Pace {
            warm_up: Duration::from_millis(200),
            measured: Duration::from_millis(500),
        }
    } else {
        Pace {
            warm_up: Duration::from_millis(500),
            measured: Duration::from_secs(2),
        }
    };
    let programs = Programs {
        server: options.server.clone(),
        baseline: std::env::current_exe()?,
        upstream: upstream::start().await?,
        cores,
        records: TempDir::new()?,
    };
    let mut cells = rounds::cells();
    if let Some(part) = &options.only {
        cells.retain(|cell| cell.name.contains(part.as_str()));
    }
    let mut footprints = Vec::new();
    for repetition in 1..=options.repeat {
        eprintln!("repetition {repetition} of {}", options.repeat);
        rounds::run(&programs, pace, &mut cells).await?;
        if options.only.is_none() {
            footprints.push(footprint::measure(&programs, options.quick).await?);
        }
    }
    let about = tables::about(&programs, pace, options.repeat);
    let speed = tables::speed(&cells);
    let baseline = tables::baseline(&cells);
    println!("{about}\n{speed}\n{baseline}");
    if !footprints.is_empty() {
        println!("{}", tables::footprint(&footprints));
    }
    Ok(())
}
