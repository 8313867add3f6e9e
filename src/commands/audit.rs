//! `kasm-mcp audit`: verifies and shows the audit log.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use super::{print_text, settings_sources};
use crate::audit;
use crate::cli::{AuditCommand, SettingsFlags, TailFormat};
use crate::config;

pub(super) fn run_audit(
    command: &AuditCommand,
    settings: &SettingsFlags,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { file } => verify_files(&chosen_file(file.as_ref(), settings)?),
        AuditCommand::Tail {
            file,
            lines,
            format,
        } => print_tail(&chosen_file(file.as_ref(), settings)?, *lines, *format),
    }
}

fn chosen_file(named: Option<&PathBuf>, settings: &SettingsFlags) -> anyhow::Result<PathBuf> {
    match named {
        Some(file) => Ok(file.clone()),
        None => Ok(config::audit_file(&settings_sources(settings))?),
    }
}

fn verify_files(file: &Path) -> anyhow::Result<ExitCode> {
    let whole = audit::verify_chain(file)?;
    let mut text = format!(
        "intact: lines {} to {} in {} files\n",
        whole.first, whole.last, whole.files
    );
    if whole.beyond_the_head > 0 {
        let _infallible = writeln!(
            text,
            "{} of them are newer than {}.head: the server is writing, or it ended without closing the log",
            whole.beyond_the_head,
            file.display()
        );
    }
    print_text(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn print_tail(file: &Path, count: usize, format: TailFormat) -> anyhow::Result<ExitCode> {
    // `--lines` may be huge, so memory grows only with the lines that exist.
    let mut last = VecDeque::with_capacity(count.min(10_000));
    for path in audit::chain_files(file).with_context(|| file.display().to_string())? {
        let lines = File::open(&path).with_context(|| path.display().to_string())?;
        for line in BufReader::new(lines).lines() {
            if last.len() == count {
                last.pop_front();
            }
            last.push_back(line.with_context(|| path.display().to_string())?);
        }
    }
    let mut text = String::new();
    for line in last.iter().filter(|_| count > 0) {
        match format {
            TailFormat::Json => text.push_str(line),
            TailFormat::Text => text.push_str(&plain_line(line)),
        }
        text.push('\n');
    }
    print_text(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A line for people.
fn plain_line(line: &str) -> String {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        // The text is not repeated: a damaged line may have bytes that control the terminal.
        return format!("not an audit line: {} bytes", line.len());
    };
    let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let mut out = format!("{} {:<7}", text("time"), text("event"));
    for name in ["caller", "tool", "outcome"] {
        if !line[name].is_null() {
            let _infallible = write!(out, " {}", text(name));
        }
    }
    if let Some(took) = line["duration_ms"].as_u64() {
        let _infallible = write!(out, " {took} ms");
    }
    for name in ["arguments", "broken", "missed", "torn_bytes"] {
        if !line[name].is_null() {
            let _infallible = write!(out, " {name}={}", line[name]);
        }
    }
    out
}
