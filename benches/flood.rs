//! What one caller notices while others attack: `benches/run`, or
//! `cargo bench --bench flood -- --server target/dist/kasm-mcp`.
//!
//! The server has its default limits. A quiet caller asks for its sessions all the time, at an address of
//! its own; the table has its p99 in each attack, and the server's memory before, at the top and after.

#[path = "flood/attack.rs"]
mod attack;
#[path = "flood/server.rs"]
mod server;
#[path = "flood/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use kasm_emulator::Emulator;

use attack::Attack;
use server::Server;
use wire::Connection;

/// Between two calls of the quiet caller: what its address may ask for on average.
const PAUSE: Duration = Duration::from_millis(60);
/// How long the server has to let go of what an attack took.
const REST: Duration = Duration::from_secs(5);
/// After the last attack: the server looks through its books twice a minute.
const LAST_REST: Duration = Duration::from_secs(65);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Measures a quiet caller under attack.
#[derive(Parser)]
struct Options {
    /// The kasm-mcp to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_kasm-mcp"))]
    server: PathBuf,
    /// How long each attack lasts.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Given by `cargo bench`. Without it (`cargo test --all-targets`) there is nothing to do.
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let lasts = Duration::from_secs(options.seconds);
    let mut rows = Vec::new();
    runtime.block_on(async {
        let emulator = Emulator::builder().start().await?;
        let server = Server::start(&options.server, &emulator)?;
        for attack in Attack::ALL {
            rows.push(measure(&server, attack, lasts).await?);
        }
        tokio::time::sleep(LAST_REST).await;
        rows.push(format!(
            "| a minute later | | | | | {} |",
            mib(server.memory()?)
        ));
        emulator.shutdown().await;
        anyhow::Ok(())
    })?;
    println!(
        "| Attack | calls of the quiet caller | its p50, ms | its p99, ms | memory before, top, MiB | after, MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for row in rows {
        println!("{row}");
    }
    Ok(())
}

async fn measure(server: &Server, attack: Attack, lasts: Duration) -> anyhow::Result<String> {
    let before = server.memory()?;
    let address = server.address;
    let stop = Arc::new(AtomicBool::new(false));
    let attackers = attack.start(address, lasts);
    // On a thread of its own, so that the attackers are not what it waits for.
    let quiet = std::thread::spawn({
        let stop = stop.clone();
        move || quiet_caller(address, &stop)
    });
    let end = Instant::now() + lasts;
    let mut top = before;
    while Instant::now() < end {
        tokio::time::sleep(LOOK).await;
        top = top.max(server.memory()?);
    }
    stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.abort();
    }
    let times = quiet.join();
    let mut times = times.map_err(|_| anyhow::anyhow!("the quiet caller broke"))??;
    times.sort();
    tokio::time::sleep(REST).await;
    let after = server.memory()?;
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(format!(
        "| {} | {} | {:.1} | {:.1} | {}, {} | {} |",
        attack.name(),
        times.len(),
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3,
        mib(before),
        mib(top),
        mib(after),
    ))
}

/// Calls until it is stopped, and gives how long each call took.
fn quiet_caller(address: std::net::SocketAddr, stop: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address, [127, 0, 0, 2]).await?;
        let request = wire::call(server::QUIET_TOKEN, "list_user_sessions");
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let status = connection.ask(&request).await.context("no answer")?;
            times.push(begun.elapsed());
            anyhow::ensure!(status == 200, "the quiet caller was answered {status}");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(times)
    })
}

fn mib(kib: u64) -> String {
    let mib = kib as f64 / 1_024.0;
    format!("{mib:.1}")
}
