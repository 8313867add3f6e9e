//! Callers and their permissions.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// How often a wait for the expiry checks the clock.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

/// The permissions of a caller. Each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read sessions and workspaces.
    Read,
    /// Start, use and end sessions of the caller's own Kasm user.
    Use,
    /// Manage users and list the sessions of all users.
    Admin,
}

impl Scope {
    /// All scopes, the smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Use, Self::Admin];

    /// The name in tokens and challenges.
    #[must_use]
    pub fn scope_name(self) -> &'static str {
        match self {
            Self::Read => "kasm:read",
            Self::Use => "kasm:use",
            Self::Admin => "kasm:admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scope_name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.scope_name() == text)
            .ok_or(UnknownScope)
    }
}

/// The text is not a scope.
#[derive(Debug, thiserror::Error)]
#[error("expected one of kasm:read, kasm:use, kasm:admin")]
pub struct UnknownScope;

/// Which tools within its scope a caller is offered. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Only tools of these toolsets.
    pub toolsets: Option<Arc<BTreeSet<String>>>,
}

impl ToolFilter {
    /// The tools that both offer.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let toolsets = match (&self.toolsets, &other.toolsets) {
            (Some(own), Some(others)) => Some(Arc::new(&**own & &**others)),
            // A filter without a list admits every toolset, so the list of the other one decides.
            (one, None) | (None, one) => one.clone(),
        };
        Self {
            read_only: self.read_only || other.read_only,
            toolsets,
        }
    }

    /// Whether a tool of `toolset` is offered.
    #[must_use]
    pub fn includes_tool(&self, toolset: &str, changes_nothing: bool) -> bool {
        let named = |toolsets: &Arc<BTreeSet<String>>| toolsets.contains(toolset);
        (changes_nothing || !self.read_only) && self.toolsets.as_ref().is_none_or(named)
    }
}

/// The credential of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// None: the caller is on this machine.
    #[default]
    Local,
    /// A token from the operator.
    Token,
    /// An access token of an authorization server, where the client can request more scopes.
    OAuth,
}

/// How long a credential is valid; work ends with its credential.
#[derive(Clone, Debug, Default)]
pub struct Validity {
    /// Cancelled when the credential is revoked.
    pub revoked: CancellationToken,
    /// Its expiry.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether it is invalid now.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended_at(Timestamp::now())
    }

    /// Whether it is revoked, or expires at `now` or before.
    #[must_use]
    pub fn has_ended_at(&self, now: Timestamp) -> bool {
        self.revoked.is_cancelled() || self.until.is_some_and(|until| until <= now)
    }

    /// Waits until it becomes invalid.
    pub async fn wait_for_end(&self) {
        loop {
            let pause = match self.until {
                Some(until) => {
                    let left = until.duration_since(Timestamp::now());
                    // A negative span cannot be converted. It means that the expiry has passed, which the
                    // check below finds.
                    let left = Duration::try_from(left).unwrap_or_default();
                    // Checked again and again, because the clock can be set.
                    left.min(CLOCK_LOOK)
                }
                None => return self.revoked.cancelled().await,
            };
            if self.has_ended() {
                return;
            }
            let waited = tokio::time::timeout(pause, self.revoked.cancelled()).await;
            if waited.is_ok() {
                return;
            }
        }
    }
}

/// The request of a call, and the client's address. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The request id, in log lines and in the answer: up to 64 letters, digits, `-` and `_`. The client may
    /// have chosen it.
    pub request_id: Arc<str>,
    /// The client's address, if known: the peer of the connection, or the address that a trusted proxy names.
    pub address: Option<IpAddr>,
}

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A stable name for logs and limits. Not a secret.
    pub name: Arc<str>,
    /// The scope.
    pub scope: Scope,
    /// The Kasm user whose sessions it may use, as configured.
    pub kasm_user: Arc<str>,
    /// The tools that it is offered.
    pub reach: ToolFilter,
    /// The requests per minute that its credential allows, if it says so.
    pub rate: Option<NonZeroU32>,
    /// The kind of credential.
    pub credential: Credential,
    /// How long the credential is valid.
    pub validity: Validity,
    owner: Arc<str>,
}

impl Caller {
    /// A caller with all tools of `scope`, without expiry.
    #[must_use]
    pub fn new(name: &str, scope: Scope, kasm_user: &str) -> Self {
        Self {
            name: name.into(),
            scope,
            kasm_user: kasm_user.into(),
            reach: ToolFilter::default(),
            rate: None,
            credential: Credential::default(),
            validity: Validity::default(),
            // The user contains no line break, so the name's end is unambiguous.
            owner: format!("{name}\n{kasm_user}").into(),
        }
    }

    /// The caller that the layers in front of a request's handler found. The only place where a request keeps
    /// it, for the surfaces of HTTP and for the handler of MCP alike.
    #[must_use]
    pub fn of_request(extensions: &http::Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Whose things are its own: its name together with its Kasm user. A token that is made anew for
    /// another Kasm user has nothing of what the former one had.
    #[must_use]
    pub fn owner_key(&self) -> &Arc<str> {
        &self.owner
    }

    /// Whether the caller has `scope` or a larger one.
    #[must_use]
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scope >= scope
    }

    /// A copy of the caller with fewer tools. No method adds tools.
    #[must_use]
    pub fn narrowed_by(mut self, reach: &ToolFilter) -> Self {
        self.reach = self.reach.intersect(reach);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(read_only: bool, toolsets: Option<&[&str]>) -> ToolFilter {
        let toolsets = toolsets.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        ToolFilter {
            read_only,
            toolsets: toolsets.map(Arc::new),
        }
    }

    #[test]
    fn tool_filters_combine_to_the_narrower_one() {
        let all = reach(false, None);
        let files = reach(false, Some(&["files", "exec"]));
        let looks = reach(true, Some(&["files", "desktop"]));
        assert_eq!(all.intersect(&files), files);
        assert_eq!(files.intersect(&all), files);
        assert_eq!(files.intersect(&looks), reach(true, Some(&["files"])));
        let none = files.intersect(&reach(false, Some(&["desktop"])));
        assert!(!none.includes_tool("files", true) && !none.includes_tool("desktop", true));
        assert!(looks.includes_tool("files", true) && !looks.includes_tool("files", false));
        assert!(!looks.includes_tool("exec", true) && all.includes_tool("exec", false));
    }

    #[test]
    fn validity_ends_at_its_time_or_when_revoked() {
        let until = Timestamp::UNIX_EPOCH + Duration::from_secs(100);
        let validity = Validity {
            until: Some(until),
            ..Validity::default()
        };
        assert!(!validity.has_ended_at(until - Duration::from_millis(1)));
        assert!(validity.has_ended_at(until));
        assert!(!Validity::default().has_ended_at(Timestamp::MAX));
        validity.revoked.cancel();
        assert!(validity.has_ended_at(Timestamp::UNIX_EPOCH));
    }

    #[tokio::test]
    async fn wait_for_validity_end_returns_when_revoked() {
        let validity = |until| Validity {
            until: Some(until),
            ..Validity::default()
        };
        validity(Timestamp::UNIX_EPOCH).wait_for_end().await;
        let taken_back = validity(Timestamp::MAX);
        let mut wait = std::pin::pin!(taken_back.wait_for_end());
        assert!(futures::poll!(&mut wait).is_pending(), "it is good still");
        taken_back.revoked.cancel();
        wait.await;
    }
}
