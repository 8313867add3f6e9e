//! Who is asking, and how much they may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How much a caller may do. Each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at sessions and workspaces.
    Read,
    /// Start, use and end sessions of one's own Kasm user.
    Use,
    /// Manage users and see everybody's sessions.
    Admin,
}

impl Scope {
    /// All scopes, the smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Use, Self::Admin];

    /// The name in tokens and challenges.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "kasm:read",
            Self::Use => "kasm:use",
            Self::Admin => "kasm:admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or(UnknownScope)
    }
}

/// The text names no scope.
#[derive(Debug, thiserror::Error)]
#[error("expected one of kasm:read, kasm:use, kasm:admin")]
pub struct UnknownScope;

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A stable name for logs, limits and the ownership of sessions. Not a secret.
    pub name: Arc<str>,
    /// How much it may do.
    pub scope: Scope,
    /// The Kasm user whose sessions it may touch, as configured.
    pub kasm_user: Arc<str>,
}

impl Caller {
    /// Whether the caller may use what needs `scope`.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scope >= scope
    }
}
