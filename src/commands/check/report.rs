//! The report of a check: rows as they are known, or one JSON object at the end.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::commands::print_text;

/// The width of the column of names, in characters.
const NAME_WIDTH: usize = 18;
/// The longest text in a row, in characters.
const TEXT_CHARS_MAX: usize = 600;

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RowStatus {
    /// The check passed.
    Ok,
    /// The check passed, and there is something to know.
    Note,
    /// The check was not made.
    Skip,
    /// The check failed.
    Fail,
}

impl RowStatus {
    fn status_word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skip => "skip",
            Self::Fail => "FAIL",
        }
    }
}

#[derive(Debug, Serialize)]
struct ReportRow {
    name: String,
    status: RowStatus,
    fact: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Serialize)]
struct ReportOutput<'a> {
    ok: bool,
    checks: &'a [ReportRow],
}

/// The rows so far.
#[derive(Debug)]
pub(super) struct CheckReport {
    rows: Vec<ReportRow>,
    json: bool,
    secrets: Vec<SecretString>,
}

impl CheckReport {
    /// A report without rows.
    pub(super) fn new(json: bool) -> Self {
        Self {
            rows: Vec::new(),
            json,
            secrets: Vec::new(),
        }
    }

    /// Redacts `secret` in all later rows, also in the texts of other servers.
    pub(super) fn hide_secret(&mut self, secret: &SecretString) {
        if !secret.expose_secret().is_empty() {
            self.secrets.push(secret.clone());
        }
    }

    pub(super) fn add_ok(&mut self, name: &str, fact: impl Into<String>) -> std::io::Result<()> {
        self.add_row(name, RowStatus::Ok, fact.into(), None)
    }

    /// Adds a note. An empty remedy means none.
    pub(super) fn add_note(
        &mut self,
        name: &str,
        fact: impl Into<String>,
        remedy: &str,
    ) -> std::io::Result<()> {
        let remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
        self.add_row(name, RowStatus::Note, fact.into(), remedy)
    }

    pub(super) fn add_skipped(
        &mut self,
        name: &str,
        why: impl Into<String>,
    ) -> std::io::Result<()> {
        self.add_row(name, RowStatus::Skip, why.into(), None)
    }

    pub(super) fn add_failure(
        &mut self,
        name: &str,
        problem: &CheckProblem,
    ) -> std::io::Result<()> {
        let remedy = Some(problem.remedy.clone());
        self.add_row(name, RowStatus::Fail, problem.fact.clone(), remedy)
    }

    /// Adds an ok or a failed row. Returns whether it was ok.
    pub(super) fn add_result(
        &mut self,
        name: &str,
        outcome: Result<String, CheckProblem>,
    ) -> std::io::Result<bool> {
        match outcome {
            Ok(fact) => self.add_ok(name, fact).map(|()| true),
            Err(problem) => self.add_failure(name, &problem).map(|()| false),
        }
    }

    fn add_row(
        &mut self,
        name: &str,
        status: RowStatus,
        fact: String,
        remedy: Option<String>,
    ) -> std::io::Result<()> {
        let row = ReportRow {
            name: name.to_owned(),
            status,
            fact: self.without_secrets(&fact),
            remedy: remedy.map(|remedy| self.without_secrets(&remedy)),
        };
        if !self.json {
            print_text(&row.as_line())?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// Puts a text on one line and removes secrets from it.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Secrets go before the text is shortened: half of a secret would not be found.
        for secret in &self.secrets {
            text = text.replace(secret.expose_secret(), "[redacted]");
        }
        // Rows repeat texts of other servers, which must not control the terminal or begin a row of their
        // own.
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let plain: String = plain.take(TEXT_CHARS_MAX).collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The failed rows.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let failed = self.rows.iter().filter(|row| row.status == RowStatus::Fail);
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
            let told = ReportOutput {
                ok,
                checks: &self.rows,
            };
            let told = serde_json::to_string(&told).map_err(std::io::Error::other)?;
            print_text(&format!("{told}\n"))?;
        } else if ok {
            print_text("\nNo check failed.\n")?;
        } else {
            print_text(&format!(
                "\nFailed: {failures} of {} checks.\n",
                self.rows.len()
            ))?;
        }
        Ok(ok)
    }
}

impl ReportRow {
    fn as_line(&self) -> String {
        let Self { name, fact, .. } = self;
        let mut line = format!(
            "{:<4}  {name:<NAME_WIDTH$}  {fact}\n",
            self.status.status_word()
        );
        if let Some(remedy) = &self.remedy {
            line.push_str(&format!("{:>1$}-> {remedy}\n", "", NAME_WIDTH + 8));
        }
        line
    }
}

/// What failed, and the remedy.
#[derive(Clone, Debug)]
pub(super) struct CheckProblem {
    pub(super) fact: String,
    pub(super) remedy: String,
}

impl CheckProblem {
    pub(super) fn new(fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            fact: fact.into(),
            remedy: remedy.into(),
        }
    }
}
