//! Commands: the plan of a script against the rules. The strictest finding decides.

use std::thread;

use super::admission;
use super::finding::{Finding, Verdict};
use super::path::{self, Match};
use super::plan::{Places, Plan, Planned, Touched};
use super::rules::{Decision, Rule, Rules};
use super::walk;
use super::word::Word;

/// The parser recurses; scripts of this size cannot exhaust a stack of this size.
const STACK_BYTES: usize = 512 * 1024 * 1024;

/// A command taken apart and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The strictest of the findings.
    pub verdict: Verdict,
    /// The decision for that verdict: `Unprovable` has its own.
    pub decision: Decision,
    /// All programs that the script would run, as far as they are known.
    pub programs: Vec<String>,
    /// All reasons, the strictest first.
    pub findings: Vec<Finding>,
}

impl Explanation {
    pub(super) fn names(&self, rule: &str) -> bool {
        self.findings.iter().any(|finding| finding.rule == rule)
    }
}

/// Parses and judges `script`.
pub(super) fn explain(rules: &Rules, script: &str, folder: &str) -> Explanation {
    let mut findings = Vec::new();
    let mut programs = Vec::new();
    if let Some(finding) = admission::outside_limits(script) {
        findings.push(finding);
    } else {
        match plan(script, folder, &rules.home) {
            Some(plan) => {
                findings.extend(plan.incomplete.as_deref().map(admission::incomplete));
                programs = plan
                    .commands
                    .iter()
                    .map(|planned| planned.program.clone())
                    .collect();
                judge(rules, &plan, &mut findings);
            }
            None => findings.push(unprovable("the parser failed")),
        }
    }
    let inside = rules.roots.iter().any(|root| path::is_inside(folder, root));
    if !inside || !folder.starts_with('/') {
        findings.push(Finding {
            verdict: Verdict::Refused,
            rule: "working-directory".to_owned(),
            what: format!("`{folder}` is outside the allowed folders"),
            why: "commands must start in the allowed folders".to_owned(),
            instead: format!("use a folder below {}", rules.roots.join(", ")),
        });
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let verdict = findings
        .first()
        .map_or(Verdict::Allowed, |finding| finding.verdict);
    let decision = match verdict {
        Verdict::Allowed => Decision::Allow,
        Verdict::Ask => Decision::Ask,
        Verdict::Refused | Verdict::Invalid => Decision::Deny,
        // A part that needs approval still needs it, whatever the other parts do.
        Verdict::Unprovable
            if findings
                .iter()
                .any(|finding| finding.verdict == Verdict::Ask) =>
        {
            rules.on_unprovable.max(Decision::Ask)
        }
        Verdict::Unprovable => rules.on_unprovable,
    };
    Explanation {
        verdict,
        decision,
        programs,
        findings,
    }
}

/// The plan, made on its own stack; `None` if the parser panicked.
fn plan(script: &str, folder: &str, home: &str) -> Option<Plan> {
    thread::scope(|scope| {
        let work = thread::Builder::new().stack_size(STACK_BYTES);
        let running = work.spawn_scoped(scope, || walk::plan(script, folder, home));
        running.ok()?.join().ok()
    })
}

fn judge(rules: &Rules, plan: &Plan, findings: &mut Vec<Finding>) {
    findings.extend(plan.doubts.iter().map(|doubt| unprovable(doubt)));
    for planned in &plan.commands {
        program(rules, planned, findings);
    }
    for touched in &plan.touched {
        file(rules, touched, findings);
    }
}

fn program(rules: &Rules, planned: &Planned, findings: &mut Vec<Finding>) {
    let mut hit = false;
    let own = is_own_program(rules, planned);
    for rule in rules.rules.iter().filter(|rule| !rule.when.wants_path()) {
        if !rule.when.program.contains(&planned.program) || (rule.when.system && own) {
            continue;
        }
        match arguments(&rule.when.args_prefix, planned) {
            Match::No => {}
            Match::Perhaps if rule.decision == Decision::Allow => {}
            Match::Perhaps => findings.push(unprovable(&format!(
                "`{}` may match rule `{}`",
                planned.display(),
                rule.id
            ))),
            Match::Yes => {
                hit = true;
                findings.extend(of_rule(rule, format!("`{}`", planned.display())));
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
        if let (Some(verdict), true) = (verdict(decision), applies) {
            findings.push(Finding {
                verdict,
                rule: rule.to_owned(),
                what: format!("`{}`", planned.display()),
                why: why.to_owned(),
                instead: "use a program that the operator's rules allow".to_owned(),
            });
        }
    }
}

/// Whether the program is a file below the roots for certain: it is named by a path, and all folders that it may
/// be started in lead there.
fn is_own_program(rules: &Rules, planned: &Planned) -> bool {
    let name = planned.argv.first().and_then(Word::literal);
    let Some(name) = name.filter(|name| name.contains('/')) else {
        return false;
    };
    let Places { known, unknown } = &planned.places;
    let is_below = |folder: &String| {
        let path = path::resolve(folder, &name);
        rules.roots.iter().any(|root| path::is_inside(&path, root))
    };
    known.iter().all(is_below) && !known.is_empty() && (!unknown || name.starts_with('/'))
}

/// Whether the arguments without options begin with `wanted`.
fn arguments(wanted: &[String], planned: &Planned) -> Match {
    let mut given = planned.argv[1..]
        .iter()
        .filter(|word| !word.prefix().starts_with('-'));
    for want in wanted {
        match given.next().map(|word| word.literal()) {
            Some(Some(text)) if text == *want => {}
            Some(None) => return Match::Perhaps,
            _ => return Match::No,
        }
    }
    Match::Yes
}

fn file(rules: &Rules, touched: &Touched, findings: &mut Vec<Finding>) {
    let what = format!("`{}` of `{}`", touched.word.display(), touched.by);
    for tree in &rules.protected {
        let sure = path::reaches(touched, tree, false);
        let climbs = path::climbs(&touched.word) && !touched.word.display().contains(' ');
        let (rule, why) = match (touched.writes, climbs) {
            (true, _) => (
                "protected-paths",
                format!("{tree} is protected from writing"),
            ),
            (false, true) => ("path-traversal", format!("`..` leads into {tree}")),
            (false, false) => continue,
        };
        match sure {
            Match::No => {}
            Match::Perhaps => findings.push(unprovable(&format!("{what} may be below {tree}"))),
            Match::Yes => findings.push(Finding {
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
            .map(|(tree, exactly)| path::reaches(touched, tree, exactly));
        match sure.max().unwrap_or(Match::No) {
            Match::No => {}
            Match::Perhaps if rule.decision == Decision::Allow => {}
            Match::Perhaps => {
                findings.push(unprovable(&format!("{what} may match rule `{}`", rule.id)))
            }
            Match::Yes => findings.extend(of_rule(rule, what.clone())),
        }
    }
}

fn verdict(decision: Decision) -> Option<Verdict> {
    match decision {
        Decision::Allow => None,
        Decision::Ask => Some(Verdict::Ask),
        Decision::Deny => Some(Verdict::Refused),
    }
}

fn of_rule(rule: &Rule, what: String) -> Option<Finding> {
    Some(Finding {
        verdict: verdict(rule.decision)?,
        rule: rule.id.clone(),
        what,
        why: rule.why.clone(),
        instead: rule.instead.clone(),
    })
}

fn unprovable(what: &str) -> Finding {
    Finding {
        verdict: Verdict::Unprovable,
        rule: "unprovable".to_owned(),
        what: what.to_owned(),
        why: "what it runs is known only at run time".to_owned(),
        instead: "write programs and scripts literally, not built from variables or output"
            .to_owned(),
    }
}
