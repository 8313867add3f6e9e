//! The rules file: TOML in, checked rules out. A rule's examples are run when the file is read.

use serde::Deserialize;

use super::{Policy, path};

/// The built-in rules.
pub(super) const BUILT_IN: &str = include_str!("default.toml");

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleDecision {
    // The order is from lenient to strict, so the maximum of two decisions is the safe one.
    /// It runs.
    Allow,
    /// It runs if a person approves.
    Ask,
    /// It does not run.
    Deny,
}

/// A rules file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not valid TOML, or unknown fields.
    #[error("the rules cannot be parsed: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Two rules with one id.
    #[error("two rules have the id `{0}`")]
    Twice(String),
    /// A rule that would match every command, or none.
    #[error("rule `{0}`: `when` needs `program`, `path`, `path_write` or `path_exact`")]
    Empty(String),
    /// A folder that is not absolute.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// An example of a rule that the rule does not judge as it says.
    #[error("rule `{rule}`: the example `{example}` should {expected}, but does not")]
    Example {
        /// The id of the rule.
        rule: String,
        /// The command.
        example: String,
        /// `hit` or `miss`.
        expected: &'static str,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyRule {
    pub(super) id: String,
    pub(super) decision: RuleDecision,
    pub(super) when: RuleCondition,
    pub(super) why: String,
    #[serde(default)]
    pub(super) instead: String,
    #[serde(default)]
    examples: RuleExamples,
}

/// All that is given must match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RuleCondition {
    pub(super) program: Vec<String>,
    /// Only the system's program: a file below the roots is another one, whatever its name.
    pub(super) system: bool,
    /// The first arguments that are not options.
    pub(super) args_prefix: Vec<String>,
    /// Folders whose files an argument names.
    pub(super) path: Vec<String>,
    pub(super) path_write: Vec<String>,
    /// Paths that an argument names, without what is below them.
    pub(super) path_exact: Vec<String>,
}

impl RuleCondition {
    pub(super) fn wants_path(&self) -> bool {
        !(self.path.is_empty() && self.path_write.is_empty() && self.path_exact.is_empty())
    }

    fn paths_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let all = self.path.iter_mut().chain(&mut self.path_write);
        all.chain(&mut self.path_exact)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleExamples {
    hit: Vec<String>,
    miss: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RulesFile {
    policy: GeneralSection,
    paths: PathsSection,
    rule: Vec<PolicyRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GeneralSection {
    default: Option<RuleDecision>,
    on_unprovable: Option<RuleDecision>,
    on_opaque: Option<RuleDecision>,
    built_in_rules: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PathsSection {
    home: Option<String>,
    roots: Option<Vec<String>>,
    protected: Option<Vec<String>>,
    hidden: Option<Vec<String>>,
}

/// Rules and settings, complete and with absolute paths.
#[derive(Clone, Debug)]
pub(super) struct PolicyRules {
    pub(super) default: RuleDecision,
    pub(super) on_unprovable: RuleDecision,
    pub(super) on_opaque: RuleDecision,
    pub(super) home: String,
    pub(super) roots: Vec<String>,
    pub(super) protected: Vec<String>,
    pub(super) hidden: Vec<String>,
    pub(super) rules: Vec<PolicyRule>,
}

impl PolicyRules {
    /// Reads an operator's file over the built-in one, without running examples.
    pub(super) fn read_toml(text: &str) -> Result<Self, RulesError> {
        let base: RulesFile = toml::from_str(BUILT_IN)?;
        let over: RulesFile = toml::from_str(text)?;
        // A file adds rules to the built-in ones; it replaces them only if it sets `built_in_rules` to false.
        let mut rules = if over.policy.built_in_rules == Some(false) {
            Vec::new()
        } else {
            base.rule
        };
        rules.extend(over.rule);
        let pick = |over: Option<RuleDecision>, base: Option<RuleDecision>| {
            over.or(base).unwrap_or(RuleDecision::Ask)
        };
        let home = over.paths.home.or(base.paths.home).unwrap_or_default();
        let folders = |over: Option<Vec<String>>, base: Option<Vec<String>>| {
            let folders = over.or(base).unwrap_or_default().into_iter();
            folders
                .map(|folder| absolute_path(&folder, &home))
                .collect::<Result<Vec<_>, _>>()
        };
        for rule in &mut rules {
            if rule.when.program.is_empty() && !rule.when.wants_path() {
                return Err(RulesError::Empty(rule.id.clone()));
            }
            for path in rule.when.paths_mut() {
                *path = absolute_path(path, &home)?;
            }
        }
        for (at, rule) in rules.iter().enumerate() {
            if rules[..at].iter().any(|other| other.id == rule.id) {
                return Err(RulesError::Twice(rule.id.clone()));
            }
        }
        Ok(Self {
            default: pick(over.policy.default, base.policy.default),
            on_unprovable: pick(over.policy.on_unprovable, base.policy.on_unprovable),
            on_opaque: pick(over.policy.on_opaque, base.policy.on_opaque),
            roots: folders(over.paths.roots, base.paths.roots)?,
            protected: folders(over.paths.protected, base.paths.protected)?,
            hidden: folders(over.paths.hidden, base.paths.hidden)?,
            home: absolute_path(&home, "/")?,
            rules,
        })
    }

    /// Replaces the roots.
    pub(super) fn set_roots(&mut self, roots: &[String]) -> Result<(), RulesError> {
        let roots = roots.iter().map(|root| absolute_path(root, &self.home));
        self.roots = roots.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Runs the examples of every rule.
    pub(super) fn check_examples(policy: &Policy) -> Result<(), RulesError> {
        for rule in &policy.rules.rules {
            let hits = rule.examples.hit.iter().map(|example| (example, true));
            let misses = rule.examples.miss.iter().map(|example| (example, false));
            for (example, expected) in hits.chain(misses) {
                // The whole policy judges the example, so a rule is tested in the form in which it will work.
                let hit = policy.explain_command(example, None).names_rule(&rule.id);
                if hit != expected {
                    return Err(RulesError::Example {
                        rule: rule.id.clone(),
                        example: example.clone(),
                        expected: if expected { "hit" } else { "miss" },
                    });
                }
            }
        }
        Ok(())
    }
}

fn absolute_path(text: &str, home: &str) -> Result<String, RulesError> {
    // Only the session's own home is known here: `~other` stays relative and is refused below.
    let full = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => text.to_owned(),
    };
    if !full.starts_with('/') {
        return Err(RulesError::Relative(text.to_owned()));
    }
    Ok(path::resolve_path("/", &full))
}
