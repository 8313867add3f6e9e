//! The rules for commands and paths: values in, [`Permit`] or [`Denial`] out. Only this module creates permits,
//! so code that requires one cannot bypass the policy.
//!
//! Commands are parsed, never matched as text. This prevents accidents and makes approval possible; the
//! boundary is the container. `docs/policy.md` lists the limits.

mod admission;
mod command;
mod command_judge;
mod escape;
mod finding;
mod path;
mod plan;
mod rules;
mod walk;
mod word;

use std::fmt;

pub use admission::{INCOMPLETE_RULE, SCRIPT_BYTES_MAX};
pub use command::CommandExplanation;
pub use command_judge::{CommandJudge, CommandRequest, Judgement, PendingCommand};
pub use finding::{PolicyFinding, Verdict};
pub use path::{CheckedPath, FileAccess, PATH_BYTES_MAX};
pub use rules::{RuleDecision, RulesError};

use rules::PolicyRules;

/// A value that the policy permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit<T>(T);

impl<T> Permit<T> {
    /// The permitted command or path.
    pub fn permitted_value(&self) -> &T {
        &self.0
    }

    /// Consumes the permit.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Why something is not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The verdict; never [`Verdict::Allowed`].
    pub verdict: Verdict,
    /// Whether a person may still approve it.
    pub decision: RuleDecision,
    /// The id of the deciding rule.
    pub rule: String,
    /// The problem, for the caller.
    pub message: String,
    /// An allowed alternative.
    pub instead: String,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (rule `{}`). Instead: {}",
            self.message, self.rule, self.instead
        )
    }
}

impl std::error::Error for Denial {}

/// The finding that decides, unless the command is allowed.
fn strictest(explanation: CommandExplanation) -> Option<Denial> {
    let CommandExplanation {
        decision, findings, ..
    } = explanation;
    match decision {
        RuleDecision::Allow => None,
        RuleDecision::Ask | RuleDecision::Deny => {
            // The findings are sorted: the first one is the strictest.
            findings.into_iter().next().map(|finding| Denial {
                verdict: finding.verdict,
                decision,
                message: format!("{}: {}", finding.what, finding.why),
                rule: finding.rule,
                instead: finding.instead,
            })
        }
    }
}

/// The rules of a server.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: PolicyRules,
}

impl Policy {
    /// The built-in rules alone. The tests run their examples, not each start, because the parser would use
    /// memory before any call needs it.
    ///
    /// # Errors
    /// Never, as the tests show; the built-in file is read like any other.
    pub fn built_in() -> Result<Self, RulesError> {
        Ok(Self {
            rules: PolicyRules::read_toml("")?,
        })
    }

    /// The rules of an operator's file, added to the built-in ones.
    ///
    /// # Errors
    /// The file is invalid, or an example fails.
    pub fn from_rules_text(text: &str) -> Result<Self, RulesError> {
        let policy = Self {
            rules: PolicyRules::read_toml(text)?,
        };
        PolicyRules::check_examples(&policy)?;
        Ok(policy)
    }

    /// Replaces the folders of the file.
    ///
    /// # Errors
    /// A folder is not absolute.
    pub fn with_roots(mut self, roots: &[String]) -> Result<Self, RulesError> {
        self.rules.set_roots(roots)?;
        Ok(self)
    }

    /// The folders that file tools may use. Links can only be resolved in the session, so the check is repeated
    /// there.
    #[must_use]
    pub fn roots(&self) -> &[String] {
        &self.rules.roots
    }

    /// The folders inside them that are forbidden.
    #[must_use]
    pub fn protected_paths(&self, access: FileAccess) -> Vec<String> {
        // Hidden trees hold secrets, so they are forbidden for reading too; protected trees only for writing.
        let mut barred = self.rules.hidden.clone();
        if access == FileAccess::Write {
            barred.extend(self.rules.protected.iter().cloned());
        }
        barred
    }

    /// Parses a script and returns the findings.
    #[must_use]
    pub fn explain_command(&self, script: &str, working_dir: Option<&str>) -> CommandExplanation {
        command::explain_script(&self.rules, script, &self.starting_folder(working_dir))
    }

    /// Judges a command: its script, its folder and its environment.
    ///
    /// The work grows with the length of the script, and the parser needs a thread of its own. A server
    /// calls this through a [`CommandJudge`], so that no thread that serves requests waits.
    ///
    /// # Errors
    /// The deciding finding: for the script, if it leads to [`RuleDecision::Deny`]; for variables, if it is
    /// not allowed.
    pub fn judge_command(&self, request: CommandRequest) -> Result<Judgement, Denial> {
        let explanation = self.explain_command(&request.script, request.working_dir.as_deref());
        let denial = strictest(explanation);
        if let Some(denial) = denial
            .as_ref()
            .filter(|denial| denial.decision == RuleDecision::Deny)
        {
            return Err(denial.clone());
        }
        // A person is shown the script but not the variables, so a variable that needs approval is denied.
        let assignments = request.assignments_script();
        let assigned =
            assignments.and_then(|assignments| strictest(self.explain_command(&assignments, None)));
        if let Some(assigned) = assigned {
            return Err(assigned);
        }
        Ok(match denial {
            None => Judgement::Permitted(Permit(request)),
            Some(denial) => Judgement::NeedsConsent(PendingCommand::new(denial, request)),
        })
    }

    /// Permits a path for the file tools.
    ///
    /// # Errors
    /// The path is not absolute and plain, is outside the roots, protected or hidden.
    pub fn judge_path(
        &self,
        path: &str,
        access: FileAccess,
    ) -> Result<Permit<CheckedPath>, Denial> {
        let deny = |rule: &str, message: String| {
            Err(Denial {
                verdict: Verdict::Refused,
                decision: RuleDecision::Deny,
                rule: rule.to_owned(),
                message,
                instead: format!("use an absolute path below {}", self.rules.roots.join(", ")),
            })
        };
        if path.len() > PATH_BYTES_MAX || path.chars().any(|c| c == '\0') {
            return deny(
                "path-form",
                "the path is too long or contains NUL".to_owned(),
            );
        }
        if !path.starts_with('/') {
            return deny("path-form", format!("`{path}` is not absolute"));
        }
        // After a symbolic link, `..` leads to the parent of the link's target, which the text does not show.
        if path.split('/').any(|part| part == "..") {
            return deny("path-form", format!("`{path}` contains `..`"));
        }
        // This is text only: a link below a root may lead out of it, so the session checks the resolved path
        // again.
        let path = path::resolve_path("/", path);
        if !self
            .rules
            .roots
            .iter()
            .any(|root| path::is_inside(&path, root))
        {
            return deny(
                "path-roots",
                format!("`{path}` is outside the allowed folders"),
            );
        }
        let inside = |trees: &[String]| trees.iter().any(|tree| path::is_inside(&path, tree));
        if access == FileAccess::Write && inside(&self.rules.protected) {
            return deny(
                "protected-paths",
                format!("`{path}` is protected from writing"),
            );
        }
        if inside(&self.rules.hidden) {
            return deny("hidden-paths", format!("`{path}` holds secrets"));
        }
        Ok(Permit(CheckedPath { path, access }))
    }

    fn starting_folder(&self, working_dir: Option<&str>) -> String {
        match working_dir {
            // A relative folder is kept and refused later.
            Some(folder) if folder.starts_with('/') => path::resolve_path("/", folder),
            Some(folder) => folder.to_owned(),
            None => self.rules.home.clone(),
        }
    }
}
