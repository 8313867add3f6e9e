//! Sessions of one user: ownership, waiting, and a create that is safe to repeat.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Kasm;
use super::error::{KasmError, Result};
use super::id::{KasmId, UserId};
use super::model::{CreatedSession, KasmSession, SessionRequest, SessionStatus, WorkspaceImage};

/// First and longest pause between two polls of a session in transition.
const POLL_FIRST: Duration = Duration::from_millis(250);
const POLL_LONGEST: Duration = Duration::from_secs(3);
/// How long the outcome of an abandoned create is kept for its caller's retry, and which sessions creates
/// returned.
const KEPT: Duration = Duration::from_secs(300);
/// The clock tolerance when a session is matched with our request.
const CLOCK_SLACK_SECONDS: i64 = 5;
/// The most abandoned creates that are remembered.
const ABANDONED_MAX: usize = 1_000;

type CreateOutcome = Option<Result<CreatedSession>>;

/// Creates whose callers disconnected, and the sessions that creates returned.
#[derive(Debug, Default)]
pub(super) struct CreateAttempts(Mutex<AttemptBook>);

#[derive(Debug, Default)]
struct AttemptBook {
    abandoned: HashMap<String, CreateAttempt>,
    /// So that a create that timed out does not claim the session of another create.
    named: HashMap<KasmId, (Instant, UserId)>,
}

#[derive(Debug)]
struct CreateAttempt {
    outcome: watch::Receiver<CreateOutcome>,
    since: Instant,
}

impl CreateAttempts {
    fn lock_book(&self) -> MutexGuard<'_, AttemptBook> {
        self.0.lock()
    }

    /// An attempt with equal arguments whose caller disconnected, if there is one. An attempt that failed
    /// meanwhile does not count.
    fn take_abandoned(&self, key: &str) -> Option<watch::Receiver<CreateOutcome>> {
        let abandoned = &mut self.lock_book().abandoned;
        abandoned.retain(|_, attempt| attempt.since.elapsed() < KEPT);
        // Removed at once, so that of two repeated calls only one gets this session.
        let outcome = abandoned.remove(key)?.outcome;
        let failed = matches!(&*outcome.borrow(), Some(Err(_)));
        (!failed).then_some(outcome)
    }

    fn abandon_attempt(&self, key: &str, outcome: watch::Receiver<CreateOutcome>) {
        let abandoned = &mut self.lock_book().abandoned;
        if abandoned.len() < ABANDONED_MAX {
            let since = Instant::now();
            abandoned.insert(key.to_owned(), CreateAttempt { outcome, since });
        }
    }

    /// Notes that a create of `user` returned this session. False if another one did before.
    fn record_reported(&self, kasm_id: KasmId, user: UserId) -> bool {
        let named = &mut self.lock_book().named;
        named.retain(|_, (since, _)| since.elapsed() < KEPT);
        named.insert(kasm_id, (Instant::now(), user)).is_none()
    }

    /// Whether a recent create of `user` returned this session.
    fn was_made_by(&self, kasm_id: KasmId, user: UserId) -> bool {
        let named = &self.lock_book().named;
        named.get(&kasm_id).is_some_and(|(_, owner)| *owner == user)
    }
}

/// Keeps the attempt for the caller's retry, unless the caller received its outcome.
#[derive(Debug)]
struct CreateWaiter<'a> {
    attempts: &'a CreateAttempts,
    key: String,
    outcome: watch::Receiver<CreateOutcome>,
    heard: bool,
}

impl CreateWaiter<'_> {
    async fn wait_for_outcome(&mut self) -> Result<CreatedSession> {
        let done = self.outcome.wait_for(Option::is_some).await;
        let outcome = done.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| {
            Err(KasmError::Unavailable(
                "the request was cancelled".to_owned(),
            ))
        })
    }
}

impl Drop for CreateWaiter<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.attempts
                .abandon_attempt(&self.key, self.outcome.clone());
        }
    }
}

/// A new session that its caller has not received yet. If it is dropped before that, a repeated call gets it.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Kasm's answer about it.
    pub created: CreatedSession,
    waiter: CreateWaiter<'a>,
}

impl NewSession<'_> {
    /// The caller received it, so a repeated call starts another session.
    pub fn mark_received(mut self) {
        self.waiter.heard = true;
    }
}

impl Kasm {
    /// The state of a session of `user`.
    ///
    /// # Errors
    /// `NotFound` if it does not exist or belongs to another user, with one message for both.
    pub async fn session_of(&self, user: UserId, kasm_id: KasmId) -> Result<KasmSession> {
        let session = self.api().session(user, kasm_id).await?;
        // Kasm's own check of the owner is not documented, so it is repeated here. The status of a session that
        // is not ready names no owner; the list does.
        let is_own = match session.user_id {
            Some(owner) => owner == user,
            None => {
                self.attempts.was_made_by(kasm_id, user)
                    || self.lists_session(user, kasm_id).await?
            }
        };
        if is_own {
            Ok(session)
        } else {
            Err(KasmError::NotFound { what: "session" })
        }
    }

    async fn lists_session(&self, user: UserId, kasm_id: KasmId) -> Result<bool> {
        let sessions = self.sessions_of(user).await?;
        Ok(sessions
            .iter()
            .any(|session| session.kasm_id == Some(kasm_id)))
    }

    /// The sessions of `user`.
    ///
    /// # Errors
    /// See [`KasmError`].
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<KasmSession>> {
        let mut sessions = self.api().sessions().await?;
        sessions.retain(|session| session.user_id == Some(user));
        Ok(sessions)
    }

    /// Starts a session and returns as soon as Kasm has returned its id.
    ///
    /// Safe to repeat: the request continues if its caller disconnects, and a repeated call within five minutes
    /// gets that session instead of a second one, unless the session has ended since. If Kasm's answer is
    /// missing or unclear, the session is searched in the list. `named_now` receives the id even if the caller
    /// has disconnected.
    ///
    /// # Errors
    /// See [`KasmError`].
    pub async fn create_session(
        &self,
        user: UserId,
        image: &WorkspaceImage,
        request: SessionRequest,
        named_now: impl Fn(KasmId) + Send + 'static,
    ) -> Result<NewSession<'_>> {
        // A client that repeats a call repeats its arguments, so these identify it.
        let key = format!("{user} {} {request:?}", image.image_id);
        let waiter = |outcome| CreateWaiter {
            attempts: &self.attempts,
            key: key.clone(),
            outcome,
            heard: false,
        };
        if let Some(earlier) = self.attempts.take_abandoned(&key) {
            let new = wait_for_session(waiter(earlier)).await?;
            match self.session_of(user, new.created.kasm_id).await {
                Err(KasmError::NotFound { .. }) => new.mark_received(),
                Ok(_) | Err(_) => {
                    named_now(new.created.kasm_id);
                    return Ok(new);
                }
            }
        }
        wait_for_session(waiter(self.start_create(
            user,
            image.clone(),
            request,
            named_now,
        )))
        .await
    }

    fn start_create(
        &self,
        user: UserId,
        image: WorkspaceImage,
        request: SessionRequest,
        named_now: impl Fn(KasmId) + Send + 'static,
    ) -> watch::Receiver<CreateOutcome> {
        let (tell, outcome) = watch::channel(None);
        let kasm = self.clone();
        // A task of its own goes on when the caller hangs up: Kasm may have begun to create the session.
        tokio::spawn(async move {
            let started = Instant::now();
            let created = match kasm
                .api()
                .request_session(user, image.image_id, &request)
                .await
            {
                // After all three, Kasm may have created the session.
                Err(
                    error @ (KasmError::TimedOut { .. }
                    | KasmError::Unavailable(_)
                    | KasmError::Protocol { .. }),
                ) => kasm
                    .find_created(user, &image, started)
                    .await
                    .unwrap_or(Err(error)),
                Ok(mut created) => {
                    kasm.attempts.record_reported(created.kasm_id, user);
                    if let Some(token) = created.session_token.take() {
                        kasm.proxy.remember_token(user, token);
                    }
                    Ok(created)
                }
                Err(error) => Err(error),
            };
            if let Ok(created) = &created {
                named_now(created.kasm_id);
            }
            tell.send_replace(Some(created));
        });
        outcome
    }

    /// After a failure that may hide a success: the youngest session of this user and image that is not older
    /// than the request and not of another create. None if there is none, or if it is unknown.
    async fn find_created(
        &self,
        user: UserId,
        image: &WorkspaceImage,
        started: Instant,
    ) -> Option<Result<CreatedSession>> {
        let sessions = self.sessions_of(user).await.ok()?;
        let oldest =
            i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX) + CLOCK_SLACK_SECONDS;
        // Both times are Kasm's, so a wrong clock on either side does not matter.
        let age = |session: &KasmSession| {
            let born = session.created_date.or(session.start_date)?;
            Some(session.current_time?.as_second() - born.as_second())
        };
        let candidates = sessions
            .iter()
            .filter(|session| session.image_id == Some(image.image_id));
        let fresh = candidates.filter_map(|session| Some((age(session)?, session)));
        let mut fresh: Vec<_> = fresh.filter(|(age, _)| *age <= oldest).collect();
        fresh.sort_by_key(|(age, _)| *age);
        // Recording is also a claim: of two creates that timed out together, each gets a session of its own.
        let (_, found) = fresh.into_iter().find(|(_, session)| {
            session
                .kasm_id
                .is_some_and(|id| self.attempts.record_reported(id, user))
        })?;
        tracing::info!(kasm_id = ?found.kasm_id, "the session was created although request_kasm failed");
        Some(Ok(CreatedSession {
            kasm_id: found.kasm_id?,
            status: found.status.clone(),
            share_id: found.share_id.clone(),
            session_token: None,
        }))
    }

    /// Polls a session until it is `wanted` or `patience` is over.
    #[must_use]
    pub fn watch_session(
        &self,
        user: UserId,
        kasm_id: KasmId,
        wanted: SessionStatus,
        patience: Duration,
    ) -> SessionWatch<'_> {
        SessionWatch {
            kasm: self,
            user,
            kasm_id,
            wanted,
            end: Instant::now() + patience,
            pause: None,
        }
    }
}

/// Waits for the answer to a request. Its failure is returned to every waiting caller.
async fn wait_for_session(mut waiter: CreateWaiter<'_>) -> Result<NewSession<'_>> {
    match waiter.wait_for_outcome().await {
        Ok(created) => Ok(NewSession { created, waiter }),
        Err(error) => {
            waiter.heard = true;
            Err(error)
        }
    }
}

/// A session that is being waited for.
#[derive(Debug)]
pub struct SessionWatch<'a> {
    kasm: &'a Kasm,
    user: UserId,
    kasm_id: KasmId,
    wanted: SessionStatus,
    end: Instant,
    pause: Option<Duration>,
}

/// The result of one poll.
#[derive(Debug)]
pub enum WatchPoll {
    /// Not yet in the wanted state; poll again.
    Waiting(KasmSession),
    /// In the wanted state, or the time is over: the last state.
    Last(KasmSession),
}

impl SessionWatch<'_> {
    /// Polls once, after a pause unless it is the first time.
    ///
    /// # Errors
    /// See [`KasmError`]; failures to reach Kasm are retried until the time is over.
    pub async fn poll_session(&mut self) -> Result<WatchPoll> {
        loop {
            if let Some(pause) = self.pause {
                sleep(pause).await;
            }
            let pause = self
                .pause
                .map_or(POLL_FIRST, |pause| (pause * 3 / 2).min(POLL_LONGEST));
            self.pause = Some(pause);
            // If the next poll would be too late, this one is the last.
            let patient = Instant::now() + pause < self.end;
            match self.kasm.session_of(self.user, self.kasm_id).await {
                Ok(session) if session.status == self.wanted || !patient => {
                    return Ok(WatchPoll::Last(session));
                }
                Ok(session) => return Ok(WatchPoll::Waiting(session)),
                Err(KasmError::Unavailable(_) | KasmError::TimedOut { .. }) if patient => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Polls until the last poll.
    ///
    /// # Errors
    /// As [`Self::poll_session`].
    pub async fn last_session(mut self) -> Result<KasmSession> {
        loop {
            if let WatchPoll::Last(session) = self.poll_session().await? {
                return Ok(session);
            }
        }
    }
}

impl KasmSession {
    /// Seconds until Kasm ends the session, by Kasm's own clock.
    #[must_use]
    pub fn expires_in_seconds(&self) -> Option<i64> {
        let now = self.current_time?;
        Some(self.expiration_date?.as_second() - now.as_second())
    }
}
