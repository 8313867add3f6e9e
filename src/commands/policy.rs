//! `kasm-mcp policy check`: shows how the policy judges a command, and why.

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;

use anyhow::Context as _;

use super::print_text;
use crate::cli::{PolicyCheckOptions, PolicyCommand};
use crate::policy::{CommandExplanation, Policy, RuleDecision, Verdict};

pub(super) fn run_policy(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(options) => check_command(options),
    }
}

fn check_command(options: &PolicyCheckOptions) -> anyhow::Result<ExitCode> {
    let policy = match &options.rules {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
            Policy::from_rules_text(&text).with_context(|| format!("{}", file.display()))?
        }
        None => Policy::built_in()?,
    };
    let explanation = policy.explain_command(&options.command, options.working_dir.as_deref());
    print_text(&explanation_text(&explanation))?;
    Ok(ExitCode::from(exit_code(&explanation)))
}

fn exit_code(explanation: &CommandExplanation) -> u8 {
    match (explanation.verdict, explanation.decision) {
        (Verdict::Allowed, _) | (Verdict::Unprovable, RuleDecision::Allow) => 0,
        (Verdict::Refused | Verdict::Invalid, _) => 1,
        (Verdict::Ask, _) => 2,
        (Verdict::Unprovable, RuleDecision::Ask | RuleDecision::Deny) => 3,
    }
}

fn explanation_text(explanation: &CommandExplanation) -> String {
    let mut out = match (explanation.verdict, explanation.decision) {
        (Verdict::Allowed, _) => "allowed\n",
        (Verdict::Ask, _) => "needs approval: a person is asked\n",
        (Verdict::Refused, _) => "refused\n",
        (Verdict::Invalid, _) => "refused: the command is invalid\n",
        (Verdict::Unprovable, RuleDecision::Allow) => "unprovable: allowed\n",
        (Verdict::Unprovable, RuleDecision::Ask) => "unprovable: a person is asked\n",
        (Verdict::Unprovable, RuleDecision::Deny) => "unprovable: refused\n",
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
