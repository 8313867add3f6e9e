//! Links that transfer one file in one direction, once.
//!
//! A link has 256 random bits and acts for the caller that requested it, for a short time. The links are stored
//! by their hash; a signature would need this memory too, to be valid only once.

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

/// The most open links of one caller.
const LINKS_PER_CALLER_MAX: usize = 64;
/// The most open links of all callers.
const LINKS_MAX: usize = 4_096;

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the session.
    Download,
    /// To the session.
    Upload,
}

/// What a link allows.
#[derive(Clone, Debug)]
pub struct Link {
    /// The caller whose permissions it has.
    pub caller: Caller,
    /// The direction.
    pub direction: Direction,
    /// The computer with the file, such as a `kasm_id`.
    pub computer: String,
    /// The absolute path of the file.
    pub path: String,
}

/// Too many links are open for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLinks;

/// All open links of a server.
pub struct Links {
    /// The public URL of the server, without a trailing slash.
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
    /// Links of a server with the URL `base`, each valid for `lifetime`.
    #[must_use]
    pub fn new(base: String, lifetime: Duration) -> Self {
        Self {
            base,
            lifetime,
            open: Mutex::default(),
        }
    }

    /// How long a link is valid.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Hash, (Link, Instant)>> {
        self.open.lock()
    }

    /// Creates a link; returns its URL.
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

    /// Uses a link up. None: it was used, has expired or never existed, or its caller's token is no longer
    /// valid.
    #[must_use]
    pub fn take(&self, token: &str) -> Option<Link> {
        let (link, expires) = self.open().remove(&Hash::of(token))?;
        (expires > Instant::now() && !link.caller.validity.is_over()).then_some(link)
    }
}
