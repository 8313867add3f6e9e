//! What a command costs beyond what Kasm itself takes for it, over both channels.
//!
//! Between the calls the emulator is asked directly for what a call cannot do without: one dispatch
//! and, over the channel `downloads`, one file.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use kasm_emulator::Emulator;
use serde_json::json;

use super::server::Bench;
use super::times::{percentiles, timed};

/// Calls before those that count: the server learns how long short commands take on a session.
const WARM_UP: usize = 8;
/// What a command may cost over dispatch and file, in milliseconds.
const TARGET_MS: f64 = 60.0;
/// A file that is as large as what `true` leaves.
const PROBE: (&str, &[u8]) = ("probe", &[b'x'; 128]);

/// The table.
pub(super) async fn table(program: &Path, calls: usize) -> anyhow::Result<String> {
    let mut table = heading(calls);
    for channel in [Channel::Downloads, Channel::Relay] {
        let bench = start(program, channel).await?;
        table.push_str(&measure(&bench, channel, calls).await?.line(channel));
    }
    Ok(table)
}

/// How output comes out of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Downloads,
    Relay,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Downloads => "downloads",
            Self::Relay => "relay",
        }
    }
}

async fn start(program: &Path, channel: Channel) -> anyhow::Result<Bench> {
    let emulator = Emulator::builder()
        .start_time(Duration::ZERO)
        .unconfined(!kasm_emulator::confinement_works())
        .profile(|profile| profile.downloads_allowed = channel == Channel::Downloads)
        .start()
        .await?;
    let bench = Bench::start(program, emulator, channel == Channel::Relay).await?;
    let home = bench.emulator.session_dir(&bench.kasm_id);
    let home = home.context("no home")?;
    std::fs::write(home.join("Downloads").join(PROBE.0), PROBE.1)?;
    Ok(bench)
}

async fn measure(bench: &Bench, channel: Channel, calls: usize) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for call in 0..WARM_UP + calls {
        let round = Round {
            dispatch: timed(dispatch(bench)).await?,
            file: match channel {
                Channel::Downloads => timed(file(bench)).await?,
                Channel::Relay => 0.0,
            },
            whole: timed(run_true(bench, channel)).await?,
        };
        if call >= WARM_UP {
            times.0.push(round);
        }
    }
    Ok(times)
}

async fn dispatch(bench: &Bench) -> anyhow::Result<()> {
    let fields = json!({
        "kasm_id": bench.kasm_id,
        "user_id": bench.emulator.user_id(),
        "exec_config": { "cmd": "true" },
    });
    bench.ask("exec_command_kasm", fields).await.map(drop)
}

async fn file(bench: &Bench) -> anyhow::Result<()> {
    let (url, id) = (bench.emulator.url(), &bench.kasm_id);
    let id = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
    let url = format!("{url}/desktop/{id}/vnc/Downloads/Downloads/{}", PROBE.0);
    let answer = bench.http.get(url).header("cookie", &bench.cookies);
    let file = answer.send().await?.error_for_status()?.bytes().await?;
    ensure!(file == PROBE.1, "the file has other content");
    Ok(())
}

async fn run_true(bench: &Bench, channel: Channel) -> anyhow::Result<()> {
    let result = bench
        .call("execute_kasm_command", json!({ "command": "true" }))
        .await?;
    let data = &result["structuredContent"]["data"];
    let right = data["exit_code"] == 0 && data["output_channel"] == channel.name();
    ensure!(right, "answered {result}");
    Ok(())
}

/// One call, and what the emulator took right before it. In milliseconds.
struct Round {
    dispatch: f64,
    file: f64,
    whole: f64,
}

#[derive(Default)]
struct Times(Vec<Round>);

impl Times {
    fn line(&self, channel: Channel) -> String {
        let both = |pick: fn(&Round) -> f64| percentiles(self.0.iter().map(pick));
        format!(
            "| {} | {} | {} | {} | {} | ≤ {TARGET_MS} |\n",
            channel.name(),
            both(|round| round.whole),
            both(|round| round.dispatch),
            both(|round| round.file),
            both(|round| round.whole - round.dispatch - round.file),
        )
    }
}

fn heading(calls: usize) -> String {
    let place = if kasm_emulator::confinement_works() {
        "inside bubblewrap"
    } else {
        "bare"
    };
    format!(
        "A command that does nothing (`true`), {calls} calls one after the other, {place}. \
         Milliseconds, p50 and p95. Over them: of each call, less the dispatch and the file that \
         were timed right before it.\n\n\
         | Channel | Whole call | p95 | Dispatch | p95 | File | p95 | Over them | p95 | Target |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    )
}
