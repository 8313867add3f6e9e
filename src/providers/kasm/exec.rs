//! The `exec` toolset: run commands for real, and hear what they say.

mod output;
mod run;
mod stop;

use super::KasmProvider;
use crate::caller::Scope;
use crate::jobs::JobError;
use crate::kasm::model::Status;
use crate::kasm::plane::Place;
use crate::kasm::{KasmError, KasmId, UserId};
use crate::tool::{Call, ErrorType, ToolError, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "exec",
    about: "Run commands, with their true output and exit code",
    scope: Scope::Use,
    tools: &[
        &run::ExecuteKasmCommand,
        &run::GetCommandOutput,
        &stop::StopCommand,
    ],
};

/// What an administrator can do when nothing of a command can be heard.
const REMEDY: &str = "an administrator can allow downloads for the user's group (allow_kasm_downloads), or set \
                      MCP_PUBLIC_URL of this server to an address that the workspace reaches";

/// The caller's own running session, for commands.
async fn place(
    cx: &Call<'_, KasmProvider>,
    kasm_id: KasmId,
    named: Option<UserId>,
) -> Result<Place, ToolError> {
    let (user, session) = super::own_session(cx, kasm_id, named).await?;
    if session.status != Status::Running {
        return Err(ToolError::from(KasmError::InvalidState {
            message: format!(
                "the session is `{}`: commands need a running one",
                session.status.word()
            ),
            remedy: "resume_kasm_session continues a paused or stopped session; get_session_status tells when a \
                     starting one is ready"
                .to_owned(),
        }));
    }
    Ok(Place {
        user,
        kasm_id,
        session,
    })
}

impl From<JobError> for ToolError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Kasm(error) => error.into(),
            JobError::Unheard { .. } => Self::new(ErrorType::Unavailable, message, REMEDY),
            JobError::NoSuchJob => Self::new(
                ErrorType::NotFound,
                message,
                "results are kept for a while after they were delivered; run the command again if it may run twice",
            ),
            JobError::NoSuchOffset(_) => Self::validation(
                message,
                "leave `offset` out to begin at the start, or pass a `next_offset` of an earlier reply",
            ),
            JobError::BadRecord(_) => Self::new(
                ErrorType::Api,
                message,
                "something in the workspace changed the files of the job below ~/Downloads; run the command again",
            ),
            JobError::NoRandom => Self::internal(message),
        }
    }
}
