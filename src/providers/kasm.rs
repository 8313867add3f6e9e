//! The Kasm provider: one file per toolset.

mod failure;
mod monitoring;
mod sessions;
mod users;
mod workspaces;

use crate::caller::Caller;
use crate::kasm::model::Session;
use crate::kasm::{Kasm, KasmId, UserId};
use crate::tool::{Call, ErrorType, ToolError, Toolset};

/// The toolsets, in the order of the documents.
pub const TOOLSETS: &[Toolset<KasmProvider>] = &[
    sessions::TOOLSET,
    workspaces::TOOLSET,
    users::TOOLSET,
    monitoring::TOOLSET,
];

/// What the Kasm tools work on.
#[derive(Debug)]
pub struct KasmProvider {
    kasm: Kasm,
}

impl KasmProvider {
    /// A provider in front of `kasm`.
    #[must_use]
    pub fn new(kasm: Kasm) -> Self {
        Self { kasm }
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
