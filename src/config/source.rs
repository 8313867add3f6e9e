//! The sources of settings. Only this file reads the environment.

use std::collections::HashMap;
use std::path::PathBuf;

use super::all_variables;

/// The variable that names the TOML file.
pub(super) const FILE_VARIABLE: &str = "KASM_MCP_CONFIG";
/// Older names that still work.
pub(super) const RENAMED: &[(&str, &str)] = &[("ALLOWED_ROOTS", "KASM_ALLOWED_ROOTS")];

/// The layers above the defaults, lowest first.
#[derive(Clone, Debug, Default)]
pub struct SettingsSources {
    /// A TOML file; its keys are the variables in lower case.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: HashMap<String, String>,
    /// Flags, by variable.
    pub flags: HashMap<String, String>,
}

impl SettingsSources {
    /// The environment of this process, and the file that it or `file` names.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment: HashMap<String, String> = std::env::vars_os()
            // A variable that is not UTF-8 cannot be one of ours.
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        let file = file.or_else(|| {
            environment
                .get(FILE_VARIABLE)
                .filter(|f| !f.is_empty())
                .map(PathBuf::from)
        });
        Self {
            file,
            environment,
            flags: HashMap::new(),
        }
    }

    /// Sets a flag, if it was given.
    #[must_use]
    pub fn with_flag(mut self, variable: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.flags.insert(variable.to_owned(), value.to_string());
        }
        self
    }

    /// All layers merged: keys are lower-case names. An empty value counts as not set.
    pub(super) fn merge_sources(&self) -> Result<HashMap<String, String>, config::ConfigError> {
        let names = || {
            all_variables()
                .map(|variable| variable.name)
                .chain(RENAMED.iter().map(|(old, _)| *old))
        };
        // The environment holds variables of other programs, so only names of the table are taken from it.
        let wanted =
            |key: &str| names().any(|name| key == name || key.strip_suffix("_FILE") == Some(name));
        let environment: HashMap<String, String> = self
            .environment
            .iter()
            // `NAME=` in an environment file means not set: the layer below applies.
            .filter(|(key, value)| wanted(key) && !value.trim().is_empty())
            .map(|(key, value)| (key.to_lowercase(), value.clone()))
            .collect();
        let mut builder = config::Config::builder();
        for variable in all_variables() {
            if !variable.default.is_empty() {
                builder = builder.set_default(variable.name.to_lowercase(), variable.default)?;
            }
        }
        if let Some(file) = &self.file {
            builder = builder
                .add_source(config::File::from(file.clone()).format(config::FileFormat::Toml));
        }
        builder = builder.add_source(config::Environment::default().source(Some(environment)));
        for (name, value) in &self.flags {
            // Overrides come last, whatever the order of the sources.
            builder = builder.set_override(name.to_lowercase(), value.as_str())?;
        }
        let table = builder
            .build()?
            .try_deserialize::<HashMap<String, config::Value>>()?;
        table
            .into_iter()
            .map(|(key, value)| Ok((key, text_of(value)?)))
            .collect()
    }
}

/// A TOML list becomes a comma-separated text, like in the environment.
fn text_of(value: config::Value) -> Result<String, config::ConfigError> {
    // A setting has one text form, so lists of all sources are read by the same code.
    if let Ok(list) = value.clone().into_array() {
        let items: Result<Vec<String>, _> =
            list.into_iter().map(config::Value::into_string).collect();
        return Ok(items?.join(","));
    }
    value.into_string()
}
