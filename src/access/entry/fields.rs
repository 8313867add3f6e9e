//! Reads the fields of one entry.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;
use toml::{Table, Value};

use super::{ENTRIES, EntryFault, NAME_CHARS_MAX, TokenEntry, is_name};
use crate::access::TokenFileRules;
use crate::caller::{Grants, ToolFilter, ToolNameList};
use crate::token::TokenHash;

const FIELDS: [&str; 11] = [
    "name",
    "sha256",
    "scope",
    "scopes",
    "kasm_user",
    "tenant",
    "toolsets",
    "tools",
    "read_only",
    "expires",
    "rate",
];

/// The fields of one entry, and its errors so far.
pub(super) struct EntryFields<'a> {
    entry: String,
    table: Option<&'a Table>,
    rules: &'a TokenFileRules,
    pub(super) faults: Vec<EntryFault>,
}

impl<'a> EntryFields<'a> {
    pub(super) fn new(index: usize, value: &'a Value, rules: &'a TokenFileRules) -> Self {
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
    pub(super) fn read_entry(&mut self) -> Option<TokenEntry> {
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
        let grants = self.read_grants();
        let kasm_user = self.read_kasm_user();
        let tenant = self.read_tenant();
        let toolsets = self.read_toolsets();
        let tools = self.read_tools();
        let read_only = self.read_read_only();
        let expires = self.read_expiry();
        let rate = self.read_rate();
        if !self.faults.is_empty() {
            return None;
        }
        Some(TokenEntry {
            name: name?,
            hash: hash?,
            grants: grants?,
            kasm_user,
            tenant,
            reach: ToolFilter {
                read_only,
                toolsets,
                names: tools.into_iter().collect(),
            },
            expires,
            rate,
        })
    }

    /// Refuses duplicates.
    pub(super) fn compare_with_others(&mut self, entry: &TokenEntry, others: &[TokenEntry]) {
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

    /// The largest of the named scopes in each realm.
    fn read_grants(&mut self) -> Option<Grants> {
        let (field, value) = match (self.field_value("scope"), self.field_value("scopes")) {
            (Some(_), Some(_)) => {
                self.add_fault(
                    "scopes",
                    "set together with `scope`; set only one of the two",
                );
                return None;
            }
            (None, Some(value)) => ("scopes", Some(value)),
            (value, None) => ("scope", value),
        };
        let names: Option<Vec<&str>> = match value {
            Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
            Some(value) => value.as_str().map(|name| vec![name]),
            None => None,
        };
        // Values of other types read as no name, which has the message for them.
        let names = names.unwrap_or_default().join(" ");
        let grants = Grants::from_names(&names, self.rules.realms);
        grants
            .map_err(|unknown| self.add_fault(field, unknown.to_string()))
            .ok()
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

    fn read_tenant(&mut self) -> Option<String> {
        let value = self.field_value("tenant")?;
        let tenant = value.as_str().filter(|tenant| is_name(tenant));
        if tenant.is_none() {
            let wanted =
                format!("give a name of up to {NAME_CHARS_MAX} letters, digits and . _ @ -");
            self.add_fault("tenant", wanted);
        }
        tenant.map(str::to_owned)
    }

    /// The list of tool names. Whether a tool has such a name is not looked at: tools come and go.
    fn read_tools(&mut self) -> Option<ToolNameList> {
        let value = self.field_value("tools")?;
        let names = value.as_array().into_iter().flatten().map(Value::as_str);
        let names: Option<Vec<&str>> = names.collect();
        let list = ToolNameList::from_patterns(names.unwrap_or_default());
        list.map_err(|malformed| self.add_fault("tools", malformed.to_string()))
            .ok()
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
