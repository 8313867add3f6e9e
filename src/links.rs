//! Links that transfer one file in one direction, once.
//!
//! A link ends with one complete transfer, or with its time. A preview, a part of the file and a transfer that
//! broke off leave it as it is, so a client that resumes gets the rest: what was delivered is added up.
//!
//! A link has 256 random bits and stands for the caller that requested it, for a short time. They are
//! kept here by their hash; a signature would need the same memory to be good for one use only.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::bounded_map::{BoundedMap, Evict, KeyedSemaphores};
use crate::caller::Caller;
use crate::percent;
use crate::token::{self, TokenHash};

/// The most open links of one caller.
const LINKS_PER_CALLER_MAX: usize = 64;
/// The most open links of all callers.
const LINKS_MAX: usize = 4_096;

/// Separate parts of a file that are remembered as delivered.
const PARTS_MAX: usize = 64;

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferDirection {
    /// From the session.
    Download,
    /// To the session.
    Upload,
}

/// What a link allows.
#[derive(Clone, Debug)]
pub struct FileLinkGrant {
    /// The caller whose permissions it has.
    pub caller: Caller,
    /// The direction.
    pub direction: TransferDirection,
    /// The name of the provider in the link's address. None: an address without one.
    pub provider: Option<&'static str>,
    /// The computer with the file, such as a `kasm_id`.
    pub computer: String,
    /// The absolute path of the file.
    pub path: String,
}

impl FileLinkGrant {
    /// The path of its address, behind `/files`.
    fn address_path(&self) -> String {
        let provider = self.provider.map(|name| format!("/{name}"));
        let path = percent::encode_path(&self.path);
        format!("{}/{}{path}", provider.unwrap_or_default(), self.computer)
    }

    /// Whether its address is `/files/{first}/{rest}`, percent-decoded.
    #[must_use]
    pub fn is_at(&self, first: &str, rest: &str) -> bool {
        let path = |rest: &str| self.path.strip_prefix('/') == Some(rest);
        match self.provider {
            None => first == self.computer && path(rest),
            Some(provider) => {
                let inside = rest.split_once('/');
                first == provider
                    && inside
                        .is_some_and(|(computer, rest)| computer == self.computer && path(rest))
            }
        }
    }
}

/// Too many links are open for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLinks;

/// All open links of a server.
pub struct OpenLinks {
    /// The public URL of the server, without a trailing slash.
    base: String,
    lifetime: Duration,
    open: BoundedMap<LinkId, OpenLink>,
    /// By caller: how many more may be open.
    seats: KeyedSemaphores<Arc<str>>,
}

/// Names a link without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(TokenHash);

struct OpenLink {
    link: FileLinkGrant,
    expires: Instant,
    progress: Mutex<LinkProgress>,
    _seat: OwnedSemaphorePermit,
}

/// What has gone over a link.
#[derive(Debug, Default)]
struct LinkProgress {
    delivered: DeliveredParts,
    /// A file is on its way over it.
    is_uploading: bool,
}

impl Evict for OpenLink {
    fn is_idle(&self) -> bool {
        self.expires <= Instant::now()
    }
}

/// What of one version of a file was delivered.
#[derive(Debug, Default)]
struct DeliveredParts {
    version: String,
    /// Sorted, without overlaps.
    parts: Vec<Range<u64>>,
}

impl DeliveredParts {
    /// Adds a part. A file that was changed in between is delivered anew.
    fn add_part(&mut self, version: &str, part: Range<u64>) {
        if self.version != version {
            version.clone_into(&mut self.version);
            self.parts.clear();
        }
        self.parts.push(part);
        self.parts.sort_unstable_by_key(|part| part.start);
        let mut merged: Vec<Range<u64>> = Vec::with_capacity(self.parts.len());
        for part in self.parts.drain(..) {
            // Parts that touch become one, so a file that was read in order is a single range.
            match merged.last_mut() {
                Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
                Some(_) | None => merged.push(part),
            }
        }
        // A client that picks single bytes does not resume: what it has is forgotten rather than kept.
        merged.truncate(PARTS_MAX);
        self.parts = merged;
    }

    fn is_complete(&self, size: u64) -> bool {
        size == 0
            || self
                .parts
                .first()
                .is_some_and(|part| part.start == 0 && part.end >= size)
    }
}

impl fmt::Debug for OpenLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl OpenLinks {
    /// Links of a server with the URL `base`, each valid for `lifetime`.
    #[must_use]
    pub fn new(base: String, lifetime: Duration) -> Self {
        Self {
            base,
            lifetime,
            open: BoundedMap::new(LINKS_MAX),
            seats: KeyedSemaphores::new(LINKS_MAX, LINKS_PER_CALLER_MAX),
        }
    }

    /// How long a link is valid.
    #[must_use]
    pub fn link_lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Makes a link; returns its URL.
    ///
    /// # Errors
    /// Too many are open.
    pub fn make_link(&self, link: FileLinkGrant) -> Result<String, TooManyLinks> {
        let token = token::random_token();
        let url = format!("{}/files{}?link={token}", self.base, link.address_path());
        let seats = self.seats.of_key(link.caller.owner_key().clone());
        let seat = seats.clone().try_acquire_owned().or_else(|_| {
            // Links that expired unused keep their seats until they are dropped.
            self.open.evict_idle();
            seats.try_acquire_owned()
        });
        let open = OpenLink {
            link,
            expires: Instant::now() + self.lifetime,
            progress: Mutex::default(),
            _seat: seat.map_err(|_| TooManyLinks)?,
        };
        // A full map refuses the new link: evicting another one would void a URL that was handed out.
        let kept = self
            .open
            .get_or_insert(LinkId(TokenHash::of_token(&token)), || open);
        kept.map(|_| url).ok_or(TooManyLinks)
    }

    /// The link of a token. None: it was used, is over, or never was; or the token behind it is over.
    #[must_use]
    pub fn find_link(&self, token: &str) -> Option<(LinkId, FileLinkGrant)> {
        let id = LinkId(TokenHash::of_token(token));
        let found = self.open.get(&id)?;
        // Expired links stay in the map until it needs their place, so the time is checked at each use.
        let is_good = found.expires > Instant::now() && !found.link.caller.validity.has_ended();
        is_good.then(|| (id, found.link.clone()))
    }

    /// A part of a file of `size` bytes was delivered. `version` identifies its content. The link ends when all
    /// of it was.
    pub fn note_delivered(&self, id: LinkId, version: &str, part: Range<u64>, size: u64) {
        let Some(found) = self.open.get(&id) else {
            return;
        };
        let is_complete = {
            let mut progress = found.progress.lock();
            progress.delivered.add_part(version, part);
            progress.delivered.is_complete(size)
        };
        if is_complete {
            self.open.remove(&id);
        }
    }

    /// Begins an upload. None: another one is under way, or the link is over.
    #[must_use]
    pub fn begin_upload(self: &Arc<Self>, id: LinkId) -> Option<UploadClaim> {
        let found = self.open.get(&id)?;
        // Of two uploads that begin at once, exactly one sees the flag unset.
        let is_free = !std::mem::replace(&mut found.progress.lock().is_uploading, true);
        is_free.then(|| UploadClaim {
            links: self.clone(),
            id,
        })
    }
}

/// An upload under way. When it is dropped before its end, the link may be used again.
#[derive(Debug)]
pub struct UploadClaim {
    links: Arc<OpenLinks>,
    id: LinkId,
}

impl UploadClaim {
    /// The file was stored whole: the link is used up.
    pub fn complete_upload(self) {
        // `Drop` then finds no link, and nothing to reset.
        self.links.open.remove(&self.id);
    }
}

impl Drop for UploadClaim {
    fn drop(&mut self) {
        if let Some(link) = self.links.open.get(&self.id) {
            link.progress.lock().is_uploading = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Level, Realm, Scope};

    #[test]
    fn parts_in_any_order_make_a_whole() {
        let mut delivered = DeliveredParts::default();
        for (part, complete) in [
            (60..100, false),
            (0..1, false),
            (99..100, false),
            (0..40, false),
            (30..60, true),
        ] {
            delivered.add_part("a", part.clone());
            assert_eq!(delivered.is_complete(100), complete, "{part:?}");
        }
        assert_eq!(delivered.parts.len(), 1);
        delivered.add_part("b", 50..100);
        assert!(!delivered.is_complete(100), "of another version");
    }

    fn link(name: &str) -> FileLinkGrant {
        FileLinkGrant {
            caller: Caller::new(name, Scope::new(Realm::KASM, Level::Use)),
            direction: TransferDirection::Download,
            provider: None,
            computer: "0".to_owned(),
            path: "/f".to_owned(),
        }
    }

    fn token_of(url: &str) -> &str {
        url.split_once("?link=").unwrap().1
    }

    #[test]
    fn one_upload_at_a_time_uses_a_link_up_when_it_is_complete() {
        let links = Arc::new(OpenLinks::new(String::new(), Duration::from_secs(60)));
        let url = links.make_link(link("one")).unwrap();
        let (id, _) = links.find_link(token_of(&url)).unwrap();
        let broken_off = links.begin_upload(id);
        assert!(broken_off.is_some() && links.begin_upload(id).is_none());
        drop(broken_off);
        links.begin_upload(id).unwrap().complete_upload();
        assert!(links.find_link(token_of(&url)).is_none());
        assert!(links.begin_upload(id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn links_that_expired_unused_make_room() {
        let links = OpenLinks::new(String::new(), Duration::from_secs(600));
        let urls: Vec<_> = (0..LINKS_PER_CALLER_MAX)
            .map(|_| links.make_link(link("one")).unwrap())
            .collect();
        assert_eq!(links.make_link(link("one")), Err(TooManyLinks));
        let other = links.make_link(link("other")).unwrap();
        tokio::time::advance(Duration::from_secs(599)).await;
        let (first, _) = links.find_link(token_of(&urls[0])).unwrap();
        links.note_delivered(first, "version", 0..1, 1);
        let again = links.find_link(token_of(&urls[0]));
        assert!(again.is_none(), "it was used");
        let late = links.make_link(link("one")).unwrap();
        assert_eq!(links.make_link(link("one")), Err(TooManyLinks));
        tokio::time::advance(Duration::from_secs(1)).await;
        let over = links.find_link(token_of(&other));
        assert!(over.is_none(), "it has expired");
        for _ in 0..LINKS_PER_CALLER_MAX - 1 {
            links.make_link(link("one")).unwrap();
        }
        assert_eq!(links.make_link(link("one")), Err(TooManyLinks));
        assert!(links.find_link(token_of(&late)).is_some());
    }

    #[test]
    fn single_bytes_are_not_remembered_without_end() {
        let mut delivered = DeliveredParts::default();
        (0..10_000).for_each(|n| delivered.add_part("a", n * 2..n * 2 + 1));
        assert_eq!(delivered.parts.len(), PARTS_MAX);
    }
}
