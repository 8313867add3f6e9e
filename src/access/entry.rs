//! One token in the file, as TOML:
//!
//! ```toml
//! [[token]]
//! name = "ci"
//! sha256 = "…"                        # of the token, 64 hex digits
//! scope = "kasm:use"                  # several: "kasm:use other:read", or a list; or scopes = […]
//! kasm_user = "0f1e…"                 # the usual one, if it is not said
//! tenant = "team"                     # the Kasm user or the token's own, if it is not said
//! toolsets = ["files", "exec"]        # all, if it is not said
//! tools = ["get_*", "list_*"]         # all, if it is not said
//! read_only = false
//! expires = "2027-01-31T12:00:00Z"    # never, if it is not said
//! rate = 60                           # calls a minute
//! ```

mod fields;

use std::fmt;
use std::num::NonZeroU32;

use jiff::Timestamp;
use toml::Table;

use super::TokenFileRules;
use crate::caller::{Grants, ToolFilter};
use crate::token::TokenHash;
use fields::EntryFields;

/// The longest name.
const NAME_CHARS_MAX: usize = 64;
/// The array of the entries.
pub(super) const ENTRIES: &str = "token";

/// A token with its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its name, unique in the file.
    pub name: String,
    /// The hash of the token itself, unique in the file.
    pub hash: TokenHash,
    /// How much it may do, in each realm.
    pub grants: Grants,
    /// The Kasm user whose sessions it gives access to, if not the default one.
    pub kasm_user: Option<String>,
    /// Whose things it shares where it has no account, if not its own.
    pub tenant: Option<String>,
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
