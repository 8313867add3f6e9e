//! The logins of Kasm users, in memory only.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret, SecretString};

use super::Place;
use crate::bounded_map::{BoundedMap, Evict};
use crate::kasm::id::UserId;

/// Users whose logins are kept.
const USERS_MAX: usize = 10_000;

/// The login of each user that worked last.
#[derive(Debug)]
pub(super) struct Tokens {
    by_user: BoundedMap<UserId, KasmLogin>,
    /// Kasm's documentation says that each status call voids the logins handed out before; servers were
    /// seen to keep them. Learned by what is refused.
    newest_only: AtomicBool,
}

#[derive(Debug)]
struct KasmLogin(SecretString);

impl Evict for KasmLogin {
    /// Nothing says when Kasm ends a login.
    fn is_idle(&self) -> bool {
        false
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            by_user: BoundedMap::new(USERS_MAX),
            newest_only: AtomicBool::new(false),
        }
    }
}

impl Tokens {
    pub(super) fn keep(&self, user: UserId, token: SecretString) {
        self.by_user.insert(user, KasmLogin(token));
    }

    fn kept(&self, user: UserId) -> Option<SecretString> {
        self.by_user.get(&user).map(|login| login.0.clone())
    }

    /// The logins worth trying, the likeliest first.
    pub(super) fn candidates(&self, place: &Place) -> Vec<SecretString> {
        let kept = self.kept(place.user);
        let newest = of_status(place);
        let mut candidates = if self.newest_only.load(Ordering::Relaxed) {
            [newest, kept]
        } else {
            [kept, newest]
        }
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
        candidates.dedup_by(|a, b| a.expose_secret() == b.expose_secret());
        candidates
    }

    /// Notes which login was accepted.
    pub(super) fn worked(&self, place: &Place, token: SecretString) {
        let same = |other: &SecretString| other.expose_secret() == token.expose_secret();
        let kept = self.kept(place.user);
        if kept.as_ref().is_some_and(|kept| !same(kept))
            && of_status(place).as_ref().is_some_and(same)
        {
            self.newest_only.store(true, Ordering::Relaxed);
        }
        if !kept.as_ref().is_some_and(same) {
            self.keep(place.user, token);
        }
    }
}

/// The login at the end of the link that a status answer carries.
fn of_status(place: &Place) -> Option<SecretString> {
    let link = place.session.connect_url.as_ref()?.expose_secret();
    let token = link.rsplit('/').next().filter(|token| !token.is_empty())?;
    Some(SecretString::from(token.to_owned()))
}
