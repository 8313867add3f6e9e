//! What a workspace costs: commands and looks. The server runs as a process of its own in front of the
//! emulator, whose processes and desktop are real. `benches/run` measures what is shipped.
#![expect(clippy::print_stdout, reason = "a benchmark prints its tables")]

#[path = "workspace/desktop.rs"]
mod desktop;
#[path = "workspace/jobs.rs"]
mod jobs;
#[path = "workspace/server.rs"]
mod server;
#[path = "workspace/times.rs"]
mod times;

use std::path::PathBuf;

use clap::Parser;

/// Measures what commands and looks cost.
#[derive(Parser)]
struct Options {
    /// How many calls to measure in each row.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..))]
    calls: u16,
    /// The server to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_kasm-mcp"))]
    server: PathBuf,
    /// Given by `cargo bench`. Without it (`cargo test --all-targets`) there is nothing to do.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        return Ok(());
    }
    let calls = usize::from(options.calls);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        println!("{}", jobs::table(&options.server, calls).await?);
        println!("{}", desktop::table(&options.server, calls).await?);
        Ok(())
    })
}
