//! The tables, in Markdown. Every number is the median of the repetitions.

use std::fmt::Write as _;

use crate::baseline::Mode;
use crate::footprint::{Footprint, MORE_SESSIONS, SESSIONS};
use crate::load::{Pace, Sample};
use crate::process::{Cores, Memory, Programs};
use crate::rounds::{Cell, Round};

/// The middle one, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// How it was measured.
pub(crate) fn about(programs: &Programs, pace: Pace, repetitions: u16) -> String {
    let cores = match programs.cores {
        Cores::Apart => "servers on one core, load and upstream on another",
        Cores::ToBePinned | Cores::Anywhere => "processes not bound to cores",
    };
    let seconds = pace.measured.as_secs_f64();
    format!(
        "kasm-mcp {}, {} build; {cores}; {seconds} s each, median of {repetitions}.\n\
         Authentication and log on. Each client has a session and a kept connection of its own \
         and one request open.\n",
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
    )
}

/// Ours, and how it compares.
pub(crate) fn speed(cells: &[Cell]) -> String {
    let mut out = String::from(
        "| Transport | Operation | Clients | Calls/s | p50 ms | p99 ms | Errors | CPU µs | Bytes | vs echo | vs like |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for cell in cells {
        let mut line = |operation, ours: Pick, like: Pick| {
            let ratio = |other: Pick| {
                let ratio = |round| ours(round).per_second / other(round).per_second;
                median(cell.rounds.iter().map(ratio).collect())
            };
            let (echo, like) = (ratio(|round| &round.baseline_echo), ratio(like));
            let numbers = numbers(cell, ours);
            let (name, clients) = (cell.name, cell.clients);
            let _ = writeln!(
                out,
                "| {name} | {operation} | {clients} | {numbers} | {echo:.2} | {like:.2} |"
            );
        };
        line("get_session_status", |r| &r.status, |r| &r.baseline_status);
        line("tools/list", |r| &r.list, |r| &r.baseline_list);
    }
    out.push_str(
        "\nRatios are of calls/s to a bare rmcp server (below). vs echo: to its tool that does \
         nothing. vs like: to its tool that makes one upstream call, as get_session_status does; \
         of tools/list to its own tools/list, which has two tools. HTTP+SSE, which rmcp does not \
         have, is compared with its sessions. The bare server has the system's allocator. CPU: of \
         the server, per call; on a busy machine the steadiest number.\n",
    );
    out
}

/// What it is compared with.
pub(crate) fn baseline(cells: &[Cell]) -> String {
    let mut out = String::from(
        "| Bare rmcp (TCP_NODELAY, router built once) | Operation | Clients | Calls/s | p50 ms | p99 ms | Errors | CPU µs | Bytes |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for cell in cells {
        let mode = match cell.mode {
            Mode::Sessions => "sessions, events",
            Mode::Stateless => "stateless, JSON",
            Mode::Stdio => "stdio",
        };
        let picks: [(&str, Pick); 3] = [
            ("echo", |round| &round.baseline_echo),
            ("one upstream call", |round| &round.baseline_status),
            ("tools/list", |round| &round.baseline_list),
        ];
        for (operation, pick) in picks {
            let numbers = numbers(cell, pick);
            let (name, clients) = (cell.name, cell.clients);
            let _ = writeln!(
                out,
                "| {mode} (for {name}) | {operation} | {clients} | {numbers} |"
            );
        }
    }
    out
}

type Pick = fn(&Round) -> &Sample;

fn numbers(cell: &Cell, pick: Pick) -> String {
    let of = |number: fn(&Sample) -> f64| {
        let numbers = cell.rounds.iter().map(|round| number(pick(round)));
        median(numbers.collect())
    };
    let errors: usize = cell.rounds.iter().map(|round| pick(round).errors).sum();
    format!(
        "{:.0} | {:.3} | {:.3} | {errors} | {:.1} | {:.0}",
        of(|sample| sample.per_second),
        of(|sample| sample.p50_ms),
        of(|sample| sample.p99_ms),
        of(|sample| sample.cpu_us),
        of(|sample| sample.answer_bytes as f64),
    )
}

/// What waiting costs.
pub(crate) fn footprint(footprints: &[Footprint]) -> String {
    let of = |number: &dyn Fn(&Footprint) -> f64| median(footprints.iter().map(number).collect());
    let mib = |pick: fn(&Footprint) -> Memory| {
        let all = of(&|footprint| pick(footprint).all as f64 / 1024.0);
        let own = of(&|footprint| pick(footprint).own as f64 / 1024.0);
        format!("{all:.1} MiB ({own:.1} anonymous)")
    };
    let ms = |pick: fn(&Footprint) -> f64| format!("{:.1} ms", of(&pick));
    let us = |pick: fn(&Footprint) -> f64| format!("{:.0} µs", of(&pick));
    let each = of(&|footprint| {
        (footprint.full.all - footprint.idle.all) as f64 * 1024.0 / f64::from(SESSIONS)
    });
    let lines = [
        (
            "Start: exec to listening".to_owned(),
            ms(|f| f.start_ms),
            "≤ 20 ms",
        ),
        (
            "… of the bare rmcp server".to_owned(),
            ms(|f| f.baseline_start_ms),
            "",
        ),
        (
            "Memory after the start".to_owned(),
            mib(|f| f.idle),
            "≤ 12 MiB",
        ),
        (
            "… of the bare rmcp server".to_owned(),
            mib(|f| f.baseline_idle),
            "",
        ),
        (
            format!("Memory with {SESSIONS} idle sessions"),
            mib(|f| f.full),
            "≤ 150 MB",
        ),
        ("… for each".to_owned(), format!("{each:.0} bytes"), ""),
        (
            format!(
                "… after {MORE_SESSIONS} more at the limit of {SESSIONS}; the oldest made room"
            ),
            mib(|f| f.beyond),
            "no growth",
        ),
        ("… after all ended".to_owned(), mib(|f| f.ended), ""),
        (
            "To open a session: two requests".to_owned(),
            us(|f| f.open_us),
            "",
        ),
        ("… at the limit".to_owned(), us(|f| f.open_beyond_us), ""),
    ];
    let mut out = String::from("| While it waits | Measured | Target |\n| --- | ---: | ---: |\n");
    for (what, measured, target) in lines {
        let _ = writeln!(out, "| {what} | {measured} | {target} |");
    }
    out
}
