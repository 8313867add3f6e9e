//! What the server costs while it waits: memory, time to start, and many idle sessions.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::time::timeout;

use crate::baseline::Mode;
use crate::client::{Question, Target, handshake, in_session, request};
use crate::process::{Memory, Programs};
use crate::tables::median;
use crate::wire::Connection;

/// Sessions that are open and idle; also the limit.
pub(crate) const SESSIONS: u32 = 10_000;
/// Sessions that are opened beyond the limit.
pub(crate) const MORE_SESSIONS: usize = 1_000;
/// Sessions opened within a millisecond are of one age to the server.
const SAME_AGE: usize = 100;
/// Connections that the sessions are opened on, in turn.
const CONNECTIONS: usize = 16;
/// How often the start is timed.
const STARTS: usize = 11;
/// How long one phase may take.
const PHASE_MAX: Duration = Duration::from_secs(120);

/// One repetition.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) start_ms: f64,
    pub(crate) baseline_start_ms: f64,
    pub(crate) idle: Memory,
    pub(crate) baseline_idle: Memory,
    /// With all sessions.
    pub(crate) full: Memory,
    /// To open one, below the limit.
    pub(crate) open_us: f64,
    /// After as many again were opened beyond the limit.
    pub(crate) beyond: Memory,
    /// To open one at the limit.
    pub(crate) open_beyond_us: f64,
    /// After the clients ended them all.
    pub(crate) ended: Memory,
}

/// Measures once.
pub(crate) async fn measure(programs: &Programs, quick: bool) -> anyhow::Result<Footprint> {
    eprintln!("  starts and idle sessions");
    let starts = if quick { 3 } else { STARTS };
    let (mut start_ms, mut baseline_start_ms) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let ours = programs.start_kasm_mcp(SESSIONS)?;
        start_ms.push(ours.started_in.as_secs_f64() * 1e3);
        drop(ours);
        let baseline = programs.start_baseline(Mode::Sessions)?;
        baseline_start_ms.push(baseline.started_in.as_secs_f64() * 1e3);
    }
    let baseline = programs.start_baseline(Mode::Sessions)?;
    let server = programs.start_kasm_mcp(SESSIONS)?;
    let (idle, baseline_idle) = (server.memory()?, baseline.memory()?);
    let mut clients = Clients::connect(server.target).await?;
    let (names, open_us) = clients.open(SESSIONS as usize).await?;
    let full = server.memory()?;
    let (more, open_beyond_us) = clients.open(MORE_SESSIONS).await?;
    let beyond = server.memory()?;
    clients.check_limit(&names, &more).await?;
    clients.end(names.iter().chain(&more)).await?;
    Ok(Footprint {
        start_ms: median(start_ms),
        baseline_start_ms: median(baseline_start_ms),
        idle,
        baseline_idle,
        full,
        open_us,
        beyond,
        open_beyond_us,
        ended: server.memory()?,
    })
}

/// Connections on which sessions are opened in turn.
struct Clients {
    target: Target,
    connections: Vec<Connection>,
}

impl Clients {
    async fn connect(target: Target) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(target.address).await?);
        }
        Ok(Self {
            target,
            connections,
        })
    }

    /// Opens sessions one after the other. Gives their names and the time for each.
    async fn open(&mut self, count: usize) -> anyhow::Result<(Vec<String>, f64)> {
        let begun = Instant::now();
        let opening = async {
            let mut names = Vec::with_capacity(count);
            for index in 0..count {
                let connection = &mut self.connections[index % CONNECTIONS];
                names.push(handshake(connection, self.target).await?);
            }
            anyhow::Ok(names)
        };
        let names = timeout(PHASE_MAX, opening).await;
        let names = names.context("the sessions do not open in time")??;
        Ok((names, begun.elapsed().as_secs_f64() * 1e6 / count as f64))
    }

    /// At the limit the longest unused sessions made room, and no others.
    async fn check_limit(&mut self, first: &[String], more: &[String]) -> anyhow::Result<()> {
        let gone = [&first[0], &first[MORE_SESSIONS - SAME_AGE]];
        let there = [&first[MORE_SESSIONS + SAME_AGE], &first[first.len() - 1]];
        let there = there.into_iter().chain([&more[0], &more[more.len() - 1]]);
        let expected = gone.map(|name| (name, 404)).into_iter();
        for (name, expected) in expected.chain(there.map(|name| (name, 200))) {
            let message = Question::list("").message();
            let ask = in_session(self.target, name, &message);
            let status = self.status_of(&ask).await?;
            ensure!(status == expected, "a session answered HTTP {status}");
        }
        Ok(())
    }

    async fn end(&mut self, names: impl Iterator<Item = &String>) -> anyhow::Result<()> {
        for name in names {
            let headers = [("mcp-session-id", name.as_str())];
            let end = request(self.target, "DELETE", "/mcp", &headers, "");
            let status = self.status_of(&end).await?;
            // At the limit some made room, and which of an age did is the server's affair.
            ensure!(matches!(status, 200 | 404), "DELETE answered HTTP {status}");
        }
        Ok(())
    }

    async fn status_of(&mut self, request: &str) -> anyhow::Result<u16> {
        let connection = &mut self.connections[0];
        connection.send(request.as_bytes()).await?;
        let response = timeout(PHASE_MAX, connection.response()).await;
        Ok(response.context("no answer in time")??.status)
    }
}
