//! What is measured: each transport beside the baseline in its nearest mode, close in time.

use serde_json::json;

use crate::baseline::Mode;
use crate::client::{Question, Transport};
use crate::load::{self, Pace, Sample};
use crate::process::{Programs, Server};
use crate::stdio;
use crate::upstream::KASM_ID;

/// How many clients ask at a time.
const CLIENTS: [usize; 3] = [1, 16, 64];
/// Enough for all clients of all measurements.
const SESSIONS_MAX: u32 = 20_000;

/// One transport with a number of clients.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    /// None: standard input and output.
    transport: Option<Transport>,
    pub(crate) mode: Mode,
    pub(crate) clients: usize,
    /// One for each repetition.
    pub(crate) rounds: Vec<Round>,
}

/// All measurements of a cell, made one after the other.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) status: Sample,
    pub(crate) list: Sample,
    pub(crate) baseline_echo: Sample,
    pub(crate) baseline_status: Sample,
    pub(crate) baseline_list: Sample,
}

struct Questions {
    status: Question,
    list: Question,
    baseline_echo: Question,
    baseline_status: Question,
    baseline_list: Question,
}

/// All cells, still empty.
pub(crate) fn cells() -> Vec<Cell> {
    let over_http = [
        (
            "Streamable HTTP, sessions",
            Transport::Sessions,
            Mode::Sessions,
        ),
        (
            "Streamable HTTP, stateless",
            Transport::Stateless,
            Mode::Stateless,
        ),
        ("bare JSON-RPC", Transport::Bare, Mode::Stateless),
        ("HTTP+SSE", Transport::HttpSse, Mode::Sessions),
    ];
    let mut cells = Vec::new();
    for (name, transport, mode) in over_http {
        cells.extend(CLIENTS.map(|clients| Cell {
            name,
            transport: Some(transport),
            mode,
            clients,
            rounds: Vec::new(),
        }));
    }
    cells.push(Cell {
        name: "stdio",
        transport: None,
        mode: Mode::Stdio,
        clients: 1,
        rounds: Vec::new(),
    });
    cells
}

/// Measures every cell once.
pub(crate) async fn run(programs: &Programs, pace: Pace, cells: &mut [Cell]) -> anyhow::Result<()> {
    let questions = Questions {
        status: Question::call(
            "get_session_status",
            &json!({ "kasm_id": KASM_ID }),
            "running",
        ),
        list: Question::list("get_session_status"),
        baseline_echo: Question::call("echo", &json!({ "text": "well said" }), "well said"),
        baseline_status: Question::call("status", &json!({ "kasm_id": KASM_ID }), "running"),
        baseline_list: Question::list("echo"),
    };
    let ours = programs.start_kasm_mcp(SESSIONS_MAX)?;
    let sessions = programs.start_baseline(Mode::Sessions)?;
    let stateless = programs.start_baseline(Mode::Stateless)?;
    for cell in cells {
        eprintln!("  {}, {} at a time", cell.name, cell.clients);
        let round = match (cell.transport, cell.mode) {
            (Some(transport), Mode::Sessions) => {
                let (clients, servers) = (cell.clients, [&ours, &sessions]);
                over_http(servers, transport, clients, &questions, pace).await?
            }
            (Some(transport), Mode::Stateless | Mode::Stdio) => {
                let (clients, servers) = (cell.clients, [&ours, &stateless]);
                over_http(servers, transport, clients, &questions, pace).await?
            }
            (None, _) => over_stdio(programs, &questions, pace).await?,
        };
        cell.rounds.push(round);
    }
    Ok(())
}

async fn over_http(
    [ours, baseline]: [&Server; 2],
    transport: Transport,
    clients: usize,
    questions: &Questions,
    pace: Pace,
) -> anyhow::Result<Round> {
    let ask = |server: &Server, transport, question| {
        load::run(
            server.target,
            server.id(),
            transport,
            question,
            clients,
            pace,
        )
    };
    // rmcp has no HTTP+SSE; its sessions are the nearest.
    let nearest = match transport {
        Transport::HttpSse => Transport::Sessions,
        other @ (Transport::Sessions | Transport::Stateless | Transport::Bare) => other,
    };
    Ok(Round {
        baseline_echo: ask(baseline, nearest, &questions.baseline_echo).await?,
        baseline_status: ask(baseline, nearest, &questions.baseline_status).await?,
        status: ask(ours, transport, &questions.status).await?,
        list: ask(ours, transport, &questions.list).await?,
        baseline_list: ask(baseline, nearest, &questions.baseline_list).await?,
    })
}

async fn over_stdio(
    programs: &Programs,
    questions: &Questions,
    pace: Pace,
) -> anyhow::Result<Round> {
    let ours = |question| stdio::run(programs.kasm_mcp("stdio", 0, 1), question, pace);
    let baseline = |question| stdio::run(programs.baseline(Mode::Stdio, 0), question, pace);
    Ok(Round {
        baseline_echo: baseline(&questions.baseline_echo).await?,
        baseline_status: baseline(&questions.baseline_status).await?,
        status: ours(&questions.status).await?,
        list: ours(&questions.list).await?,
        baseline_list: baseline(&questions.baseline_list).await?,
    })
}
