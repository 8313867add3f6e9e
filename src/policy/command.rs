//! Commands: the plan of a script against the rules. The strictest finding decides.

use std::thread;

use super::admission;
use super::finding::{PolicyFinding, Verdict};
use super::path::{self, PathMatch};
use super::plan::{PlannedProgram, PossibleFolders, ScriptPlan, TouchedFile};
use super::rules::{PolicyRule, PolicyRules, RuleDecision};
use super::walk;
use super::word::ShellWord;

/// The parser recurses; scripts of this size cannot exhaust a stack of this size.
// The kernel commits a page of the stack when it is touched, so a short script costs only some of them.
const STACK_BYTES: usize = 512 * 1024 * 1024;

/// A command taken apart and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandExplanation {
    /// The strictest of the findings.
    pub verdict: Verdict,
    /// The decision for that verdict: `Unprovable` has its own.
    pub decision: RuleDecision,
    /// All programs that the script would run, as far as they are known.
    pub programs: Vec<String>,
    /// All reasons, the strictest first.
    pub findings: Vec<PolicyFinding>,
}

impl CommandExplanation {
    pub(super) fn names_rule(&self, rule: &str) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }
}

/// Parses and judges `script`.
pub(super) fn explain_script(
    rules: &PolicyRules,
    script: &str,
    folder: &str,
) -> CommandExplanation {
    let mut findings = Vec::new();
    let mut programs = Vec::new();
    if let Some(finding) = admission::outside_limits(script) {
        findings.push(finding);
    } else {
        match plan_within_limits(script, folder, &rules.home) {
            Some(plan) => {
                findings.extend(plan.incomplete.as_deref().map(admission::incomplete_script));
                programs = plan
                    .commands
                    .iter()
                    .map(|planned| planned.program.clone())
                    .collect();
                judge_plan(rules, &plan, &mut findings);
            }
            None => findings.push(unprovable_finding("the parser failed")),
        }
    }
    // The folder is checked even if the script is refused, so one answer names all problems.
    let inside = rules.roots.iter().any(|root| path::is_inside(folder, root));
    if !inside || !folder.starts_with('/') {
        findings.push(PolicyFinding {
            verdict: Verdict::Refused,
            rule: "working-directory".to_owned(),
            what: format!("`{folder}` is outside the allowed folders"),
            why: "commands must start in the allowed folders".to_owned(),
            instead: format!("use a folder below {}", rules.roots.join(", ")),
        });
    }
    // The first finding is reported. The sort is stable, so equally strict ones keep their order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let verdict = findings
        .first()
        .map_or(Verdict::Allowed, |finding| finding.verdict);
    let decision = match verdict {
        Verdict::Allowed => RuleDecision::Allow,
        Verdict::Ask => RuleDecision::Ask,
        Verdict::Refused | Verdict::Invalid => RuleDecision::Deny,
        // A part that needs approval still needs it, whatever the other parts do.
        Verdict::Unprovable
            if findings
                .iter()
                .any(|finding| finding.verdict == Verdict::Ask) =>
        {
            rules.on_unprovable.max(RuleDecision::Ask)
        }
        Verdict::Unprovable => rules.on_unprovable,
    };
    CommandExplanation {
        verdict,
        decision,
        programs,
        findings,
    }
}

/// The plan, made on its own stack; `None` if the parser panicked.
fn plan_within_limits(script: &str, folder: &str, home: &str) -> Option<ScriptPlan> {
    thread::scope(|scope| {
        let work = thread::Builder::new().stack_size(STACK_BYTES);
        let running = work.spawn_scoped(scope, || walk::plan_script(script, folder, home));
        // A panic of the parser ends only this thread. The script counts as unprovable then, not as allowed.
        running.ok()?.join().ok()
    })
}

fn judge_plan(rules: &PolicyRules, plan: &ScriptPlan, findings: &mut Vec<PolicyFinding>) {
    findings.extend(plan.doubts.iter().map(|doubt| unprovable_finding(doubt)));
    for planned in &plan.commands {
        judge_program(rules, planned, findings);
    }
    for touched in &plan.touched {
        judge_file(rules, touched, findings);
    }
}

fn judge_program(rules: &PolicyRules, planned: &PlannedProgram, findings: &mut Vec<PolicyFinding>) {
    let mut hit = false;
    let own = is_own_program(rules, planned);
    for rule in rules.rules.iter().filter(|rule| !rule.when.wants_path()) {
        if !rule.when.program.contains(&planned.program) || (rule.when.system && own) {
            continue;
        }
        match match_arguments(&rule.when.args_prefix, planned) {
            PathMatch::No => {}
            // An `allow` that only may match grants nothing: `hit` stays false, and the default applies.
            PathMatch::Perhaps if rule.decision == RuleDecision::Allow => {}
            PathMatch::Perhaps => findings.push(unprovable_finding(&format!(
                "`{}` may match rule `{}`",
                planned.display_words(),
                rule.id
            ))),
            PathMatch::Yes => {
                hit = true;
                findings.extend(finding_of_rule(
                    rule,
                    format!("`{}`", planned.display_words()),
                ));
            }
        }
    }
    let general = [
        (
            rules.default,
            !hit,
            "default",
            "no rule allows this program",
        ),
        (
            rules.on_opaque,
            planned.opaque,
            "opaque",
            "it runs code that is not on the command line",
        ),
    ];
    for (decision, applies, rule, why) in general {
        if let (Some(verdict), true) = (verdict_of_decision(decision), applies) {
            findings.push(PolicyFinding {
                verdict,
                rule: rule.to_owned(),
                what: format!("`{}`", planned.display_words()),
                why: why.to_owned(),
                instead: "use a program that the operator's rules allow".to_owned(),
            });
        }
    }
}

/// Whether the program is a file below the roots for certain: it is named by a path, and all folders that it may
/// be started in lead there.
fn is_own_program(rules: &PolicyRules, planned: &PlannedProgram) -> bool {
    let name = planned.argv.first().and_then(ShellWord::literal_text);
    let Some(name) = name.filter(|name| name.contains('/')) else {
        return false;
    };
    let PossibleFolders { known, unknown } = &planned.places;
    let is_below = |folder: &String| {
        let path = path::resolve_path(folder, &name);
        rules.roots.iter().any(|root| path::is_inside(&path, root))
    };
    known.iter().all(is_below) && !known.is_empty() && (!unknown || name.starts_with('/'))
}

/// Whether the arguments without options begin with `wanted`.
fn match_arguments(wanted: &[String], planned: &PlannedProgram) -> PathMatch {
    // Options may stand between arguments (`git --no-pager push`), so they are skipped. The value of an
    // option counts as an argument, because which options take one is not known here.
    let mut given = planned.argv[1..]
        .iter()
        .filter(|word| !word.known_prefix().starts_with('-'));
    for want in wanted {
        match given.next().map(|word| word.literal_text()) {
            Some(Some(text)) if text == *want => {}
            Some(None) => return PathMatch::Perhaps,
            _ => return PathMatch::No,
        }
    }
    PathMatch::Yes
}

fn judge_file(rules: &PolicyRules, touched: &TouchedFile, findings: &mut Vec<PolicyFinding>) {
    let what = format!("`{}` of `{}`", touched.word.display_text(), touched.by);
    for tree in &rules.protected {
        let sure = path::reaches_tree(touched, tree, false);
        // Protected trees may be read by their full path; only a way in through `..` is refused. A word with
        // blanks is taken for text, not for a path.
        let climbs = path::climbs_out(&touched.word) && !touched.word.display_text().contains(' ');
        let (rule, why) = match (touched.writes, climbs) {
            (true, _) => (
                "protected-paths",
                format!("{tree} is protected from writing"),
            ),
            (false, true) => ("path-traversal", format!("`..` leads into {tree}")),
            (false, false) => continue,
        };
        match sure {
            PathMatch::No => {}
            PathMatch::Perhaps => {
                findings.push(unprovable_finding(&format!("{what} may be below {tree}")))
            }
            PathMatch::Yes => findings.push(PolicyFinding {
                verdict: Verdict::Refused,
                rule: rule.to_owned(),
                what: what.clone(),
                why,
                instead: format!("use paths below {}", rules.roots.join(", ")),
            }),
        }
    }
    for rule in rules.rules.iter().filter(|rule| rule.when.wants_path()) {
        if !rule.when.program.is_empty() && !rule.when.program.contains(&touched.by) {
            continue;
        }
        let write = rule.when.path_write.iter().filter(|_| touched.writes);
        let below = rule.when.path.iter().chain(write).map(|tree| (tree, false));
        let exact = rule.when.path_exact.iter().map(|tree| (tree, true));
        let sure = below
            .chain(exact)
            .map(|(tree, exactly)| path::reaches_tree(touched, tree, exactly));
        match sure.max().unwrap_or(PathMatch::No) {
            PathMatch::No => {}
            PathMatch::Perhaps if rule.decision == RuleDecision::Allow => {}
            PathMatch::Perhaps => findings.push(unprovable_finding(&format!(
                "{what} may match rule `{}`",
                rule.id
            ))),
            PathMatch::Yes => findings.extend(finding_of_rule(rule, what.clone())),
        }
    }
}

fn verdict_of_decision(decision: RuleDecision) -> Option<Verdict> {
    match decision {
        RuleDecision::Allow => None,
        RuleDecision::Ask => Some(Verdict::Ask),
        RuleDecision::Deny => Some(Verdict::Refused),
    }
}

fn finding_of_rule(rule: &PolicyRule, what: String) -> Option<PolicyFinding> {
    Some(PolicyFinding {
        verdict: verdict_of_decision(rule.decision)?,
        rule: rule.id.clone(),
        what,
        why: rule.why.clone(),
        instead: rule.instead.clone(),
    })
}

fn unprovable_finding(what: &str) -> PolicyFinding {
    PolicyFinding {
        verdict: Verdict::Unprovable,
        rule: "unprovable".to_owned(),
        what: what.to_owned(),
        why: "what it runs is known only at run time".to_owned(),
        instead: "write programs and scripts literally, not built from variables or output"
            .to_owned(),
    }
}
