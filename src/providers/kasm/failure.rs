//! From a failure of Kasm to a failure that a model can act on.

use crate::kasm::KasmError;
use crate::tool::{ErrorType, ToolError};

impl From<KasmError> for ToolError {
    fn from(error: KasmError) -> Self {
        let message = error.to_string();
        let code = error_code(&error);
        let (error_type, hint) = match error {
            KasmError::Permission { needs, .. } => (
                ErrorType::Permission,
                format!(
                    "ask a Kasm administrator to check the API key of this server (enabled, not expired, \
                     not read-only) and to grant it: {needs}"
                ),
            ),
            KasmError::NotFound { what: "session" } => (
                ErrorType::NotFound,
                "it may have ended: list_user_sessions shows the sessions that exist".to_owned(),
            ),
            KasmError::NotFound { .. } => {
                (ErrorType::NotFound, "check the id or name; get_kasm_users lists the users".to_owned())
            }
            KasmError::NoSuchWorkspace { near, .. } if near.is_empty() => {
                (ErrorType::NotFound, "get_available_workspaces lists what can be started".to_owned())
            }
            KasmError::NoSuchWorkspace { near, .. } => (
                ErrorType::NotFound,
                format!("did you mean: {}? get_available_workspaces lists all", near.join(", ")),
            ),
            KasmError::NoResources(_) => (
                ErrorType::Unavailable,
                "end a session that is not needed (destroy_kasm_session), try a smaller workspace, or try \
                 again in a minute; an administrator can add hosts"
                    .to_owned(),
            ),
            KasmError::Licence(_) => (
                ErrorType::Unavailable,
                "end a session that is not needed (destroy_kasm_session), or ask the administrator about the \
                 licence"
                    .to_owned(),
            ),
            KasmError::InvalidState { remedy, .. } => (ErrorType::Conflict, remedy),
            KasmError::TimedOut { .. } => (
                ErrorType::Timeout,
                "it may have had its effect: look at the state (list_user_sessions) before you try again".to_owned(),
            ),
            KasmError::Unavailable(_) => (
                ErrorType::Unavailable,
                "try again in a moment; if it stays, the operator can run `kasm-mcp check`".to_owned(),
            ),
            KasmError::Protocol { .. } => (
                ErrorType::Api,
                "this Kasm version answers differently than expected: report it to the operator".to_owned(),
            ),
            KasmError::Rejected { .. } => {
                (ErrorType::Api, "the message is Kasm's own; change the request accordingly".to_owned())
            }
        };
        Self::new(error_type, message, hint).with_code(code)
    }
}

/// The stable name of the cause, which stays when Kasm or this server words it anew.
fn error_code(error: &KasmError) -> &'static str {
    match error {
        KasmError::Permission { .. } => "kasm_permission",
        KasmError::NotFound { what: "session" } => "session_not_found",
        KasmError::NotFound { .. } => "user_not_found",
        KasmError::NoSuchWorkspace { .. } => "workspace_not_found",
        KasmError::NoResources(_) => "kasm_no_resources",
        KasmError::Licence(_) => "kasm_licence",
        KasmError::InvalidState { .. } => "invalid_state",
        KasmError::TimedOut { .. } => "kasm_timeout",
        KasmError::Unavailable(_) => "kasm_unavailable",
        KasmError::Protocol { .. } => "kasm_unexpected_answer",
        KasmError::Rejected { .. } => "kasm_refused",
    }
}
