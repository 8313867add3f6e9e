//! `get_session_status`, `list_user_sessions`, `list_all_sessions`.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{SessionView, advice};
use crate::caller::Level;
use crate::kasm::model::KasmSession;
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{
    KasmProvider, acting_user, kasm_for_account, may_change, own_session,
};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct GetSessionStatus;

#[derive(Deserialize, JsonSchema)]
pub(super) struct StatusArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
    /// Also return the link that opens the desktop in a browser. The link gives access to ALL sessions of the
    /// user, so show it only to that user.
    include_url: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StatusView {
    #[serde(flatten)]
    session: SessionView,
    /// A path on the Kasm server. Present only with `include_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kasm_url: Option<String>,
}

impl Tool for GetSessionStatus {
    type Provider = KasmProvider;
    type Args = StatusArgs;
    type Output = StatusView;
    const NAME: &'static str = "get_session_status";
    const TITLE: &'static str = "Show a session";
    const ABOUT: &'static str = "Show the state of a session and when it expires.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: StatusArgs,
    ) -> Result<ToolReply<StatusView>, ToolError> {
        let include_url = args.include_url.unwrap_or(false);
        if include_url {
            // The tool only reads, but with the link its holder can act as the user.
            may_change(cx.caller, "`include_url`, which returns a login link,")?;
        }
        let (_, session) = own_session(&cx, args.kasm_id, args.user_id).await?;
        let link = session.connect_url.as_ref().filter(|_| include_url);
        if link.is_some() {
            tracing::warn!(caller = &*cx.caller.name, kasm_id = %args.kasm_id, "a login link was returned");
        }
        let view = StatusView {
            session: SessionView::new(cx.provider, args.kasm_id, &session),
            kasm_url: link.map(|url| url.expose_secret().to_owned()),
        };
        Ok(ToolReply::new(view, advice(&session.status)))
    }
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NoArgs {}

#[derive(Serialize, JsonSchema)]
pub(super) struct SessionList {
    sessions: Vec<SessionView>,
    count: usize,
}

pub(super) struct ListUserSessions;

impl Tool for ListUserSessions {
    type Provider = KasmProvider;
    type Args = NoArgs;
    type Output = SessionList;
    const NAME: &'static str = "list_user_sessions";
    const TITLE: &'static str = "List my sessions";
    const ABOUT: &'static str = "List the sessions of your Kasm user with their state and expiry.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        _: NoArgs,
    ) -> Result<ToolReply<SessionList>, ToolError> {
        let user = acting_user(cx.caller, None)?;
        let sessions = cx.provider.kasm.sessions_of(user).await?;
        Ok(session_list(cx.provider, &sessions))
    }
}

pub(super) struct ListAllSessions;

impl Tool for ListAllSessions {
    type Provider = KasmProvider;
    type Args = NoArgs;
    type Output = SessionList;
    const NAME: &'static str = "list_all_sessions";
    const TITLE: &'static str = "List all sessions";
    const ABOUT: &'static str =
        "List the sessions of all users of the Kasm server (administrators).";
    const EFFECT: Effect = Effect::Read;
    const LEVEL: Option<Level> = Some(Level::Admin);

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        _: NoArgs,
    ) -> Result<ToolReply<SessionList>, ToolError> {
        let sessions = kasm_for_account(&cx)?.api().sessions().await?;
        Ok(session_list(cx.provider, &sessions))
    }
}

fn session_list(provider: &KasmProvider, sessions: &[KasmSession]) -> ToolReply<SessionList> {
    let views = sessions
        .iter()
        // A session without an id cannot be passed to any tool.
        .filter_map(|session| Some(SessionView::new(provider, session.kasm_id?, session)));
    let sessions: Vec<_> = views.collect();
    let count = sessions.len();
    ToolReply::new(SessionList { sessions, count }, format!("{count} sessions"))
}
