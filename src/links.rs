//! Links that carry one file in one direction, once.
//!
//! A link has 256 random bits and stands for the caller that asked for it, for a short time. They are
//! kept here by their hash; a signature would need the same memory to be good for one use only.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::percent;
use crate::token::{self, Hash};

/// Open links of one caller.
const LINKS_PER_CALLER_MAX: usize = 64;
/// Open links of all callers.
const LINKS_MAX: usize = 4_096;

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the workspace.
    Download,
    /// To the workspace.
    Upload,
}

/// What a link is good for.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whose rights it has.
    pub caller: Caller,
    /// Which way.
    pub direction: Direction,
    /// The computer that has the file, such as a `kasm_id`.
    pub computer: String,
    /// The file, absolute.
    pub path: String,
}

/// There is no new link, because too many are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLinks;

/// All open links of a server.
pub struct Links {
    /// The public URL of the server, without a slash at its end.
    base: String,
    lifetime: Duration,
    open: Mutex<HashMap<Hash, (Link, Instant)>>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Links {
    /// Links of a server that clients reach at `base`, each good for `lifetime`.
    #[must_use]
    pub fn new(base: String, lifetime: Duration) -> Self {
        Self {
            base,
            lifetime,
            open: Mutex::default(),
        }
    }

    /// How long a link is good.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Hash, (Link, Instant)>> {
        self.open.lock()
    }

    /// Makes a link; returns its URL.
    ///
    /// # Errors
    /// Too many are open.
    pub fn make(&self, link: Link) -> Result<String, TooManyLinks> {
        let token = token::random();
        let url = format!(
            "{}/files/{}{}?link={token}",
            self.base,
            link.computer,
            percent::path(&link.path)
        );
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|_, (_, expires)| *expires > now);
        let own = open
            .values()
            .filter(|(other, _)| other.caller.owner() == link.caller.owner());
        if open.len() >= LINKS_MAX || own.count() >= LINKS_PER_CALLER_MAX {
            return Err(TooManyLinks);
        }
        open.insert(Hash::of(&token), (link, now + self.lifetime));
        Ok(url)
    }

    /// A link that is good still, and stays so. None: it was used, is over, or never was; or the token behind
    /// it is over.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Link> {
        let open = self.open();
        let (link, expires) = open.get(&Hash::of(token))?;
        let is_good = *expires > Instant::now() && !link.caller.validity.is_over();
        is_good.then(|| link.clone())
    }

    /// Uses a link up. None: it was used, is over, or never was; or the token behind it is over.
    #[must_use]
    pub fn take(&self, token: &str) -> Option<Link> {
        let (link, expires) = self.open().remove(&Hash::of(token))?;
        (expires > Instant::now() && !link.caller.validity.is_over()).then_some(link)
    }
}
