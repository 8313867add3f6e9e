//! What can go wrong with Kasm. A variant is a decision that the caller can take.

/// The result of an operation on Kasm.
pub type Result<T> = std::result::Result<T, KasmError>;

/// A failed operation. The texts are safe to show: they hold no credential.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KasmError {
    /// Kasm refused the API key for this endpoint: wrong, expired, read-only, or lacking
    /// `needs`. Kasm answers 401 and 403 for all of these, so they cannot be told apart.
    #[error("Kasm refused `{endpoint}`: {message}")]
    Permission {
        /// The endpoint that was refused.
        endpoint: &'static str,
        /// The permissions that Kasm documents for it.
        needs: &'static str,
        /// What Kasm said.
        message: String,
    },
    /// The session, user or image does not exist, or belongs to somebody else.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// No workspace of that name; `near` lists similar ones.
    #[error("there is no workspace `{name}`")]
    NoSuchWorkspace {
        /// The name that was asked for.
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
    /// The thing exists, but not in a state that allows this.
    #[error("{message}")]
    InvalidState {
        /// What is wrong.
        message: String,
        /// What to do first.
        remedy: String,
    },
    /// Kasm did not answer in time. The effect may have happened.
    #[error("Kasm did not answer `{endpoint}` within {seconds} s")]
    TimedOut {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// Kasm cannot be reached, or answers with a server error.
    #[error("Kasm is not available: {0}")]
    Unavailable(String),
    /// Kasm answered something that this client does not understand.
    #[error("unexpected answer to `{endpoint}`: {detail}")]
    Protocol {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// What was unexpected.
        detail: String,
    },
    /// Kasm refused for a reason of its own, told in its words.
    #[error("Kasm refused `{endpoint}`: {message}")]
    Rejected {
        /// The endpoint that was called.
        endpoint: &'static str,
        /// What Kasm said.
        message: String,
    },
}

impl KasmError {
    /// The same error without a secret that Kasm may have repeated in its words.
    pub(super) fn without(mut self, secret: &str) -> Self {
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

    /// The variant in a word, for what is counted.
    pub(super) fn word(&self) -> &'static str {
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

    /// Classifies the `error_message` of a business failure. Kasm's wording is stable for a
    /// handful of texts only; everything else stays a rejection told in Kasm's words.
    pub(super) fn from_message(
        endpoint: &'static str,
        needs: &'static str,
        message: String,
    ) -> Self {
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
