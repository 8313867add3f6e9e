//! Maps Kasm's failures to errors with a next step.

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
                    "ask a Kasm administrator to check this server's API key (enabled, not expired, not read-only) \
                     and to grant it: {needs}"
                ),
            ),
            KasmError::NotFound { what: "session" } => (
                ErrorType::NotFound,
                "it may have ended; list_user_sessions lists the existing sessions".to_owned(),
            ),
            KasmError::NotFound { .. } => {
                (ErrorType::NotFound, "correct the id or name; get_kasm_users lists the users".to_owned())
            }
            KasmError::NoSuchWorkspace { near, .. } if near.is_empty() => {
                (ErrorType::NotFound, "get_available_workspaces lists the workspaces".to_owned())
            }
            KasmError::NoSuchWorkspace { near, .. } => (
                ErrorType::NotFound,
                format!("did you mean {}? get_available_workspaces lists all", near.join(", ")),
            ),
            KasmError::NoResources(_) => (
                ErrorType::Unavailable,
                "destroy a session that is not needed (destroy_kasm_session), use a smaller workspace, or try again \
                 in a minute; an administrator can add hosts"
                    .to_owned(),
            ),
            KasmError::Licence(_) => (
                ErrorType::Unavailable,
                "destroy a session that is not needed (destroy_kasm_session), or ask the administrator about the \
                 licence"
                    .to_owned(),
            ),
            KasmError::InvalidState { remedy, .. } => (ErrorType::Conflict, remedy),
            // Kasm may complete a request after this server has stopped waiting.
            KasmError::TimedOut { .. } => (
                ErrorType::Timeout,
                "the request may have taken effect: check the state (list_user_sessions) before you repeat it".to_owned(),
            ),
            KasmError::Unavailable(_) => (
                ErrorType::Unavailable,
                "try again in a moment; if it fails again, ask the operator to run `kasm-mcp check`".to_owned(),
            ),
            KasmError::Protocol { .. } => (
                ErrorType::Api,
                "report this to the operator: this Kasm version is not supported".to_owned(),
            ),
            KasmError::Rejected { .. } => {
                (ErrorType::Api, "the message is from Kasm; change the request accordingly".to_owned())
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
