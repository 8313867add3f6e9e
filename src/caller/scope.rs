//! Scopes: a realm, and how much its holder may do there. A scope is written `realm:level`.

use std::fmt;

/// The longest name of a realm.
const REALM_CHARS_MAX: usize = 16;

/// One system with tools, such as Kasm. Each has scopes of its own, so a token for one gives nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Realm(&'static str);

impl Realm {
    /// Kasm Workspaces.
    pub const KASM: Self = Self::new("kasm");

    /// The realm of this name. A constant with a wrong name does not compile.
    ///
    /// # Panics
    /// The name is not a word of lower-case letters.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= REALM_CHARS_MAX);
        let mut index = 0;
        // A `for` loop is not possible in a constant.
        while index < bytes.len() {
            assert!(bytes[index].is_ascii_lowercase());
            index += 1;
        }
        Self(name)
    }

    /// The name in scopes.
    #[must_use]
    pub fn realm_name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How much a caller may do in a realm. Each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Read.
    Read,
    /// Start, use and end what is the caller's own.
    Use,
    /// Manage what belongs to all.
    Admin,
}

impl Level {
    /// All levels, the smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Use, Self::Admin];

    /// The name in scopes.
    #[must_use]
    pub fn level_name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Use => "use",
            Self::Admin => "admin",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let named = |level: &Self| level.level_name() == name;
        Self::ALL.into_iter().find(named)
    }
}

/// What one tool needs, or one grant gives: a level in a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The realm.
    pub realm: Realm,
    /// The level there.
    pub level: Level,
}

impl Scope {
    /// This level in this realm.
    #[must_use]
    pub const fn new(realm: Realm, level: Level) -> Self {
        Self { realm, level }
    }

    /// Reads `realm:level` of one of these realms.
    ///
    /// # Errors
    /// It is not a scope of these realms.
    pub fn from_name(text: &str, realms: &[Realm]) -> Result<Self, UnknownScope> {
        let (realm_name, level_name) = text.split_once(':').unwrap_or((text, ""));
        let realm = realms.iter().find(|realm| realm.0 == realm_name);
        let level = Level::from_name(level_name);
        match (realm, level) {
            (Some(realm), Some(level)) => Ok(Self::new(*realm, level)),
            // A realm that is missing here may exist on another server, so the message lists those of this one.
            (None, Some(_)) if is_word(realm_name) => Err(UnknownScope::Realm {
                named: realm_name.to_owned(),
                known: realms.to_vec(),
            }),
            _ => Err(UnknownScope::Form {
                known: realms.to_vec(),
            }),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.realm, self.level.level_name())
    }
}

fn is_word(text: &str) -> bool {
    (1..=REALM_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// The text is not a scope of this server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownScope {
    /// It has the form of one, but this server has no such realm.
    #[error("unknown realm `{named}`; the realms are {}", realm_list(known))]
    Realm {
        /// The realm in the text.
        named: String,
        /// The realms of this server.
        known: Vec<Realm>,
    },
    /// It is something else.
    #[error("use {}", scope_examples(known))]
    Form {
        /// The realms of this server.
        known: Vec<Realm>,
    },
}

fn realm_list(realms: &[Realm]) -> String {
    let names: Vec<_> = realms.iter().map(|realm| realm.0).collect();
    names.join(", ")
}

/// `kasm:read, kasm:use or kasm:admin`, for each realm.
fn scope_examples(realms: &[Realm]) -> String {
    let of_realm = |realm: &Realm| {
        let [read, usage, admin] = Level::ALL.map(|level| Scope::new(*realm, level));
        format!("{read}, {usage} or {admin}")
    };
    let groups: Vec<_> = realms.iter().map(of_realm).collect();
    groups.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Realm = Realm::new("other");

    #[test]
    fn scope_reads_what_it_writes_in_each_realm() {
        let realms = [Realm::KASM, OTHER];
        for scope in realms
            .into_iter()
            .flat_map(|realm| Level::ALL.map(|level| Scope::new(realm, level)))
        {
            assert_eq!(Scope::from_name(&scope.to_string(), &realms), Ok(scope));
        }
        assert_eq!(Scope::new(OTHER, Level::Use).to_string(), "other:use");
    }

    #[test]
    fn scope_of_unknown_realm_names_the_known_ones() {
        let unknown = Scope::from_name("sandbox:use", &[Realm::KASM, OTHER]).unwrap_err();
        let UnknownScope::Realm { named, known } = &unknown else {
            panic!("{unknown:?}");
        };
        assert_eq!(
            (named.as_str(), known.as_slice()),
            ("sandbox", &[Realm::KASM, OTHER][..])
        );
        assert!(unknown.to_string().contains("kasm, other"), "{unknown}");
    }

    #[test]
    fn text_that_is_no_scope_is_refused() {
        for text in [
            "",
            ":",
            "kasm",
            "kasm:",
            ":use",
            "kasm:USE",
            "Kasm:use",
            "kasm:use ",
            "kasm::use",
            "kasm:use:use",
            "root",
            "other:write",
            "kas\u{0301}m:use",
        ] {
            let refused = Scope::from_name(text, &[Realm::KASM, OTHER]).unwrap_err();
            assert!(
                matches!(refused, UnknownScope::Form { .. }),
                "{text}: {refused:?}"
            );
        }
    }
}
