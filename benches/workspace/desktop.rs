//! What a look at a desktop costs, and an action with a look, on a connection that is kept.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use kasm_emulator::Emulator;
use serde_json::{Value, json};

use super::server::Bench;
use super::times::{percentiles, timed};

/// Looks before those that count: the first one makes the connection.
const WARM_UP: usize = 3;
/// What a look may take, in milliseconds.
const TARGET_MS: f64 = 150.0;
const SIZE: (u16, u16) = (1920, 1080);

/// The table.
pub(super) async fn table(program: &Path, calls: usize) -> anyhow::Result<String> {
    let emulator = Emulator::builder()
        .start_time(Duration::ZERO)
        .unconfined(!kasm_emulator::confinement_works())
        .start()
        .await?;
    let bench = Bench::start(program, emulator, false).await?;
    // The emulator makes a desktop for the first who looks.
    bench.call("get_session_screenshot", json!({})).await?;
    let resized = bench.emulator.resize_desktop(&bench.kasm_id, SIZE);
    ensure!(resized, "no desktop");
    let mut table = heading(calls);
    for look in LOOKS {
        table.push_str(&look.line(&bench, calls).await?);
    }
    Ok(table)
}

/// A kind of call.
struct Look {
    what: &'static str,
    tool: &'static str,
    arguments: fn(usize) -> Value,
    target: bool,
}

const LOOKS: [Look; 3] = [
    Look {
        what: "look, as it is shown to a model",
        tool: "get_session_screenshot",
        arguments: |_| json!({}),
        target: true,
    },
    Look {
        what: "look, every pixel",
        tool: "get_session_screenshot",
        arguments: |_| json!({ "width": SIZE.0 }),
        target: true,
    },
    Look {
        what: "move the pointer and look when all is still",
        tool: "control_desktop",
        arguments: |call| {
            json!({
                "actions": [{ "type": "move", "x": 100 + call % 400, "y": 200 }],
                "screenshot": "always",
            })
        },
        target: false,
    },
];

impl Look {
    async fn line(&self, bench: &Bench, calls: usize) -> anyhow::Result<String> {
        let mut times = Vec::new();
        let mut bytes = 0;
        for call in 0..WARM_UP + calls {
            let look = async {
                let result = bench.call(self.tool, (self.arguments)(call)).await?;
                let image = result["content"][1]["data"].as_str();
                bytes = image.context("nothing to see")?.len() * 3 / 4;
                Ok(())
            };
            let time = timed(look).await?;
            if call >= WARM_UP {
                times.push(time);
            }
        }
        let target = if self.target {
            format!("≤ {TARGET_MS}")
        } else {
            String::new()
        };
        let times = percentiles(times.into_iter());
        Ok(format!(
            "| {} | {times} | {} | {target} |\n",
            self.what,
            bytes / 1024
        ))
    }
}

fn heading(calls: usize) -> String {
    format!(
        "A desktop of {}×{}, {calls} calls one after the other on a kept connection. Milliseconds, p50 and p95, \
         and the size of the last picture in KiB.\n\n\
         | Call | p50 | p95 | Picture | Target |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
        SIZE.0, SIZE.1
    )
}
