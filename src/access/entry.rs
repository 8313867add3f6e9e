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

use super::TokenFileRules;
use crate::caller::{Scope, ToolFilter};
use crate::token::TokenHash;

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
pub struct TokenEntry {
    /// Its name, unique in the file.
    pub name: String,
    /// The hash of the token itself, unique in the file.
    pub hash: TokenHash,
    /// How much it may do.
    pub scope: Scope,
    /// The Kasm user whose sessions it gives access to, if not the default one.
    pub kasm_user: Option<String>,
    /// The tools that it is offered.
    pub reach: ToolFilter,
    /// Its expiry.
    pub expires: Option<Timestamp>,
    /// How many requests per minute it allows.
    pub rate: Option<NonZeroU32>,
}

/// One mistake in a file of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFault {
    /// The entry and the field, or the line.
    pub place: String,
    /// The error, for the operator.
    pub problem: String,
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Reads the text of a file.
///
/// # Errors
/// All errors in it.
pub(super) fn read_entries(
    text: &str,
    rules: &TokenFileRules,
) -> Result<Vec<TokenEntry>, Vec<EntryFault>> {
    let fault = |place: String, problem: String| vec![EntryFault { place, problem }];
    let table: Table = toml::from_str(text).map_err(|error| {
        // Only the place and the message: the library's full text repeats the line, which may hold a token.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        fault(format!("line {line}"), error.message().to_owned())
    })?;
    let mut faults = Vec::new();
    let mut entries: Vec<TokenEntry> = Vec::new();
    for (key, value) in &table {
        let Some(tables) = value.as_array().filter(|_| key == ENTRIES) else {
            let problem = "write each token as a table [[token]]".to_owned();
            faults.extend(fault(format!("`{key}`"), problem));
            continue;
        };
        for (index, value) in tables.iter().enumerate() {
            let mut fields = EntryFields::new(index, value, rules);
            if let Some(entry) = fields.read_entry() {
                fields.compare_with_others(&entry, &entries);
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
struct EntryFields<'a> {
    entry: String,
    table: Option<&'a Table>,
    rules: &'a TokenFileRules,
    faults: Vec<EntryFault>,
}

impl<'a> EntryFields<'a> {
    fn new(index: usize, value: &'a Value, rules: &'a TokenFileRules) -> Self {
        let table = value.as_table();
        let name = table.and_then(|table| table.get("name")?.as_str());
        // The name goes to the log with the error, so an invalid one is left out.
        let name = name.filter(|name| is_name(name));
        let name = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
        Self {
            entry: format!("token {}{name}", index + 1),
            table,
            rules,
            faults: Vec::new(),
        }
    }

    fn add_fault(&mut self, field: &str, problem: impl Into<String>) {
        self.faults.push(EntryFault {
            place: format!("{}, `{field}`", self.entry),
            problem: problem.into(),
        });
    }

    fn field_value(&self, field: &str) -> Option<&'a Value> {
        self.table?.get(field)
    }

    /// The entry, if it has no error.
    fn read_entry(&mut self) -> Option<TokenEntry> {
        let Some(table) = self.table else {
            self.add_fault(ENTRIES, "it is not a table");
            return None;
        };
        for field in table.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            let known = FIELDS.join(", ");
            self.add_fault(field, format!("unknown field; the fields are {known}"));
        }
        // All fields are read before the entry is refused, so one run reports all of its errors.
        let name = self.read_name();
        let hash = self.read_hash();
        let scope = self.read_scope();
        let kasm_user = self.read_kasm_user();
        let toolsets = self.read_toolsets();
        let read_only = self.read_read_only();
        let expires = self.read_expiry();
        let rate = self.read_rate();
        if !self.faults.is_empty() {
            return None;
        }
        Some(TokenEntry {
            name: name?,
            hash: hash?,
            scope: scope?,
            kasm_user,
            reach: ToolFilter {
                read_only,
                toolsets,
            },
            expires,
            rate,
        })
    }

    /// Refuses duplicates.
    fn compare_with_others(&mut self, entry: &TokenEntry, others: &[TokenEntry]) {
        if others.iter().any(|other| other.name == entry.name) {
            self.add_fault("name", "another token has this name");
        }
        if let Some(other) = others.iter().find(|other| other.hash == entry.hash) {
            let problem = format!("it is a duplicate of token `{}`", other.name);
            self.add_fault("sha256", problem);
        }
    }

    fn read_name(&mut self) -> Option<String> {
        let name = self.field_value("name").and_then(Value::as_str);
        let name = name.filter(|name| is_name(name));
        if name.is_none() {
            let wanted =
                format!("give a name of up to {NAME_CHARS_MAX} letters, digits and . _ @ -");
            self.add_fault("name", wanted);
        }
        name.map(str::to_owned)
    }

    fn read_hash(&mut self) -> Option<TokenHash> {
        let hash = self.field_value("sha256").and_then(Value::as_str);
        let hash = hash.and_then(TokenHash::from_hex);
        if hash.is_none() {
            self.add_fault(
                "sha256",
                "give the SHA-256 of the token, 64 hex digits; `kasm-mcp token new` creates a token and its hash",
            );
        }
        hash
    }

    /// The largest of the named scopes: each includes the smaller ones.
    fn read_scope(&mut self) -> Option<Scope> {
        let names: Vec<&Value> = match (self.field_value("scope"), self.field_value("scopes")) {
            (Some(_), Some(_)) => {
                self.add_fault(
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
        let field = if self.field_value("scopes").is_some() {
            "scopes"
        } else {
            "scope"
        };
        let scopes = names.iter().map(|name| name.as_str()?.parse().ok());
        let scopes: Option<Vec<Scope>> = scopes.collect();
        let largest = scopes.and_then(|scopes| scopes.into_iter().max());
        if largest.is_none() {
            self.add_fault(field, "use kasm:read, kasm:use or kasm:admin");
        }
        largest
    }

    fn read_kasm_user(&mut self) -> Option<String> {
        let value = self.field_value("kasm_user")?;
        let id = value.as_str().and_then(self.rules.user_id);
        if id.is_none() {
            self.add_fault("kasm_user", "give a Kasm user's id, 32 hex digits");
        }
        id
    }

    fn read_toolsets(&mut self) -> Option<Arc<BTreeSet<String>>> {
        let value = self.field_value("toolsets")?;
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
                self.add_fault("toolsets", format!("give a list of these: {known}"));
                None
            }
            Some(names) => match unknown(&names) {
                Some(name) => {
                    let problem = format!("unknown toolset `{name}`; the toolsets are {known}");
                    self.add_fault("toolsets", problem);
                    None
                }
                None => Some(Arc::new(names)),
            },
        }
    }

    fn read_read_only(&mut self) -> bool {
        match self.field_value("read_only") {
            None => false,
            Some(Value::Boolean(read_only)) => *read_only,
            Some(_) => {
                // The entry is refused anyway; `true` is the value that would allow less.
                self.add_fault("read_only", "write true or false");
                true
            }
        }
    }

    fn read_expiry(&mut self) -> Option<Timestamp> {
        let time = match self.field_value("expires")? {
            Value::String(text) => text.parse().ok(),
            // A TOML date without an offset fails to parse: it would be another moment in each time zone.
            Value::Datetime(time) => time.to_string().parse().ok(),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Array(_)
            | Value::Table(_) => None,
        };
        if time.is_none() {
            let wanted = "give a time with its offset, such as \"2027-01-31T12:00:00Z\" (RFC 3339)";
            self.add_fault("expires", wanted);
        }
        time
    }

    fn read_rate(&mut self) -> Option<NonZeroU32> {
        let value = self.field_value("rate")?;
        let rate = value.as_integer().and_then(|rate| u32::try_from(rate).ok());
        let rate = rate.and_then(NonZeroU32::new);
        if rate.is_none() {
            self.add_fault(
                "rate",
                "give a whole number of requests per minute, at least 1",
            );
        }
        rate
    }
}
