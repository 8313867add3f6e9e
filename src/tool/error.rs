//! A failed call, in words for a model.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The kind of a failure: what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// A rule of this server forbids it.
    Security,
    /// The arguments are invalid.
    Validation,
    /// It does not exist, or belongs to another caller.
    NotFound,
    /// The caller or the API key lacks a permission.
    Permission,
    /// Kasm refused, or gave an unexpected answer.
    Api,
    /// Kasm cannot be reached or has no capacity.
    Unavailable,
    /// It took too long.
    Timeout,
    /// Too many calls.
    RateLimited,
    /// Its state does not allow this.
    Conflict,
    /// This server or session does not support it.
    Unsupported,
    /// A defect of this server.
    Internal,
}

impl ErrorType {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Security,
        Self::Validation,
        Self::NotFound,
        Self::Permission,
        Self::Api,
        Self::Unavailable,
        Self::Timeout,
        Self::RateLimited,
        Self::Conflict,
        Self::Unsupported,
        Self::Internal,
    ];

    /// The name in replies and metrics.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Validation => "validation",
            Self::NotFound => "not_found",
            Self::Permission => "permission",
            Self::Api => "api",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Conflict => "conflict",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }

    /// Whether a call that failed in this way may have taken effect.
    #[must_use]
    pub fn may_have_acted(self) -> bool {
        match self {
            // Kasm may have carried out a request whose answer was lost, late or unreadable.
            Self::Api | Self::Unavailable | Self::Timeout | Self::Internal => true,
            Self::Security
            | Self::Validation
            | Self::NotFound
            | Self::Permission
            | Self::RateLimited
            | Self::Conflict
            | Self::Unsupported => false,
        }
    }
}

/// A failed call. `message` says what happened, `hint` names the next step. Neither contains a secret.
#[derive(Clone, Debug)]
pub struct ToolError {
    /// The kind.
    pub error_type: ErrorType,
    /// The stable name of the cause, such as `environment_too_long`. It does not change with the wording, so
    /// programs and tests compare it. A failure without a name of its own has that of its kind.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The next step.
    pub hint: String,
    /// A part of the request was carried out before the failure, whatever its kind.
    pub has_acted: bool,
    /// When it may be tried again, seconds from now, if that is known. `hint` says it, too.
    pub retry_after: Option<u64>,
}

impl ToolError {
    /// A failure of any kind.
    pub fn new(error_type: ErrorType, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            error_type,
            code: error_type.type_name(),
            message: message.into(),
            hint: hint.into(),
            has_acted: false,
            retry_after: None,
        }
    }

    /// A failure of invalid arguments.
    pub fn validation(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorType::Validation, message, hint)
    }

    /// A defect of this server. The details belong in the log, not here.
    pub fn internal(message: impl Into<String>) -> Self {
        let hint = "this is a defect of the server: try again, and report it with the request id if it fails again";
        Self::new(ErrorType::Internal, message, hint)
    }

    /// Sets the failure's code, in snake case.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same failure of a call that has had an effect.
    #[must_use]
    pub fn having_acted(mut self) -> Self {
        self.has_acted = true;
        self
    }

    /// Whether the call may have had an effect.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        self.has_acted || self.error_type.may_have_acted()
    }

    /// The reply form of a failure.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "success": false,
            "error": self.message,
            "error_type": self.error_type.type_name(),
            "code": self.code,
            "hint": self.hint,
        })
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type.type_name(), self.message)
    }
}

impl std::error::Error for ToolError {}
