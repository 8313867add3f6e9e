//! Reads single values and collects their errors.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::all_variables;
use super::source::{RENAMED, SettingsSources};

/// One invalid setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingMistake {
    /// The variable.
    pub variable: String,
    /// The error, with the value unless it is secret.
    pub problem: String,
    /// The remedy.
    pub remedy: String,
}

/// All invalid settings.
#[derive(Clone, Debug)]
pub struct SettingMistakes(pub Vec<SettingMistake>);

impl fmt::Display for SettingMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "invalid settings: {}", self.0.len())?;
        for SettingMistake {
            variable,
            problem,
            remedy,
        } in &self.0
        {
            writeln!(f, "  {variable}: {problem}\n    -> {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingMistakes {}

/// The values of all sources, and the errors found so far.
pub(super) struct SettingsReader {
    values: HashMap<String, String>,
    pub(super) mistakes: Vec<SettingMistake>,
    pub(super) notices: Vec<String>,
}

impl SettingsReader {
    pub(super) fn new(sources: &SettingsSources) -> Result<Self, SettingMistakes> {
        let values = sources.merge_sources().map_err(|error| {
            SettingMistakes(vec![SettingMistake {
                variable: sources
                    .file
                    .as_ref()
                    .map_or("settings".to_owned(), |file| file.display().to_string()),
                problem: error.to_string(),
                remedy: "write TOML with the variables in lower case as keys: kasm_api_url = \"…\""
                    .to_owned(),
            }])
        })?;
        let mut reader = Self {
            values,
            mistakes: Vec::new(),
            notices: Vec::new(),
        };
        // Old names are replaced first, because the next step refuses names that are not in the table.
        reader.follow_renames();
        reader.refuse_unknown();
        reader.read_secret_files();
        Ok(reader)
    }

    fn follow_renames(&mut self) {
        for (old, new) in RENAMED {
            if let Some(value) = self.values.remove(&old.to_lowercase()) {
                self.notices.push(format!("{old} was renamed to {new}"));
                self.values.insert(new.to_lowercase(), value);
            }
        }
    }

    /// Only the TOML file can have unknown keys; the environment is filtered by the table.
    fn refuse_unknown(&mut self) {
        let known = |key: &str| {
            let name = key.to_uppercase();
            all_variables()
                .any(|v| v.name == name || (v.secret && name.strip_suffix("_FILE") == Some(v.name)))
        };
        let unknown: Vec<String> = self
            .values
            .keys()
            .filter(|key| !known(key))
            .cloned()
            .collect();
        for key in unknown {
            self.add_mistake(
                &key,
                "unknown setting".to_owned(),
                "`kasm-mcp settings` lists all settings",
            );
        }
    }

    fn read_secret_files(&mut self) {
        for variable in all_variables().filter(|variable| variable.secret) {
            let key = variable.name.to_lowercase();
            let Some(path) = self.values.remove(&format!("{key}_file")) else {
                continue;
            };
            // Neither of the two is clearly newer, so the choice is left to the operator.
            if self.values.contains_key(&key) {
                let both = format!("set together with {}_FILE", variable.name);
                self.add_mistake(variable.name, both, "set only one of the two");
                continue;
            }
            match std::fs::read_to_string(&path) {
                // Editors and `echo` end a file with a line break, which is not part of the secret.
                Ok(text) if !text.trim().is_empty() => {
                    self.values.insert(key, text.trim().to_owned());
                }
                Ok(_) => self.add_mistake(
                    variable.name,
                    format!("the file {path} is empty"),
                    "write the secret into the file",
                ),
                Err(error) => {
                    let problem = format!("cannot read the file {path}: {error}");
                    self.add_mistake(variable.name, problem, "check the path and its permissions");
                }
            }
        }
    }

    pub(super) fn add_mistake(&mut self, variable: &str, problem: String, remedy: &str) {
        self.mistakes.push(SettingMistake {
            variable: variable.to_owned(),
            problem,
            remedy: remedy.to_owned(),
        });
    }

    /// Whether a setting has a value, or one that cannot be read.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let is_about = |mistake: &SettingMistake| mistake.variable == name;
        self.text_value(name).is_some() || self.mistakes.iter().any(is_about)
    }

    pub(super) fn text_value(&self, name: &str) -> Option<String> {
        let value = self.values.get(&name.to_lowercase())?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn required_text(&mut self, name: &str, remedy: &str) -> Option<String> {
        let value = self.text_value(name);
        // The reason may be reported already, such as a secret file that cannot be read.
        if value.is_none() && !self.mistakes.iter().any(|mistake| mistake.variable == name) {
            self.add_mistake(name, "not set".to_owned(), remedy);
        }
        value
    }

    pub(super) fn parsed_value<T: FromStr>(
        &mut self,
        name: &str,
        text: Option<String>,
        remedy: &str,
    ) -> Option<T> {
        let text = text?;
        let value = text.parse().ok();
        if value.is_none() {
            self.add_mistake(name, format!("`{text}` is not a valid value"), remedy);
        }
        value
    }

    pub(super) fn boolean_value(&mut self, name: &str) -> bool {
        match self.text_value(name).as_deref() {
            Some("true" | "1" | "yes" | "on") => true,
            Some("false" | "0" | "no" | "off") | None => false,
            Some(other) => {
                self.add_mistake(
                    name,
                    format!("`{other}` is not a boolean"),
                    "write true or false",
                );
                false
            }
        }
    }

    pub(super) fn number_value(&mut self, name: &str, min: u64, max: u64) -> u64 {
        let text = self.text_value(name).unwrap_or_default();
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => number,
            _ => {
                let remedy = format!("write a whole number from {min} to {max}");
                // The value returned here is never used: a mistake prevents the start.
                self.add_mistake(name, format!("`{text}` is out of range"), &remedy);
                min
            }
        }
    }

    pub(super) fn seconds_value(&mut self, name: &str, min: u64, max: u64) -> Duration {
        Duration::from_secs(self.number_value(name, min, max))
    }

    pub(super) fn list_value<T: FromStr>(&mut self, name: &str, remedy: &str) -> Vec<T> {
        let text = self.text_value(name).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        parts
            .into_iter()
            .filter_map(|part| self.parsed_value(name, Some(part), remedy))
            .collect()
    }
}
