//! `share_kasm_session`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, used_session};
use crate::tool::{Effect, ErrorType, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct ShareKasmSession;

/// The access of a user who joins.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
enum ShareAccess {
    /// View only.
    #[serde(rename = "r")]
    Watch,
    /// View and control.
    #[serde(rename = "rw")]
    TakePart,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Args {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The id of a Kasm user to give access. Without it, the reply has a share id that any Kasm user can join
    /// with.
    user_id: Option<UserId>,
    /// The access of that user: `r` to view (default), `rw` to control.
    access: Option<ShareAccess>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SharedSession {
    kasm_id: String,
    /// The id that other users join with.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_id: Option<String>,
    /// The users who were given access.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    viewers: Vec<ShareViewer>,
}

#[derive(Serialize, JsonSchema)]
struct ShareViewer {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    access: String,
}

impl Tool for ShareKasmSession {
    type Provider = KasmProvider;
    type Args = Args;
    type Output = SharedSession;
    const NAME: &'static str = "share_kasm_session";
    const TITLE: &'static str = "Share a session";
    const ABOUT: &'static str =
        "Give access to a session: to one Kasm user, or to any user who has the share id.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: Args,
    ) -> Result<ToolReply<SharedSession>, ToolError> {
        // Kasm's request to share names no owner, so only this check keeps callers to their own sessions.
        let (_, session) = used_session(&cx, args.kasm_id, None).await?;
        let kasm = &cx.provider.kasm;
        let kasm_id = args.kasm_id.to_string();
        let Some(viewer) = args.user_id else {
            // Kasm makes this id when the session is created, and no later request can add it.
            let share_id = session.share_id.ok_or_else(not_shared)?;
            let shared = SharedSession {
                kasm_id,
                share_id: Some(share_id),
                viewers: Vec::new(),
            };
            return Ok(ToolReply::new(
                shared,
                "any user of this Kasm server can join with the share id",
            ));
        };
        let access = match args.access.unwrap_or(ShareAccess::Watch) {
            ShareAccess::Watch => "r",
            ShareAccess::TakePart => "rw",
        };
        let permissions = kasm.api().share(args.kasm_id, viewer, access).await?;
        let viewers = permissions.into_iter().map(|permission| ShareViewer {
            user_id: permission.user_id.map(|id| id.to_string()),
            username: permission.username,
            access: permission.access,
        });
        let shared = SharedSession {
            kasm_id,
            share_id: None,
            viewers: viewers.collect(),
        };
        Ok(ToolReply::new(
            shared,
            "the user can open the session from their own Kasm page",
        ))
    }
}

fn not_shared() -> ToolError {
    ToolError::new(
        ErrorType::Conflict,
        "the session was started without sharing, and Kasm's API cannot enable it later",
        "set `user_id` to share with one user, or create a session with `enable_sharing: true`",
    )
    .with_code("session_not_shared")
}
