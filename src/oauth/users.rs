//! Finds the id of the Kasm user that a token names.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Denied;

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

pub(super) struct Users {
    user_id: fn(&str) -> Option<String>,
    find: FindUser,
    answers: Mutex<HashMap<String, (Option<String>, Instant)>>,
}

impl Users {
    pub(super) fn new(user_id: fn(&str) -> Option<String>, find: FindUser) -> Self {
        Self {
            user_id,
            find,
            answers: Mutex::default(),
        }
    }

    /// The id of the user that is named by it, or by username.
    pub(super) async fn resolve(&self, named: &str) -> Result<String, Denied> {
        if let Some(id) = (self.user_id)(named) {
            return Ok(id);
        }
        if named.chars().count() > NAME_CHARS_MAX {
            return Err(Denied::NoUser);
        }
        let remembered = {
            let answers = self.answers.lock();
            let answer = answers.get(named);
            answer.filter(|(_, until)| *until > Instant::now()).cloned()
        };
        if let Some((answer, _)) = remembered {
            return answer.ok_or(Denied::NoUser);
        }
        let answer = (self.find)(named.to_owned()).await.map_err(|problem| {
            tracing::warn!(problem, "cannot look up a Kasm user");
            Denied::Unavailable
        })?;
        let keep = if answer.is_some() { KNOWN } else { UNKNOWN };
        let now = Instant::now();
        let mut answers = self.answers.lock();
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, (_, until)| *until > now);
        }
        if answers.len() < ANSWERS_MAX {
            answers.insert(named.to_owned(), (answer.clone(), now + keep));
        }
        answer.ok_or(Denied::NoUser)
    }
}
