//! The logins of Kasm users, in memory only.

use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret, SecretString};

use super::RunningSession;
use crate::bounded_map::{BoundedMap, Evict};
use crate::kasm::id::UserId;

/// Users whose logins are kept.
const USERS_MAX: usize = 10_000;

/// The login of each user that worked last.
#[derive(Debug)]
pub(super) struct LoginTokens {
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

impl Default for LoginTokens {
    fn default() -> Self {
        Self {
            by_user: BoundedMap::new(USERS_MAX),
            newest_only: AtomicBool::new(false),
        }
    }
}

impl LoginTokens {
    pub(super) fn keep_token(&self, user: UserId, token: SecretString) {
        self.by_user.insert(user, KasmLogin(token));
    }

    fn kept_token(&self, user: UserId) -> Option<SecretString> {
        self.by_user.get(&user).map(|login| login.0.clone())
    }

    /// The logins worth trying, the likeliest first.
    pub(super) fn candidate_tokens(&self, place: &RunningSession) -> Vec<SecretString> {
        let kept = self.kept_token(place.user);
        let newest = token_of_status(place);
        let mut candidates = if self.newest_only.load(Ordering::Relaxed) {
            [newest, kept]
        } else {
            [kept, newest]
        }
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
        // The same login twice would cost a request that is certain to be refused.
        candidates.dedup_by(|a, b| a.expose_secret() == b.expose_secret());
        candidates
    }

    /// Notes which login was accepted.
    pub(super) fn note_working(&self, place: &RunningSession, token: SecretString) {
        let same = |other: &SecretString| other.expose_secret() == token.expose_secret();
        let kept = self.kept_token(place.user);
        if kept.as_ref().is_some_and(|kept| !same(kept))
            && token_of_status(place).as_ref().is_some_and(same)
        {
            // The kept login was refused and the newest one accepted: this Kasm voids earlier ones, so from
            // now on the newest is tried first.
            self.newest_only.store(true, Ordering::Relaxed);
        }
        if !kept.as_ref().is_some_and(same) {
            self.keep_token(place.user, token);
        }
    }
}

/// The login at the end of the link that a status answer carries.
fn token_of_status(place: &RunningSession) -> Option<SecretString> {
    let link = place.session.connect_url.as_ref()?.expose_secret();
    let token = link.rsplit('/').next().filter(|token| !token.is_empty())?;
    Some(SecretString::from(token.to_owned()))
}
