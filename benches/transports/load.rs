//! Clients that ask as fast as they are answered, and what is measured of them.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::client::{Client, Question, Target, Transport};
use crate::process;

/// How much longer than planned a measurement may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// When to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    pub(crate) fn from_now(pace: Pace) -> Self {
        let begin = Instant::now() + pace.warm_up;
        let end = begin + pace.measured;
        Self { begin, end }
    }
}

/// What one client saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long each call took, in nanoseconds.
    pub(crate) took: Vec<u64>,
    pub(crate) errors: usize,
    pub(crate) first_error: Option<String>,
    /// The length of an answer.
    pub(crate) length: usize,
}

impl Seen {
    pub(crate) fn note(&mut self, window: Window, asked: Instant, answer: anyhow::Result<usize>) {
        match answer {
            Ok(length) => {
                self.length = length;
                if asked >= window.begin {
                    let nanos = asked.elapsed().as_nanos();
                    self.took.push(u64::try_from(nanos).unwrap_or(u64::MAX));
                }
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(format!("{error:#}"));
            }
        }
    }
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: usize,
    pub(crate) answer_bytes: usize,
    /// How long the server's process was on its core, per call.
    pub(crate) cpu_us: f64,
}

/// Lets `clients` ask `question` for a while.
pub(crate) async fn run(
    target: Target,
    server: u32,
    transport: Transport,
    question: &Question,
    clients: usize,
    pace: Pace,
) -> anyhow::Result<Sample> {
    let mut open = Vec::with_capacity(clients);
    for _ in 0..clients {
        let client = timeout(PATIENCE, Client::open(target, transport, question)).await;
        let client = client.context("no session in time")?;
        open.push(client.with_context(|| format!("{transport:?}"))?);
    }
    let window = Window::from_now(pace);
    let mut asking = JoinSet::new();
    for client in open {
        asking.spawn(ask_until_the_end(client, window));
    }
    let cpu = tokio::spawn(cpu_within(server, window));
    let patience = pace.warm_up + pace.measured + PATIENCE;
    let seen = timeout(patience, asking.join_all()).await;
    let seen = seen.with_context(|| format!("{transport:?}: no answer in time"))?;
    sample(seen, cpu.await??, pace)
}

async fn ask_until_the_end(mut client: Client, window: Window) -> Seen {
    let mut seen = Seen::default();
    loop {
        let asked = Instant::now();
        if asked >= window.end {
            return seen;
        }
        let answer = client.ask().await;
        let broken = answer.is_err();
        seen.note(window, asked, answer);
        if broken {
            // What the connection says next may belong to this question.
            return seen;
        }
    }
}

/// How long the process was on a core within the window.
pub(crate) async fn cpu_within(server: u32, window: Window) -> anyhow::Result<Duration> {
    sleep_until(window.begin).await;
    let before = process::cpu_time(server)?;
    sleep_until(window.end).await;
    Ok(process::cpu_time(server)?.saturating_sub(before))
}

pub(crate) fn sample(seen: Vec<Seen>, cpu: Duration, pace: Pace) -> anyhow::Result<Sample> {
    let errors = seen.iter().map(|seen| seen.errors).sum();
    if let Some(error) = seen.iter().find_map(|seen| seen.first_error.as_ref()) {
        eprintln!("  a call failed: {error}");
    }
    let answer_bytes = seen.iter().map(|seen| seen.length).max().unwrap_or(0);
    let mut took: Vec<u64> = seen.into_iter().flat_map(|seen| seen.took).collect();
    took.sort_unstable();
    let calls = took.len() as f64;
    Ok(Sample {
        per_second: calls / pace.measured.as_secs_f64(),
        p50_ms: quantile_ms(&took, 50),
        p99_ms: quantile_ms(&took, 99),
        errors,
        answer_bytes,
        cpu_us: cpu.as_secs_f64() * 1e6 / calls.max(1.0),
    })
}

/// The nearest-rank quantile of sorted nanoseconds.
fn quantile_ms(sorted: &[u64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .map_or(0.0, |nanos| *nanos as f64 / 1e6)
}
