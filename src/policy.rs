//! What may be run and which files may be touched: values in, [`Permit`] or [`Denial`] out. Only this
//! module makes permits, so what takes one cannot be reached around the policy.
//!
//! Commands are parsed, never matched as text. This prevents accidents and gives approval a place; the
//! boundary is the container. `docs/policy.md` says what it cannot do.

mod admission;
mod command;
mod escape;
mod finding;
mod judging;
mod path;
mod plan;
mod rules;
mod walk;
mod word;

use std::fmt;

pub use admission::{INCOMPLETE_RULE, SCRIPT_BYTES_MAX};
pub use command::Explanation;
pub use finding::{Finding, Verdict};
pub use judging::{CommandJudge, CommandRequest, Judgement, PendingCommand};
pub use path::{Access, CheckedPath, PATH_BYTES_MAX};
pub use rules::{Decision, RulesError};

use rules::Rules;

/// A value that the policy has looked at and permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit<T>(T);

impl<T> Permit<T> {
    /// What is permitted.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Uses the permit up.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Why something is not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// How it was judged; never [`Verdict::Allowed`].
    pub verdict: Verdict,
    /// Whether a person may still agree.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: String,
    /// What is wrong, for the caller.
    pub message: String,
    /// What would be allowed.
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
fn strictest(explanation: Explanation) -> Option<Denial> {
    let Explanation {
        decision, findings, ..
    } = explanation;
    match decision {
        Decision::Allow => None,
        Decision::Ask | Decision::Deny => findings.into_iter().next().map(|finding| Denial {
            verdict: finding.verdict,
            decision,
            message: format!("{}: {}", finding.what, finding.why),
            rule: finding.rule,
            instead: finding.instead,
        }),
    }
}

/// The rules of a server.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Rules,
}

impl Policy {
    /// The built-in rules alone. Their examples are run by the tests, not at each start: the parser
    /// would take memory before anybody needs it.
    ///
    /// # Errors
    /// Never, as the tests show; the built-in file is read like any other.
    pub fn built_in() -> Result<Self, RulesError> {
        Ok(Self {
            rules: Rules::read("")?,
        })
    }

    /// The rules of an operator's file, over the built-in ones.
    ///
    /// # Errors
    /// The file cannot be read, or an example is not judged as it says.
    pub fn load(text: &str) -> Result<Self, RulesError> {
        let policy = Self {
            rules: Rules::read(text)?,
        };
        Rules::check(&policy)?;
        Ok(policy)
    }

    /// The same rules for other folders than the file names.
    ///
    /// # Errors
    /// A folder is not absolute.
    pub fn with_roots(mut self, roots: &[String]) -> Result<Self, RulesError> {
        self.rules.set_roots(roots)?;
        Ok(self)
    }

    /// The folders that files may be touched in. Links are resolved where the files are, so the check is
    /// made again there.
    #[must_use]
    pub fn roots(&self) -> &[String] {
        &self.rules.roots
    }

    /// The folders that are off limits all the same.
    #[must_use]
    pub fn barred(&self, access: Access) -> Vec<String> {
        let mut barred = self.rules.hidden.clone();
        if access == Access::Write {
            barred.extend(self.rules.protected.iter().cloned());
        }
        barred
    }

    /// Takes a script apart and tells what speaks against it.
    #[must_use]
    pub fn explain(&self, script: &str, working_dir: Option<&str>) -> Explanation {
        command::explain(&self.rules, script, &self.folder(working_dir))
    }

    /// Judges a command: its script, its folder and its environment.
    ///
    /// The work grows with the length of the script, and the parser needs a thread of its own. A server
    /// calls this through a [`CommandJudge`], so that no thread that serves requests waits.
    ///
    /// # Errors
    /// The strictest finding, when it ends in [`Decision::Deny`], and for variables whenever it is not
    /// allowed.
    pub fn judge(&self, request: CommandRequest) -> Result<Judgement, Denial> {
        let explanation = self.explain(&request.script, request.working_dir.as_deref());
        let denial = strictest(explanation);
        if let Some(denial) = denial
            .as_ref()
            .filter(|denial| denial.decision == Decision::Deny)
        {
            return Err(denial.clone());
        }
        // A person is asked about the script and would not see the variables, so what needs consent among
        // them is denied.
        let assignments = request.assignments();
        let assigned =
            assignments.and_then(|assignments| strictest(self.explain(&assignments, None)));
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
    /// The path is not plain and absolute, outside the roots, protected or hidden.
    pub fn path(&self, path: &str, access: Access) -> Result<Permit<CheckedPath>, Denial> {
        let deny = |rule: &str, message: String| {
            Err(Denial {
                verdict: Verdict::Refused,
                decision: Decision::Deny,
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
        if path.split('/').any(|part| part == "..") {
            return deny("path-form", format!("`{path}` contains `..`"));
        }
        let path = path::resolve("/", path);
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
        if access == Access::Write && inside(&self.rules.protected) {
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

    fn folder(&self, working_dir: Option<&str>) -> String {
        match working_dir {
            // A relative folder stays as it is and is refused.
            Some(folder) if folder.starts_with('/') => path::resolve("/", folder),
            Some(folder) => folder.to_owned(),
            None => self.rules.home.clone(),
        }
    }
}
