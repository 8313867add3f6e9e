//! Who is asking, and how much they may do.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// How often a wait for an end looks at the clock.
const CLOCK_LOOK: Duration = Duration::from_secs(60);

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

/// Which of the tools within its scope a caller is offered. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Only tools of these toolsets.
    pub toolsets: Option<Arc<BTreeSet<String>>>,
}

impl Reach {
    /// What both offer.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let toolsets = match (&self.toolsets, &other.toolsets) {
            (Some(own), Some(others)) => Some(Arc::new(&**own & &**others)),
            (one, None) | (None, one) => one.clone(),
        };
        Self {
            read_only: self.read_only || other.read_only,
            toolsets,
        }
    }

    /// Whether a tool of `toolset` is offered.
    #[must_use]
    pub fn includes(&self, toolset: &str, changes_nothing: bool) -> bool {
        let named = |toolsets: &Arc<BTreeSet<String>>| toolsets.contains(toolset);
        (changes_nothing || !self.read_only) && self.toolsets.as_ref().is_none_or(named)
    }
}

/// What a caller showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: it is on this machine.
    #[default]
    Local,
    /// A token that the operator gave out.
    Token,
    /// An access token of an authorization server, where it can ask for more scopes.
    OAuth,
}

/// How long a credential is good: what was begun with it ends with it.
#[derive(Clone, Debug, Default)]
pub struct Validity {
    /// Fires when it was taken back.
    pub revoked: CancellationToken,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether it has ended by now.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over_at(Timestamp::now())
    }

    /// Whether it has been taken back, or ends at `now` or before.
    #[must_use]
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        self.revoked.is_cancelled() || self.until.is_some_and(|until| until <= now)
    }

    /// Waits for its end.
    pub async fn over(&self) {
        loop {
            let pause = match self.until {
                Some(until) => {
                    let left = until.duration_since(Timestamp::now());
                    let left = Duration::try_from(left).unwrap_or_default();
                    // Looked at again, because the clock can be set.
                    left.min(CLOCK_LOOK)
                }
                None => return self.revoked.cancelled().await,
            };
            if self.is_over() {
                return;
            }
            let waited = tokio::time::timeout(pause, self.revoked.cancelled()).await;
            if waited.is_ok() {
                return;
            }
        }
    }
}

/// Which request something was asked in, and where that came from. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What joins its lines in the log, and its answer, to everything else: up to 64 letters, digits,
    /// `-` and `_`, maybe of the client's own making.
    pub request_id: Arc<str>,
    /// The client's address as far as it is known: the other end of the connection, or whom a trusted
    /// proxy names.
    pub address: Option<IpAddr>,
}

/// An authenticated caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// A stable name for logs and limits. Not a secret.
    pub name: Arc<str>,
    /// How much it may do.
    pub scope: Scope,
    /// The Kasm user whose sessions it may touch, as configured.
    pub kasm_user: Arc<str>,
    /// Which tools it is offered.
    pub reach: Reach,
    /// How many calls a minute its credential is good for, if it says so.
    pub rate: Option<NonZeroU32>,
    /// What it showed.
    pub credential: Credential,
    /// How long that is good.
    pub validity: Validity,
    owner: Arc<str>,
}

impl Caller {
    /// A caller with all tools of `scope`, without an end.
    #[must_use]
    pub fn new(name: &str, scope: Scope, kasm_user: &str) -> Self {
        Self {
            name: name.into(),
            scope,
            kasm_user: kasm_user.into(),
            reach: Reach::default(),
            rate: None,
            credential: Credential::default(),
            validity: Validity::default(),
            // The user has no line break, so it is clear where it begins.
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
    pub fn owner(&self) -> &Arc<str> {
        &self.owner
    }

    /// Whether the caller may use what needs `scope`.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scope >= scope
    }

    /// The same caller with fewer tools. There is no way to give it more.
    #[must_use]
    pub fn narrowed(mut self, reach: &Reach) -> Self {
        self.reach = self.reach.and(reach);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(read_only: bool, toolsets: Option<&[&str]>) -> Reach {
        let toolsets = toolsets.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        Reach {
            read_only,
            toolsets: toolsets.map(Arc::new),
        }
    }

    #[test]
    fn tool_filters_combine_to_the_narrower_one() {
        let all = reach(false, None);
        let files = reach(false, Some(&["files", "exec"]));
        let looks = reach(true, Some(&["files", "desktop"]));
        assert_eq!(all.and(&files), files);
        assert_eq!(files.and(&all), files);
        assert_eq!(files.and(&looks), reach(true, Some(&["files"])));
        let none = files.and(&reach(false, Some(&["desktop"])));
        assert!(!none.includes("files", true) && !none.includes("desktop", true));
        assert!(looks.includes("files", true) && !looks.includes("files", false));
        assert!(!looks.includes("exec", true) && all.includes("exec", false));
    }

    #[test]
    fn validity_ends_at_its_time_or_when_revoked() {
        let until = Timestamp::UNIX_EPOCH + Duration::from_secs(100);
        let validity = Validity {
            until: Some(until),
            ..Validity::default()
        };
        assert!(!validity.is_over_at(until - Duration::from_millis(1)));
        assert!(validity.is_over_at(until));
        assert!(!Validity::default().is_over_at(Timestamp::MAX));
        validity.revoked.cancel();
        assert!(validity.is_over_at(Timestamp::UNIX_EPOCH));
    }

    #[tokio::test]
    async fn wait_for_validity_end_returns_when_revoked() {
        let validity = |until| Validity {
            until: Some(until),
            ..Validity::default()
        };
        validity(Timestamp::UNIX_EPOCH).over().await;
        let taken_back = validity(Timestamp::MAX);
        let mut wait = std::pin::pin!(taken_back.over());
        assert!(futures::poll!(&mut wait).is_pending(), "it is good still");
        taken_back.revoked.cancel();
        wait.await;
    }
}
