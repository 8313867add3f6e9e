//! `destroy_kasm_session`, `pause_kasm_session`, `resume_kasm_session`, `extend_kasm_session`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{SessionArgs, SessionView};
use crate::kasm::model::{KasmSession, SessionStatus};
use crate::kasm::{KasmError, KasmId, UserId};
use crate::providers::kasm::{KasmProvider, own_session, used_session};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};

/// How long pause and resume wait for the new state.
const WAIT: Duration = Duration::from_secs(30);

pub(super) struct DestroyKasmSession;

#[derive(Serialize, JsonSchema)]
pub(super) struct Ended {
    kasm_id: String,
    /// Kasm was destroying it already, or had.
    was_ending: bool,
}

impl Tool for DestroyKasmSession {
    type Provider = KasmProvider;
    type Args = SessionArgs;
    type Output = Ended;
    const NAME: &'static str = "destroy_kasm_session";
    const TITLE: &'static str = "End a session";
    const ABOUT: &'static str =
        "Destroy a session and its unsaved data. Kasm completes this asynchronously.";
    const EFFECT: Effect = Effect::Destroy;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: SessionArgs,
    ) -> Result<ToolReply<Ended>, ToolError> {
        // Not marked as in use: a keepalive is of no use to a session that ends.
        let (user, before) = own_session(&cx, args.kasm_id, args.user_id).await?;
        let was_ending = is_ending(&before.status) || {
            let kasm = &cx.provider.kasm;
            match kasm.api().destroy(user, args.kasm_id).await {
                Ok(()) => false,
                // Another client may have destroyed it first, or Kasm itself has.
                Err(error) => match kasm.session_of(user, args.kasm_id).await {
                    Ok(after) if is_ending(&after.status) => true,
                    Err(KasmError::NotFound { .. }) => true,
                    Ok(_) | Err(_) => return Err(error.into()),
                },
            }
        };
        cx.provider.leases.forget_session(args.kasm_id);
        let message = if was_ending {
            "the session is being destroyed already: there is nothing to do"
        } else {
            "Kasm accepted the end of the session"
        };
        let ended = Ended {
            kasm_id: args.kasm_id.to_string(),
            was_ending,
        };
        Ok(ToolReply::new(ended, message))
    }
}

/// Whether the session ends without being asked again.
fn is_ending(status: &SessionStatus) -> bool {
    // Kasm has given up a session in `delete_error`, so it must be asked again.
    status.is_ending() && !status.is_failed()
}

pub(super) struct PauseKasmSession;

impl Tool for PauseKasmSession {
    type Provider = KasmProvider;
    type Args = SessionArgs;
    type Output = SessionView;
    const NAME: &'static str = "pause_kasm_session";
    const TITLE: &'static str = "Pause a session";
    const ABOUT: &'static str = "Pause a running session. resume_kasm_session continues it.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: SessionArgs,
    ) -> Result<ToolReply<SessionView>, ToolError> {
        let (user, before) = used_session(&cx, args.kasm_id, args.user_id).await?;
        let kasm = &cx.provider.kasm;
        match before.status {
            SessionStatus::Paused => {
                return Ok(ToolReply::new(
                    SessionView::new(cx.provider, args.kasm_id, &before),
                    "the session was already paused",
                ));
            }
            SessionStatus::Running => {}
            SessionStatus::Starting | SessionStatus::Stopped | SessionStatus::Other(_) => {
                return Err(wrong_state(&before, "only a running session can be paused").into());
            }
        }
        kasm.api().pause(user, args.kasm_id).await?;
        settle(&cx, user, args.kasm_id, &SessionStatus::Paused).await
    }
}

pub(super) struct ResumeKasmSession;

impl Tool for ResumeKasmSession {
    type Provider = KasmProvider;
    type Args = SessionArgs;
    type Output = SessionView;
    const NAME: &'static str = "resume_kasm_session";
    const TITLE: &'static str = "Resume a session";
    const ABOUT: &'static str = "Continue a paused or stopped session.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: SessionArgs,
    ) -> Result<ToolReply<SessionView>, ToolError> {
        let (user, before) = used_session(&cx, args.kasm_id, args.user_id).await?;
        let kasm = &cx.provider.kasm;
        match before.status {
            SessionStatus::Running => {
                return Ok(ToolReply::new(
                    SessionView::new(cx.provider, args.kasm_id, &before),
                    "the session was already running",
                ));
            }
            SessionStatus::Paused | SessionStatus::Stopped => {}
            SessionStatus::Starting | SessionStatus::Other(_) => {
                return Err(wrong_state(
                    &before,
                    "only a paused or stopped session can be resumed",
                )
                .into());
            }
        }
        kasm.api().resume(user, args.kasm_id).await?;
        settle(&cx, user, args.kasm_id, &SessionStatus::Running).await
    }
}

pub(super) struct ExtendKasmSession;

impl Tool for ExtendKasmSession {
    type Provider = KasmProvider;
    type Args = SessionArgs;
    type Output = SessionView;
    const NAME: &'static str = "extend_kasm_session";
    const TITLE: &'static str = "Extend a session";
    const ABOUT: &'static str =
        "Extend the life of a session: moves its expiry forward and returns the new one.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: SessionArgs,
    ) -> Result<ToolReply<SessionView>, ToolError> {
        let (user, before) = used_session(&cx, args.kasm_id, args.user_id).await?;
        let kasm = &cx.provider.kasm;
        if !kasm.api().keepalive(args.kasm_id).await? {
            return Err(ToolError::from(KasmError::InvalidState {
                message: "a usage limit is reached: Kasm did not extend the session".to_owned(),
                remedy: "save what matters; the session ends at its expiration_date".to_owned(),
            })
            .with_code("usage_limit_reached"));
        }
        let after = kasm.session_of(user, args.kasm_id).await?;
        // The leases learn the new expiry, or they would take it for a keepalive of a person's browser.
        cx.hold_until_end(cx.provider.leases.begin_use(user, args.kasm_id, &after));
        let message = match (before.expiration_date, after.expiration_date) {
            (Some(old), Some(new)) if new > old => format!("the session now ends at {new}"),
            (_, Some(same)) => {
                format!(
                    "Kasm accepted the request, but the session still ends at {same}: it has a time limit"
                )
            }
            (_, None) => "Kasm accepted the request, but did not report an expiry".to_owned(),
        };
        Ok(ToolReply::new(
            SessionView::new(cx.provider, args.kasm_id, &after),
            message,
        ))
    }
}

/// Waits for the requested state and reports the actual one.
async fn settle(
    cx: &ToolCallContext<'_, KasmProvider>,
    user: UserId,
    kasm_id: KasmId,
    wanted: &SessionStatus,
) -> Result<ToolReply<SessionView>, ToolError> {
    let kasm = &cx.provider.kasm;
    let session = kasm
        .watch_session(user, kasm_id, wanted.clone(), WAIT)
        .last_session()
        .await?;
    let message = if session.status == *wanted {
        format!("the session is {}", wanted.status_word())
    } else {
        format!(
            "Kasm accepted the request, but the session is still `{}`: call get_session_status",
            session.status.status_word()
        )
    };
    Ok(ToolReply::new(
        SessionView::new(cx.provider, kasm_id, &session),
        message,
    ))
}

fn wrong_state(session: &KasmSession, rule: &str) -> KasmError {
    KasmError::InvalidState {
        message: format!("the session is `{}`: {rule}", session.status.status_word()),
        remedy: super::advice(&session.status).to_owned(),
    }
}
