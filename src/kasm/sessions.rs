//! Sessions of one user: ownership, waiting, and a create that is safe to repeat.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Kasm;
use super::error::{KasmError, Result};
use super::id::{KasmId, UserId};
use super::model::{Created, Image, Session, SessionRequest, Status};

/// First and longest pause between two looks at a session in transition.
const POLL_FIRST: Duration = Duration::from_millis(250);
const POLL_LONGEST: Duration = Duration::from_secs(3);
/// How long the outcome of a create that nobody waited for is kept for its caller's next try.
const ABANDONED_KEPT: Duration = Duration::from_secs(300);
/// How much older than our request a session may look and still be the one we asked for.
const CLOCK_SLACK_SECONDS: i64 = 5;
/// How many abandoned creates are remembered.
const ABANDONED_MAX: usize = 1_000;

type Outcome = Option<Result<Created>>;

/// Creates that are under way, or finished with nobody there to hear it.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, Attempt>>);

#[derive(Debug)]
struct Attempt {
    outcome: watch::Receiver<Outcome>,
    started: Instant,
}

impl Attempts {
    /// An attempt for the same thing whose caller has gone, if there is one.
    fn abandoned(&self, key: &str) -> Option<watch::Receiver<Outcome>> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, attempt| attempt.started.elapsed() < ABANDONED_KEPT);
        attempts.remove(key).map(|attempt| attempt.outcome)
    }

    fn abandon(&self, key: &str, outcome: watch::Receiver<Outcome>, started: Instant) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.len() < ABANDONED_MAX {
            attempts.insert(key.to_owned(), Attempt { outcome, started });
        }
    }
}

/// Puts the attempt back for the caller's next try, unless the caller heard of its outcome.
struct Waiter<'a> {
    attempts: &'a Attempts,
    key: &'a str,
    outcome: watch::Receiver<Outcome>,
    started: Instant,
    heard: bool,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.attempts
                .abandon(self.key, self.outcome.clone(), self.started);
        }
    }
}

impl Kasm {
    /// The state of a session of `user`.
    ///
    /// # Errors
    /// `NotFound` if it does not exist or belongs to somebody else, in the same words for both.
    pub async fn session_of(&self, user: UserId, kasm_id: KasmId) -> Result<Session> {
        let session = self.wire().session(user, kasm_id).await?;
        // Kasm's own check of the owner is not documented, so it is made again here.
        match session.user_id {
            Some(owner) if owner != user => Err(KasmError::NotFound { what: "session" }),
            Some(_) | None => Ok(session),
        }
    }

    /// The sessions of `user`.
    ///
    /// # Errors
    /// As the wire tells.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>> {
        let mut sessions = self.wire().sessions().await?;
        sessions.retain(|session| session.user_id == Some(user));
        Ok(sessions)
    }

    /// Starts a session and returns as soon as Kasm has named it.
    ///
    /// Safe to repeat: the request runs on when its caller goes away, and the same call made
    /// again within five minutes gets that session instead of a second one. After a time-out of
    /// Kasm the session is looked for.
    ///
    /// # Errors
    /// As the wire tells.
    pub async fn create_session(
        &self,
        user: UserId,
        image: &Image,
        request: SessionRequest,
    ) -> Result<Created> {
        let key = format!("{user} {} {request:?}", image.image_id);
        let earlier = self.attempts.abandoned(&key);
        let outcome = earlier.unwrap_or_else(|| self.start_create(user, image.clone(), request));
        let mut waiter = Waiter {
            attempts: &self.attempts,
            key: &key,
            outcome,
            started: Instant::now(),
            heard: false,
        };
        let done = waiter
            .outcome
            .wait_for(Option::is_some)
            .await
            .map(|outcome| outcome.clone());
        waiter.heard = true;
        done.ok().flatten().unwrap_or_else(|| {
            Err(KasmError::Unavailable(
                "the request was given up".to_owned(),
            ))
        })
    }

    fn start_create(
        &self,
        user: UserId,
        image: Image,
        request: SessionRequest,
    ) -> watch::Receiver<Outcome> {
        let (tell, outcome) = watch::channel(None);
        let kasm = self.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            let created = match kasm
                .wire()
                .request_session(user, image.image_id, &request)
                .await
            {
                Err(error @ KasmError::TimedOut { .. }) => kasm
                    .find_created(user, &image, started)
                    .await
                    .unwrap_or(Err(error)),
                other => other,
            };
            tell.send_replace(Some(created));
        });
        outcome
    }

    /// After a time-out: the youngest session of this user and image that is no older than the
    /// request. None if there is none, or if nobody can tell.
    async fn find_created(
        &self,
        user: UserId,
        image: &Image,
        started: Instant,
    ) -> Option<Result<Created>> {
        let sessions = self.sessions_of(user).await.ok()?;
        let oldest =
            i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX) + CLOCK_SLACK_SECONDS;
        let age = |session: &Session| {
            let born = session.created_date.or(session.start_date)?;
            Some(session.current_time?.as_second() - born.as_second())
        };
        let candidates = sessions
            .iter()
            .filter(|session| session.image_id == Some(image.image_id));
        let fresh = candidates.filter_map(|session| Some((age(session)?, session)));
        let (_, found) = fresh
            .filter(|(age, _)| *age <= oldest)
            .min_by_key(|(age, _)| *age)?;
        tracing::info!(kasm_id = ?found.kasm_id, "the session was created although request_kasm timed out");
        Some(Ok(Created {
            kasm_id: found.kasm_id?,
            status: found.status.clone(),
            share_id: found.share_id.clone(),
        }))
    }

    /// Looks at a session again and again until it is `wanted` or `patience` is over.
    #[must_use]
    pub fn watch(
        &self,
        user: UserId,
        kasm_id: KasmId,
        wanted: Status,
        patience: Duration,
    ) -> Watch<'_> {
        Watch {
            kasm: self,
            user,
            kasm_id,
            wanted,
            end: Instant::now() + patience,
            pause: None,
        }
    }
}

/// A session that is being waited for.
#[derive(Debug)]
pub struct Watch<'a> {
    kasm: &'a Kasm,
    user: UserId,
    kasm_id: KasmId,
    wanted: Status,
    end: Instant,
    pause: Option<Duration>,
}

/// What one look at a session says.
#[derive(Debug)]
pub enum Look {
    /// Not there yet, and worth another look.
    Waiting(Session),
    /// There, or out of patience: the last state.
    Last(Session),
}

impl Watch<'_> {
    /// Takes the next look, after a pause if it is not the first.
    ///
    /// # Errors
    /// As the wire tells; failures to reach Kasm are waited out while there is patience.
    pub async fn look(&mut self) -> Result<Look> {
        loop {
            if let Some(pause) = self.pause {
                sleep(pause).await;
            }
            let pause = self
                .pause
                .map_or(POLL_FIRST, |pause| (pause * 3 / 2).min(POLL_LONGEST));
            self.pause = Some(pause);
            let patient = Instant::now() + pause < self.end;
            match self.kasm.session_of(self.user, self.kasm_id).await {
                Ok(session) if session.status == self.wanted || !patient => {
                    return Ok(Look::Last(session));
                }
                Ok(session) => return Ok(Look::Waiting(session)),
                Err(KasmError::Unavailable(_) | KasmError::TimedOut { .. }) if patient => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks until the last look.
    ///
    /// # Errors
    /// As [`Watch::look`].
    pub async fn last(mut self) -> Result<Session> {
        loop {
            if let Look::Last(session) = self.look().await? {
                return Ok(session);
            }
        }
    }
}

impl Session {
    /// Seconds until Kasm ends the session, by Kasm's own clock.
    #[must_use]
    pub fn expires_in_seconds(&self) -> Option<i64> {
        let now = self.current_time?;
        Some(self.expiration_date?.as_second() - now.as_second())
    }
}
