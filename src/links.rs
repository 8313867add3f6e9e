//! Links that carry one file in one direction, once.
//!
//! A link has 256 random bits and stands for the caller that asked for it, for a short time. They are
//! kept here by their hash; a signature would need the same memory to be good for one use only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::bounded_map::{BoundedMap, Evict, KeyedSemaphores};
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
    open: BoundedMap<Hash, OpenLink>,
    /// By caller: how many more may be open.
    seats: KeyedSemaphores<Arc<str>>,
}

struct OpenLink {
    link: Link,
    expires: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Evict for OpenLink {
    fn is_idle(&self) -> bool {
        self.expires <= Instant::now()
    }
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
            open: BoundedMap::new(LINKS_MAX),
            seats: KeyedSemaphores::new(LINKS_MAX, LINKS_PER_CALLER_MAX),
        }
    }

    /// How long a link is good.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
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
        let seats = self.seats.of_key(link.caller.owner().clone());
        let seat = seats.clone().try_acquire_owned().or_else(|_| {
            // Links that expired unused keep their seats until they are dropped.
            self.open.evict_idle();
            seats.try_acquire_owned()
        });
        let open = OpenLink {
            link,
            expires: Instant::now() + self.lifetime,
            _seat: seat.map_err(|_| TooManyLinks)?,
        };
        let kept = self.open.get_or_insert(Hash::of(&token), || open);
        kept.map(|_| url).ok_or(TooManyLinks)
    }

    /// Uses a link up. None: it was used, is over, or never was; or the token behind it is over.
    #[must_use]
    pub fn take(&self, token: &str) -> Option<Link> {
        let open = self.open.remove(&Hash::of(token))?;
        let is_good = !open.is_idle() && !open.link.caller.validity.is_over();
        is_good.then(|| open.link.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scope;

    fn link(name: &str) -> Link {
        Link {
            caller: Caller::new(name, Scope::Use, "0"),
            direction: Direction::Download,
            computer: "0".to_owned(),
            path: "/f".to_owned(),
        }
    }

    fn token_of(url: &str) -> &str {
        url.split_once("?link=").unwrap().1
    }

    #[tokio::test(start_paused = true)]
    async fn links_that_expired_unused_make_room() {
        let links = Links::new(String::new(), Duration::from_secs(600));
        let urls: Vec<_> = (0..LINKS_PER_CALLER_MAX)
            .map(|_| links.make(link("one")).unwrap())
            .collect();
        assert_eq!(links.make(link("one")), Err(TooManyLinks));
        let other = links.make(link("other")).unwrap();
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(links.take(token_of(&urls[0])).is_some());
        assert!(links.take(token_of(&urls[0])).is_none(), "it was used");
        let late = links.make(link("one")).unwrap();
        assert_eq!(links.make(link("one")), Err(TooManyLinks));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(links.take(token_of(&other)).is_none(), "it has expired");
        for _ in 0..LINKS_PER_CALLER_MAX - 1 {
            links.make(link("one")).unwrap();
        }
        assert_eq!(links.make(link("one")), Err(TooManyLinks));
        assert!(links.take(token_of(&late)).is_some());
    }
}
