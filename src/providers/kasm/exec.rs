//! The `exec` toolset: runs commands and returns their output and exit codes.

mod output;
mod prepare;
mod run;
mod stop;

use super::KasmProvider;
use crate::caller::{Level, Realm, Scope};
use crate::jobs::JobError;
use crate::policy::{Denial, INCOMPLETE_RULE, RuleDecision, Verdict};
use crate::tool::{ErrorType, ToolError, Toolset};

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "exec",
    about: "Run commands and read their output and exit code",
    scope: Scope::new(Realm::KASM, Level::Use),
    tools: &[
        &run::ExecuteKasmCommand,
        &run::GetCommandOutput,
        &stop::StopCommand,
    ],
};

/// The remedy if a command's output cannot be read.
pub(super) const REMEDY: &str = "ask an administrator to allow downloads for the user's group \
    (allow_kasm_downloads), or to set this server's MCP_PUBLIC_URL to a URL that the session can reach";

impl From<JobError> for ToolError {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Kasm(error) => error.into(),
            JobError::NoChannel { .. } => {
                Self::new(ErrorType::Unavailable, message, REMEDY).with_code("no_output_channel")
            }
            JobError::Unreachable { .. } => Self::new(
                ErrorType::Unavailable,
                message,
                "try again in a moment; if it fails again, the operator can run `kasm-mcp check`, or the session is \
                 broken: call destroy_kasm_session, then create_kasm_session",
            )
            .with_code("session_unreachable"),
            JobError::NotSent { again_in, .. } => Self::new(
                ErrorType::Unavailable,
                message,
                format!(
                    "nothing was changed; try again in {} s",
                    again_in.as_secs() + 1
                ),
            )
            .with_code("session_unreachable"),
            JobError::NotStarted => Self::new(
                ErrorType::Unavailable,
                message,
                "check the session with get_session_status and get_session_screenshot; if commands never run, the \
                 image has no bash",
            )
            .with_code("command_not_started"),
            JobError::NoSuchJob => Self::new(
                ErrorType::NotFound,
                message,
                "results are kept for a while after they were delivered; run the command again if it may run twice",
            )
            .with_code("job_not_found"),
            JobError::NoSuchOffset(_) => Self::validation(
                message,
                "leave `offset` out to begin at the start, or pass a `next_offset` of an earlier reply",
            )
            .with_code("offset_too_large"),
            JobError::DiskFull => Self::new(
                ErrorType::Unavailable,
                message,
                "remove files that are not needed (commands run, though their output is lost), then try again",
            )
            .with_code("disk_full"),
            JobError::BadRecord(_) => Self::new(
                ErrorType::Api,
                message,
                "something in the workspace changed the files of the job below ~/Downloads; run the command again",
            )
            .with_code("job_record_damaged"),
        }
    }
}

/// The policy's denial, in words for a model.
pub(super) fn denied_command(denial: &Denial) -> ToolError {
    let hint = match denial.decision {
        // A person who approves a command is not shown its variables, so a variable that needs approval is
        // denied.
        RuleDecision::Ask => format!(
            "this needs a person's approval, which cannot be requested here; instead: {}",
            denial.instead
        ),
        RuleDecision::Allow | RuleDecision::Deny => denial.instead.clone(),
    };
    if denial.verdict == Verdict::Invalid {
        let code = if denial.rule == INCOMPLETE_RULE {
            "command_incomplete"
        } else {
            "command_outside_limits"
        };
        return ToolError::validation(denial.message.clone(), hint).with_code(code);
    }
    let message = format!("{} (rule `{}`)", denial.message, denial.rule);
    ToolError::new(ErrorType::Security, message, hint).with_code("denied_by_policy")
}
