//! What a credential grants: at most one level in each realm.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::scope::{Level, Realm, Scope, UnknownScope};

/// The scopes of a caller, the largest of each realm. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Arc<BTreeMap<Realm, Level>>);

impl Grants {
    /// Reads scopes of these realms that are separated by spaces or commas.
    ///
    /// # Errors
    /// One of them is not a scope of these realms, or there is none.
    pub fn from_names(text: &str, realms: &[Realm]) -> Result<Self, UnknownScope> {
        let names = text.split([' ', ',']).filter(|name| !name.is_empty());
        let scopes = names.map(|name| Scope::from_name(name, realms));
        let grants = scopes.collect::<Result<Self, _>>()?;
        if grants.is_empty() {
            // Empty text is no scope, so this has the words for it.
            return Err(UnknownScope::Form {
                known: realms.to_vec(),
            });
        }
        Ok(grants)
    }

    /// This level in each of these realms.
    #[must_use]
    pub fn in_each(realms: &[Realm], level: Level) -> Self {
        realms
            .iter()
            .map(|realm| Scope::new(*realm, level))
            .collect()
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The level in a realm, if there is one.
    #[must_use]
    pub fn level_in(&self, realm: Realm) -> Option<Level> {
        self.0.get(&realm).copied()
    }

    /// Whether a scope is granted, or a larger one of its realm.
    #[must_use]
    pub fn includes_scope(&self, scope: Scope) -> bool {
        // `None` is smaller than any level, so a realm without a grant includes nothing.
        self.level_in(scope.realm) >= Some(scope.level)
    }

    /// The largest scope of each realm.
    pub fn granted_scopes(&self) -> impl Iterator<Item = Scope> {
        let scope = |(realm, level): (&Realm, &Level)| Scope::new(*realm, *level);
        self.0.iter().map(scope)
    }

    /// All scopes that are granted, the smaller ones as well: some clients compare the names that they asked for.
    pub fn all_scopes(&self) -> impl Iterator<Item = Scope> {
        let with_smaller = |granted: Scope| {
            let levels = Level::ALL
                .into_iter()
                .filter(move |level| *level <= granted.level);
            levels.map(move |level| Scope::new(granted.realm, level))
        };
        self.granted_scopes().flat_map(with_smaller)
    }
}

impl FromIterator<Scope> for Grants {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut levels = BTreeMap::new();
        for scope in scopes {
            let level = levels.entry(scope.realm).or_insert(scope.level);
            *level = scope.level.max(*level);
        }
        Self(Arc::new(levels))
    }
}

impl From<Scope> for Grants {
    fn from(scope: Scope) -> Self {
        [scope].into_iter().collect()
    }
}

/// The largest scope of each realm, separated by spaces.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.granted_scopes().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Realm = Realm::new("other");
    const REALMS: [Realm; 2] = [Realm::KASM, OTHER];

    fn grants(text: &str) -> Grants {
        Grants::from_names(text, &REALMS).unwrap()
    }

    #[test]
    fn grants_of_one_realm_include_nothing_of_another() {
        let kasm_use = grants("kasm:use");
        let includes = |level| kasm_use.includes_scope(Scope::new(Realm::KASM, level));
        assert_eq!(Level::ALL.map(includes), [true, true, false]);
        let other = |level| kasm_use.includes_scope(Scope::new(OTHER, level));
        assert_eq!(Level::ALL.map(other), [false; 3]);
        let none = Grants::default();
        assert!(!none.includes_scope(Scope::new(OTHER, Level::Read)));
    }

    #[test]
    fn the_largest_scope_of_each_realm_counts() {
        let both = grants("other:read, kasm:admin kasm:read");
        assert_eq!(both.to_string(), "kasm:admin other:read");
        assert_eq!(grants(&both.to_string()), both);
        let all: Vec<_> = both.all_scopes().map(|scope| scope.to_string()).collect();
        assert_eq!(all, ["kasm:read", "kasm:use", "kasm:admin", "other:read"]);
        assert_eq!(
            Grants::in_each(&REALMS, Level::Use),
            grants("kasm:use other:use")
        );
    }

    #[test]
    fn one_wrong_name_refuses_the_list() {
        for text in ["", " , ", "kasm:use nodes:use", "kasm:use root"] {
            Grants::from_names(text, &REALMS).unwrap_err();
        }
    }
}
