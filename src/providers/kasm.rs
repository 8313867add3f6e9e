//! The Kasm provider: one file per toolset.

mod exec;
mod failure;
mod monitoring;
mod sessions;
mod users;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use crate::caller::Caller;
use crate::jobs::Jobs;
use crate::kasm::model::Session;
use crate::kasm::{Kasm, KasmId, UserId};
use crate::policy::Policy;
use crate::relay::Relay;
use crate::tool::{Call, ErrorType, ToolError, Toolset};

/// The toolsets, in the order of the documents.
pub const TOOLSETS: &[Toolset<KasmProvider>] = &[
    sessions::TOOLSET,
    exec::TOOLSET,
    workspaces::TOOLSET,
    users::TOOLSET,
    monitoring::TOOLSET,
];

/// What the Kasm tools work on.
#[derive(Debug)]
pub struct KasmProvider {
    kasm: Kasm,
    jobs: Jobs,
    policy: Policy,
    commands: CommandLimits,
}

/// Limits of commands.
#[derive(Clone, Copy, Debug)]
pub struct CommandLimits {
    /// Whether a command may run as root inside the workspace.
    pub allow_root: bool,
    /// How long a command may run.
    pub time_max: Duration,
    /// How long a call waits for a command unless it says otherwise.
    pub wait: Duration,
    /// The longest wait: less than a tool call may take.
    pub wait_max: Duration,
    /// How much of each stream is in one reply.
    pub output_bytes: usize,
    /// How much of each stream is kept in the workspace.
    pub keep_bytes: u64,
}

impl KasmProvider {
    /// A provider in front of `kasm`. Without a relay, results come through Kasm's proxy only.
    #[must_use]
    pub fn new(
        kasm: Kasm,
        relay: Option<Arc<Relay>>,
        policy: Policy,
        commands: CommandLimits,
    ) -> Self {
        Self {
            jobs: Jobs::new(kasm.clone(), relay),
            kasm,
            policy,
            commands,
        }
    }
}

/// The Kasm user that `caller` acts as. A `user_id` argument is never needed; it is accepted when
/// it names that same user.
fn acting_user(caller: &Caller, named: Option<UserId>) -> Result<UserId, ToolError> {
    let user: UserId = caller.kasm_user.parse().map_err(|_| {
        ToolError::new(
            ErrorType::Permission,
            "this token is not bound to a Kasm user",
            "ask the operator to set KASM_USER_ID",
        )
    })?;
    match named {
        Some(named) if named != user => Err(ToolError::new(
            ErrorType::Permission,
            "this token may not act for another Kasm user",
            "leave `user_id` out: the user follows from the token",
        )),
        Some(_) | None => Ok(user),
    }
}

/// The caller's own session: what every use of a `kasm_id` begins with.
///
/// # Errors
/// `not_found` if it does not exist or belongs to somebody else, in the same words.
async fn own_session(
    cx: &Call<'_, KasmProvider>,
    kasm_id: KasmId,
    named: Option<UserId>,
) -> Result<(UserId, Session), ToolError> {
    let user = acting_user(cx.caller, named)?;
    let session = cx.provider.kasm.session_of(user, kasm_id).await?;
    Ok((user, session))
}
