//! The logins of Kasm users, in memory only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use super::Place;
use crate::kasm::id::UserId;

/// Users whose logins are kept.
const USERS_MAX: usize = 10_000;

/// The login of each user that worked last.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_user: Mutex<HashMap<UserId, SecretString>>,
    /// Kasm's documentation says that each status call voids the logins handed out before; servers were
    /// seen to keep them. Learned by what is refused.
    newest_only: AtomicBool,
}

impl Tokens {
    pub(super) fn keep(&self, user: UserId, token: SecretString) {
        let mut tokens = self.by_user.lock();
        if tokens.len() >= USERS_MAX {
            tokens.clear();
        }
        tokens.insert(user, token);
    }

    /// The logins worth trying, the likeliest first.
    pub(super) fn candidates(&self, place: &Place) -> Vec<SecretString> {
        let kept = {
            let tokens = self.by_user.lock();
            tokens.get(&place.user).cloned()
        };
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
        let kept = {
            let tokens = self.by_user.lock();
            tokens.get(&place.user).cloned()
        };
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
