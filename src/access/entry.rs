//! One token in the file, as TOML:
//!
//! ```toml
//! [[token]]
//! name = "ci"
//! sha256 = "…"                        # of the token, 64 hex digits
//! scope = "kasm:use"                  # or scopes = ["kasm:read", "kasm:use"]
//! kasm_user = "0f1e…"                 # the usual one, if it is not said
//! toolsets = ["files", "exec"]        # all, if it is not said
//! read_only = false
//! expires = "2027-01-31T12:00:00Z"    # never, if it is not said
//! rate = 60                           # calls a minute
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;
use toml::{Table, Value};

use super::Rules;
use crate::caller::{Reach, Scope};
use crate::token::Hash;

/// The longest name.
const NAME_CHARS_MAX: usize = 64;
/// The array of the entries.
pub(super) const ENTRIES: &str = "token";
const FIELDS: [&str; 9] = [
    "name",
    "sha256",
    "scope",
    "scopes",
    "kasm_user",
    "toolsets",
    "read_only",
    "expires",
    "rate",
];

/// A token with its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unique in the file.
    pub name: String,
    /// The hash of the token itself, unique in the file.
    pub hash: Hash,
    /// How much it may do.
    pub scope: Scope,
    /// The Kasm user whose sessions it gives access to, if not the default one.
    pub kasm_user: Option<String>,
    /// The tools that it is offered.
    pub reach: Reach,
    /// Its expiry.
    pub expires: Option<Timestamp>,
    /// How many requests per minute it allows.
    pub rate: Option<NonZeroU32>,
}

/// One mistake in a file of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry and the field, or the line.
    pub place: String,
    /// The error there.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Reads the text of a file.
///
/// # Errors
/// All errors in it.
pub(super) fn read(text: &str, rules: &Rules) -> Result<Vec<Entry>, Vec<Fault>> {
    let fault = |place: String, problem: String| vec![Fault { place, problem }];
    let table: Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        fault(format!("line {line}"), error.message().to_owned())
    })?;
    let mut faults = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (key, value) in &table {
        let Some(tables) = value.as_array().filter(|_| key == ENTRIES) else {
            let problem = "write each token as a table [[token]]".to_owned();
            faults.extend(fault(format!("`{key}`"), problem));
            continue;
        };
        for (index, value) in tables.iter().enumerate() {
            let mut fields = Fields::new(index, value, rules);
            if let Some(entry) = fields.entry() {
                fields.compare(&entry, &entries);
                entries.push(entry);
            }
            faults.append(&mut fields.faults);
        }
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(faults)
    }
}

/// Whether a text is a valid token name. It is written into logs and files unchanged.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.bytes().all(plain)
}

/// The fields of one entry, and its errors so far.
struct Fields<'a> {
    entry: String,
    table: Option<&'a Table>,
    rules: &'a Rules,
    faults: Vec<Fault>,
}

impl<'a> Fields<'a> {
    fn new(index: usize, value: &'a Value, rules: &'a Rules) -> Self {
        let table = value.as_table();
        let name = table.and_then(|table| table.get("name")?.as_str());
        let name = name.filter(|name| is_name(name));
        let name = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
        Self {
            entry: format!("token {}{name}", index + 1),
            table,
            rules,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, field: &str, problem: impl Into<String>) {
        self.faults.push(Fault {
            place: format!("{}, `{field}`", self.entry),
            problem: problem.into(),
        });
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.table?.get(field)
    }

    /// The entry, if it has no error.
    fn entry(&mut self) -> Option<Entry> {
        let Some(table) = self.table else {
            self.fault(ENTRIES, "it is not a table");
            return None;
        };
        for field in table.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            let known = FIELDS.join(", ");
            self.fault(field, format!("unknown field; the fields are {known}"));
        }
        let name = self.name();
        let hash = self.hash();
        let scope = self.scope();
        let kasm_user = self.kasm_user();
        let toolsets = self.toolsets();
        let read_only = self.read_only();
        let expires = self.expires();
        let rate = self.rate();
        if !self.faults.is_empty() {
            return None;
        }
        Some(Entry {
            name: name?,
            hash: hash?,
            scope: scope?,
            kasm_user,
            reach: Reach {
                read_only,
                toolsets,
            },
            expires,
            rate,
        })
    }

    /// Refuses duplicates.
    fn compare(&mut self, entry: &Entry, others: &[Entry]) {
        if others.iter().any(|other| other.name == entry.name) {
            self.fault("name", "another token has this name");
        }
        if let Some(other) = others.iter().find(|other| other.hash == entry.hash) {
            let problem = format!("it is a duplicate of token `{}`", other.name);
            self.fault("sha256", problem);
        }
    }

    fn name(&mut self) -> Option<String> {
        let name = self.get("name").and_then(Value::as_str);
        let name = name.filter(|name| is_name(name));
        if name.is_none() {
            let wanted =
                format!("give a name of up to {NAME_CHARS_MAX} letters, digits and . _ @ -");
            self.fault("name", wanted);
        }
        name.map(str::to_owned)
    }

    fn hash(&mut self) -> Option<Hash> {
        let hash = self.get("sha256").and_then(Value::as_str);
        let hash = hash.and_then(Hash::from_hex);
        if hash.is_none() {
            self.fault(
                "sha256",
                "give the SHA-256 of the token, 64 hex digits; `kasm-mcp token new` creates a token and its hash",
            );
        }
        hash
    }

    /// The largest of the named scopes: each includes the smaller ones.
    fn scope(&mut self) -> Option<Scope> {
        let names: Vec<&Value> = match (self.get("scope"), self.get("scopes")) {
            (Some(_), Some(_)) => {
                self.fault(
                    "scopes",
                    "set together with `scope`; set only one of the two",
                );
                return None;
            }
            (Some(scope), None) => vec![scope],
            (None, Some(Value::Array(scopes))) => scopes.iter().collect(),
            (None, Some(other)) => vec![other],
            (None, None) => Vec::new(),
        };
        let field = if self.get("scopes").is_some() {
            "scopes"
        } else {
            "scope"
        };
        let scopes = names.iter().map(|name| name.as_str()?.parse().ok());
        let scopes: Option<Vec<Scope>> = scopes.collect();
        let largest = scopes.and_then(|scopes| scopes.into_iter().max());
        if largest.is_none() {
            self.fault(field, "use kasm:read, kasm:use or kasm:admin");
        }
        largest
    }

    fn kasm_user(&mut self) -> Option<String> {
        let value = self.get("kasm_user")?;
        let id = value.as_str().and_then(self.rules.user_id);
        if id.is_none() {
            self.fault("kasm_user", "give a Kasm user's id, 32 hex digits");
        }
        id
    }

    fn toolsets(&mut self) -> Option<Arc<BTreeSet<String>>> {
        let value = self.get("toolsets")?;
        let known = &self.rules.toolsets;
        let names = value.as_array().into_iter().flatten().map(Value::as_str);
        let names: Option<BTreeSet<String>> = names.map(|name| Some(name?.to_owned())).collect();
        let names = names.filter(|names| !names.is_empty());
        let unknown = |names: &BTreeSet<String>| {
            let unknown = names.iter().find(|name| !known.contains(&name.as_str()));
            unknown.cloned()
        };
        let known = known.join(", ");
        match names {
            None => {
                self.fault("toolsets", format!("give a list of these: {known}"));
                None
            }
            Some(names) => match unknown(&names) {
                Some(name) => {
                    let problem = format!("unknown toolset `{name}`; the toolsets are {known}");
                    self.fault("toolsets", problem);
                    None
                }
                None => Some(Arc::new(names)),
            },
        }
    }

    fn read_only(&mut self) -> bool {
        match self.get("read_only") {
            None => false,
            Some(Value::Boolean(read_only)) => *read_only,
            Some(_) => {
                self.fault("read_only", "write true or false");
                true
            }
        }
    }

    fn expires(&mut self) -> Option<Timestamp> {
        let time = match self.get("expires")? {
            Value::String(text) => text.parse().ok(),
            Value::Datetime(time) => time.to_string().parse().ok(),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Array(_)
            | Value::Table(_) => None,
        };
        if time.is_none() {
            let wanted = "give a time with its offset, such as \"2027-01-31T12:00:00Z\" (RFC 3339)";
            self.fault("expires", wanted);
        }
        time
    }

    fn rate(&mut self) -> Option<NonZeroU32> {
        let value = self.get("rate")?;
        let rate = value.as_integer().and_then(|rate| u32::try_from(rate).ok());
        let rate = rate.and_then(NonZeroU32::new);
        if rate.is_none() {
            self.fault(
                "rate",
                "give a whole number of requests per minute, at least 1",
            );
        }
        rate
    }
}
