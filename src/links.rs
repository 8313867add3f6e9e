//! Links that carry one file in one direction, once.
//!
//! A link has 256 random bits and stands for the caller that asked for it, for a short time. They are
//! kept here by their hash; a signature would need the same memory to be good for one use only.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::caller::Caller;

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

/// Why there is no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// Too many are open.
    TooMany,
    /// The system gives no random numbers.
    NoRandom,
}

/// All open links of a server.
pub struct Links {
    /// The public URL of the server, without a slash at its end.
    base: String,
    lifetime: Duration,
    open: Mutex<HashMap<[u8; 32], (Link, Instant)>>,
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

    fn open(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Link, Instant)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a link; returns its URL.
    ///
    /// # Errors
    /// Too many are open, or the system gives no random numbers.
    pub fn make(&self, link: Link) -> Result<String, NoLink> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|_| NoLink::NoRandom)?;
        let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!(
            "{}/files/{}{}?link={token}",
            self.base,
            link.computer,
            encoded(&link.path)
        );
        let now = Instant::now();
        let mut open = self.open();
        open.retain(|_, (_, expires)| *expires > now);
        let own = open
            .values()
            .filter(|(other, _)| other.caller.name == link.caller.name);
        if open.len() >= LINKS_MAX || own.count() >= LINKS_PER_CALLER_MAX {
            return Err(NoLink::TooMany);
        }
        open.insert(key_of(&token), (link, now + self.lifetime));
        Ok(url)
    }

    /// Uses a link up. None: it was used, is over, or never was.
    #[must_use]
    pub fn take(&self, token: &str) -> Option<Link> {
        let (link, expires) = self.open().remove(&key_of(token))?;
        (expires > Instant::now()).then_some(link)
    }
}

/// Looking a hash up tells nothing about the token by its time.
fn key_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A path as it is written in a URL (RFC 3986): unreserved characters and slashes stay.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}
