//! Failures of Kasm. Each variant is a decision that the caller can take.

/// The result of an operation on Kasm.
pub type Result<T> = std::result::Result<T, KasmError>;

/// A failed operation. The texts are safe to show: they hold no credential.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KasmError {
    /// Kasm refused the API key for this endpoint: it is wrong, expired, read-only, or lacks `needs`. Kasm
    /// answers 401 and 403 for all of these, so the causes cannot be distinguished.
    #[error("Kasm refused `{endpoint}`: {message}")]
    Permission {
        /// The endpoint that was refused.
        endpoint: &'static str,
        /// The permissions that Kasm documents for it.
        needs: &'static str,
        /// Kasm's message.
        message: String,
    },
    /// The session, user or image does not exist, or belongs to another user.
    #[error("no such {what}")]
    NotFound {
        /// The kind of object.
        what: &'static str,
    },
    /// No workspace of that name; `near` lists similar ones.
    #[error("there is no workspace `{name}`")]
    NoSuchWorkspace {
        /// The requested name.
        name: String,
        /// Names that exist, the nearest first.
        near: Vec<String>,
    },
    /// Kasm has no free host, core or memory for another session.
    #[error("Kasm has no capacity for this: {0}")]
    NoResources(String),
    /// A limit of Kasm's licence is reached, or the feature is not licensed.
    #[error("Kasm's licence does not allow this: {0}")]
    Licence(String),
    /// The object exists, but its state does not allow this.
    #[error("{message}")]
    InvalidState {
        /// The problem.
        message: String,
        /// The next step for the caller.
        remedy: String,
    },
    /// Kasm did not answer in time. The request may have taken effect.
    #[error("Kasm did not answer `{endpoint}` within {seconds} s")]
    TimedOut {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// Kasm cannot be reached, or answers with a server error.
    #[error("Kasm is not available: {0}")]
    Unavailable(String),
    /// Kasm gave an answer that this client does not understand.
    #[error("unexpected answer to `{endpoint}`: {detail}")]
    Protocol {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// The unexpected part.
        detail: String,
    },
    /// Kasm refused for another reason, in its own words.
    #[error("Kasm refused `{endpoint}`: {message}")]
    Rejected {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// Kasm's message.
        message: String,
    },
}

impl KasmError {
    /// Removes a secret that Kasm may have repeated in its message.
    pub(super) fn without_secret(mut self, secret: &str) -> Self {
        let words = match &mut self {
            Self::Permission { message, .. }
            | Self::InvalidState { message, .. }
            | Self::Rejected { message, .. }
            | Self::NoResources(message)
            | Self::Licence(message)
            | Self::Unavailable(message)
            | Self::Protocol {
                detail: message, ..
            } => message,
            Self::NotFound { .. } | Self::NoSuchWorkspace { .. } | Self::TimedOut { .. } => {
                return self;
            }
        };
        if !secret.is_empty() {
            *words = words.replace(secret, "[redacted]");
        }
        self
    }

    /// The variant in a word, for metrics.
    pub(super) fn error_word(&self) -> &'static str {
        match self {
            Self::Permission { .. } => "permission",
            Self::NotFound { .. } | Self::NoSuchWorkspace { .. } => "not_found",
            Self::NoResources(_) => "no_resources",
            Self::Licence(_) => "licence",
            Self::InvalidState { .. } => "invalid_state",
            Self::TimedOut { .. } => "timeout",
            Self::Unavailable(_) => "unavailable",
            Self::Protocol { .. } => "protocol",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// Classifies the `error_message` of a failure. Kasm's wording is stable only for a few texts; every other
    /// failure is a refusal in Kasm's words.
    pub(super) fn from_message(
        endpoint: &'static str,
        needs: &'static str,
        message: String,
    ) -> Self {
        // Kasm sends no error code, so its text decides.
        let text = message.to_ascii_lowercase();
        let has = |part: &str| text.contains(part);
        if has("unauthorized") {
            Self::Permission {
                endpoint,
                needs,
                message,
            }
        } else if has("no resources are available")
            || has("no agent slots available")
            || has("unable to create session")
        {
            Self::NoResources(message)
        } else if has("license limit exceeded") {
            Self::Licence(message)
        // Kasm repeats the status of the session's web server, which asks a viewer for the numbers.
        } else if has("status code (502)") || has("status code (503)") {
            Self::InvalidState {
                message: "no viewer is connected to the session, so there are no frame statistics"
                    .to_owned(),
                remedy: "open the session in a browser, then call again".to_owned(),
            }
        } else {
            Self::Rejected { endpoint, message }
        }
    }
}
