//! The report of a check: rows as they are known, or one JSON object at the end.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::commands::print;

/// The width of the column of names, in characters.
const NAME_WIDTH: usize = 18;
/// The longest text in a row, in characters.
const TEXT_CHARS_MAX: usize = 600;

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// The check passed.
    Ok,
    /// The check passed, and there is something to know.
    Note,
    /// The check was not made.
    Skip,
    /// The check failed.
    Fail,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skip => "skip",
            Self::Fail => "FAIL",
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    status: Status,
    fact: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    ok: bool,
    checks: &'a [Row],
}

/// The rows so far.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    json: bool,
    secrets: Vec<SecretString>,
}

impl Report {
    /// A report without rows.
    pub(super) fn new(json: bool) -> Self {
        Self {
            rows: Vec::new(),
            json,
            secrets: Vec::new(),
        }
    }

    /// Replaces `secret` in all later rows, whatever text repeats it.
    pub(super) fn hide(&mut self, secret: &SecretString) {
        if !secret.expose_secret().is_empty() {
            self.secrets.push(secret.clone());
        }
    }

    pub(super) fn ok(&mut self, name: &str, fact: impl Into<String>) -> std::io::Result<()> {
        self.add(name, Status::Ok, fact.into(), None)
    }

    /// Adds a note. An empty remedy means none.
    pub(super) fn note(
        &mut self,
        name: &str,
        fact: impl Into<String>,
        remedy: &str,
    ) -> std::io::Result<()> {
        let remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
        self.add(name, Status::Note, fact.into(), remedy)
    }

    pub(super) fn skip(&mut self, name: &str, why: impl Into<String>) -> std::io::Result<()> {
        self.add(name, Status::Skip, why.into(), None)
    }

    pub(super) fn fail(&mut self, name: &str, problem: &Problem) -> std::io::Result<()> {
        let remedy = Some(problem.remedy.clone());
        self.add(name, Status::Fail, problem.fact.clone(), remedy)
    }

    /// Adds an ok or a failed row. Returns whether it was ok.
    pub(super) fn judge(
        &mut self,
        name: &str,
        outcome: Result<String, Problem>,
    ) -> std::io::Result<bool> {
        match outcome {
            Ok(fact) => self.ok(name, fact).map(|()| true),
            Err(problem) => self.fail(name, &problem).map(|()| false),
        }
    }

    fn add(
        &mut self,
        name: &str,
        status: Status,
        fact: String,
        remedy: Option<String>,
    ) -> std::io::Result<()> {
        let row = Row {
            name: name.to_owned(),
            status,
            fact: self.clean(&fact),
            remedy: remedy.map(|remedy| self.clean(&remedy)),
        };
        if !self.json {
            print(&row.line())?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// Puts a text on one line and removes secrets from it.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "[redacted]");
        }
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let plain: String = plain.take(TEXT_CHARS_MAX).collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The failed rows.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let failed = self.rows.iter().filter(|row| row.status == Status::Fail);
        failed.map(|row| {
            (
                row.name.as_str(),
                row.fact.as_str(),
                row.remedy.as_deref().unwrap_or_default(),
            )
        })
    }

    /// Prints the end of the report. Returns whether no check failed.
    pub(super) fn finish(&self) -> std::io::Result<bool> {
        let failures = self.failures().count();
        let ok = failures == 0;
        if self.json {
            let told = Told {
                ok,
                checks: &self.rows,
            };
            let told = serde_json::to_string(&told).map_err(std::io::Error::other)?;
            print(&format!("{told}\n"))?;
        } else if ok {
            print("\nNo check failed.\n")?;
        } else {
            print(&format!(
                "\nFailed: {failures} of {} checks.\n",
                self.rows.len()
            ))?;
        }
        Ok(ok)
    }
}

impl Row {
    fn line(&self) -> String {
        let Self { name, fact, .. } = self;
        let mut line = format!("{:<4}  {name:<NAME_WIDTH$}  {fact}\n", self.status.word());
        if let Some(remedy) = &self.remedy {
            line.push_str(&format!("{:>1$}-> {remedy}\n", "", NAME_WIDTH + 8));
        }
        line
    }
}

/// What failed, and the remedy.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) fact: String,
    pub(super) remedy: String,
}

impl Problem {
    pub(super) fn new(fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }
}
