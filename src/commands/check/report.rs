//! The rows of a check: for people as they come, or one JSON object at the end.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::commands::print;

/// How wide the names are, characters.
const NAME_WIDTH: usize = 18;
/// The most that is shown of a text, characters.
const TEXT_CHARS_MAX: usize = 600;

/// How a link of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It works.
    Ok,
    /// It works, and there is something to know.
    Note,
    /// It was not tried.
    Skip,
    /// It does not work.
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

/// What was found so far.
#[derive(Debug)]
pub(super) struct Report {
    rows: Vec<Row>,
    json: bool,
    secrets: Vec<SecretString>,
}

impl Report {
    /// An empty one.
    pub(super) fn new(json: bool) -> Self {
        Self {
            rows: Vec::new(),
            json,
            secrets: Vec::new(),
        }
    }

    /// From now on, `secret` is never shown, whoever says it.
    pub(super) fn hide(&mut self, secret: &SecretString) {
        if !secret.expose_secret().is_empty() {
            self.secrets.push(secret.clone());
        }
    }

    pub(super) fn ok(&mut self, name: &str, fact: impl Into<String>) -> std::io::Result<()> {
        self.add(name, Status::Ok, fact.into(), None)
    }

    /// Something to know. An empty remedy is none.
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

    /// A row of what went well or did not. True: it went well.
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

    /// On one line, and without a secret that somebody repeated.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "[redacted]");
        }
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let plain: String = plain.take(TEXT_CHARS_MAX).collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What fails, by row.
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

    /// Says the rest. True: nothing fails.
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
            print("\nAll is well.\n")?;
        } else {
            print(&format!("\nFailed: {failures} of {}.\n", self.rows.len()))?;
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

/// What does not work, and what to do.
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
