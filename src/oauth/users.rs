//! Finds the id of the Kasm user that a token names.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::TokenDenied;
use crate::bounded_map::{BoundedMap, Evict};

/// How long a user is cached, and how long its absence.
const KNOWN: Duration = Duration::from_secs(300);
const UNKNOWN: Duration = Duration::from_secs(30);
/// How many answers are cached.
const ANSWERS_MAX: usize = 10_000;
/// The longest username.
const NAME_CHARS_MAX: usize = 256;

/// Finds a user's id by the username. None: there is no such user. The error says why the look-up failed.
pub type FindUser =
    Box<dyn Fn(String) -> BoxFuture<'static, Result<Option<String>, String>> + Send + Sync>;

pub(super) struct UserDirectory {
    user_id: fn(&str) -> Option<String>,
    find: FindUser,
    answers: BoundedMap<String, Answer>,
}

struct Answer {
    id: Option<String>,
    until: Instant,
}

impl Evict for Answer {
    fn is_idle(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl UserDirectory {
    pub(super) fn new(user_id: fn(&str) -> Option<String>, find: FindUser) -> Self {
        Self {
            user_id,
            find,
            answers: BoundedMap::new(ANSWERS_MAX),
        }
    }

    /// The id of the user that is named by it, or by username.
    pub(super) async fn resolve_user(&self, named: &str) -> Result<String, TokenDenied> {
        if let Some(id) = (self.user_id)(named) {
            return Ok(id);
        }
        if named.chars().count() > NAME_CHARS_MAX {
            return Err(TokenDenied::NoUser);
        }
        let remembered = self.answers.get(named);
        if let Some(answer) = remembered.filter(|answer| !answer.is_idle()) {
            return answer.id.clone().ok_or(TokenDenied::NoUser);
        }
        let id = (self.find)(named.to_owned()).await.map_err(|problem| {
            tracing::warn!(problem, "a Kasm user cannot be looked up");
            TokenDenied::Unavailable
        })?;
        // Absence is cached for a shorter time, so a user who was just created is found soon.
        let keep = if id.is_some() { KNOWN } else { UNKNOWN };
        let until = Instant::now() + keep;
        let answer = self.answers.insert(named.to_owned(), Answer { id, until });
        answer.id.clone().ok_or(TokenDenied::NoUser)
    }
}
