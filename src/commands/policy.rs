//! `kasm-mcp policy check`: shows how the policy judges a command, and why.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;

use super::print;
use crate::cli::{PolicyCheck, PolicyCommand};
use crate::policy::{Decision, Explanation, Policy, Verdict};

pub(super) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(options) => check(options),
    }
}

fn check(options: &PolicyCheck) -> anyhow::Result<ExitCode> {
    let policy = match &options.rules {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
            Policy::load(&text).with_context(|| format!("{}", file.display()))?
        }
        None => Policy::built_in()?,
    };
    let explanation = policy.explain(&options.command, options.working_dir.as_deref());
    print(&text(&explanation))?;
    Ok(ExitCode::from(code(&explanation)))
}

fn code(explanation: &Explanation) -> u8 {
    match (explanation.verdict, explanation.decision) {
        (Verdict::Allowed, _) | (Verdict::Unprovable, Decision::Allow) => 0,
        (Verdict::Refused | Verdict::Invalid, _) => 1,
        (Verdict::Ask, _) => 2,
        (Verdict::Unprovable, Decision::Ask | Decision::Deny) => 3,
    }
}

fn text(explanation: &Explanation) -> String {
    let mut out = match (explanation.verdict, explanation.decision) {
        (Verdict::Allowed, _) => "allowed\n",
        (Verdict::Ask, _) => "needs approval: a person is asked\n",
        (Verdict::Refused, _) => "refused\n",
        (Verdict::Invalid, _) => "refused: the command is invalid\n",
        (Verdict::Unprovable, Decision::Allow) => "unprovable: allowed\n",
        (Verdict::Unprovable, Decision::Ask) => "unprovable: a person is asked\n",
        (Verdict::Unprovable, Decision::Deny) => "unprovable: refused\n",
    }
    .to_owned();
    if !explanation.programs.is_empty() {
        let _infallible = writeln!(out, "programs: {}", explanation.programs.join(", "));
    }
    for finding in &explanation.findings {
        let _infallible = writeln!(
            out,
            "\n{}: {}\n  why: {}\n  instead: {}",
            finding.rule, finding.what, finding.why, finding.instead
        );
    }
    out
}
