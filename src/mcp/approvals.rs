//! Open approval questions: who was asked about what, and whether an answer belongs to a question.
//!
//! In revision 2026-07-28, a call cannot wait for an answer. The question is sent with a `requestState`, and
//! the client repeats the call with that state and the answer. The state passes through the client, so it is
//! sealed. It names the caller, the tool, its arguments, what is approved, and an expiry. Each state is
//! accepted once.
//!
//! The key is random, created at the first question and never stored. A restart therefore voids the open
//! questions, and the client asks again.

mod seal;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock::WallClock;
use crate::random;
use crate::tool::{ErrorType, JsonObject, ToolError};
use seal::SealKey;

/// The most open questions per caller. A person cannot judge more of them with care.
const OPEN_MAX: usize = 8;
/// The most answered questions that are remembered until they expire, for all callers.
const USED_MAX: usize = 10_000;

/// The open and answered questions. Clones share them.
#[derive(Clone, Debug)]
pub struct ApprovalBook(Arc<ApprovalBookState>);

#[derive(Debug)]
struct ApprovalBookState {
    /// Created at the first question, so a server without questions loads no cipher.
    seal: OnceLock<SealKey>,
    timeout: Duration,
    clock: WallClock,
    ledger: Mutex<QuestionLedger>,
}

/// The id of one question: 128 random bits as text.
type QuestionNonce = String;

#[derive(Debug, Default)]
struct QuestionLedger {
    /// By caller: the open questions and when they expire.
    open: HashMap<Arc<str>, Vec<(QuestionNonce, u64)>>,
    /// The answered questions whose state could be sent again, and when they expire.
    used: HashMap<QuestionNonce, u64>,
}

/// What a question is about. Two subjects are equal only if approving one approves the other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionSubject {
    /// Who called the tool.
    caller: Arc<str>,
    /// The tool's name.
    tool: String,
    /// SHA-256 of the arguments, in base64.
    arguments: String,
    /// SHA-256 of [`ApprovalQuestion::what`](crate::tool::ApprovalQuestion::what), in base64.
    what: String,
}

/// The content of a sealed state.
#[derive(Debug, Serialize, Deserialize)]
struct SealedQuestion {
    subject: QuestionSubject,
    nonce: QuestionNonce,
    /// Milliseconds since 1970.
    expires_ms: u64,
}

impl QuestionSubject {
    /// The subject of a question that `tool` asks when `caller` calls it with `arguments`.
    #[must_use]
    pub fn new(caller: &Arc<str>, tool: &str, arguments: &JsonObject, what: &str) -> Self {
        let mut text = Vec::new();
        write_object(arguments, &mut text);
        Self {
            caller: caller.clone(),
            tool: tool.to_owned(),
            arguments: digest_bytes(&text),
            what: digest_bytes(what.as_bytes()),
        }
    }
}

impl ApprovalBook {
    /// Creates a book with a random key. Each question may wait `timeout` for its answer.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self::with_clock(timeout, WallClock::default())
    }

    /// Creates a book with a random key whose questions expire by `clock`.
    #[must_use]
    pub fn with_clock(timeout: Duration, clock: WallClock) -> Self {
        Self(Arc::new(ApprovalBookState {
            seal: OnceLock::new(),
            timeout,
            clock,
            ledger: Mutex::default(),
        }))
    }

    fn seal_key(&self) -> &SealKey {
        self.0.seal.get_or_init(SealKey::random_key)
    }

    /// How long a question may wait for its answer.
    #[must_use]
    pub fn answer_timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Registers a question that is answered within its call. It is open until the returned value is dropped.
    ///
    /// # Errors
    /// `rate_limited`: too many questions of the caller are open.
    pub fn reserve_question(&self, caller: &Arc<str>) -> Result<PendingQuestion, ToolError> {
        let nonce = random_nonce();
        self.add_open_question(caller, &nonce, self.expires_ms())?;
        Ok(PendingQuestion {
            consent: self.clone(),
            caller: caller.clone(),
            nonce,
        })
    }

    /// Registers a question that is answered in another call, and seals its state.
    ///
    /// # Errors
    /// `rate_limited`: too many questions of the caller are open.
    pub fn issue_question(&self, subject: QuestionSubject) -> Result<String, ToolError> {
        let claims = SealedQuestion {
            subject,
            nonce: random_nonce(),
            expires_ms: self.expires_ms(),
        };
        // Sealed before it is counted: a question that cannot be sealed must not take a place.
        let sealed = serde_json::to_vec(&claims).ok();
        let sealed = sealed.and_then(|plain| self.seal_key().seal_bytes(plain));
        let sealed = sealed.ok_or_else(|| ToolError::internal("the question cannot be sealed"))?;
        self.add_open_question(&claims.subject.caller, &claims.nonce, claims.expires_ms)?;
        Ok(sealed)
    }

    /// Opens a state and marks it as used.
    ///
    /// # Errors
    /// `security`: this server did not issue the state, issued it to another caller or for another call, it
    /// expired, or it was used before.
    pub fn redeem_answer(&self, sealed: &str, subject: &QuestionSubject) -> Result<(), ToolError> {
        let claims = self.seal_key().open_sealed(sealed);
        let claims = claims.and_then(|plain| serde_json::from_slice::<SealedQuestion>(&plain).ok());
        // Another caller's question gives the error of an unknown state, so it cannot be detected.
        let claims = claims.filter(|claims| claims.subject.caller == subject.caller);
        let claims = claims.ok_or_else(|| {
            void_answer("request_state_unknown", "requestState is not one that this server gave you: it was changed, or the server has been restarted")
        })?;
        let (given, wanted) = (&claims.subject, subject);
        if given.tool != wanted.tool {
            return Err(void_answer(
                "request_state_of_other_call",
                "requestState belongs to a call of another tool",
            ));
        }
        if given.arguments != wanted.arguments {
            return Err(void_answer(
                "request_state_of_other_call",
                "requestState belongs to a call with other arguments",
            ));
        }
        if given.what != wanted.what {
            return Err(void_answer(
                "request_state_of_other_subject",
                "the consent was asked for something else than this",
            ));
        }
        let now_ms = self.now_ms();
        if claims.expires_ms <= now_ms {
            return Err(void_answer(
                "request_state_expired",
                "the answer came too late",
            ));
        }
        let mut ledger = self.lock_ledger();
        // One lock from this check to the insertion: two requests with the same state cannot both succeed.
        if ledger.used.contains_key(&claims.nonce) {
            return Err(void_answer(
                "request_state_used",
                "requestState was used before: it is good for one answer",
            ));
        }
        if ledger.used.len() >= USED_MAX {
            // An expired state is refused above, so its nonce need not be remembered.
            ledger.used.retain(|_, expires_ms| *expires_ms > now_ms);
        }
        // Fails closed. A nonce that is forgotten too early would make its state good for a second answer.
        if ledger.used.len() >= USED_MAX {
            return Err(ToolError::new(
                ErrorType::RateLimited,
                "too many questions were answered in the last minutes",
                "wait a minute, then call again",
            )
            .with_code("too_many_approvals"));
        }
        ledger.remove_question(&claims.subject.caller, &claims.nonce);
        ledger.used.insert(claims.nonce, claims.expires_ms);
        Ok(())
    }

    fn add_open_question(
        &self,
        caller: &Arc<str>,
        nonce: &str,
        expires_ms: u64,
    ) -> Result<(), ToolError> {
        let now_ms = self.now_ms();
        let mut ledger = self.lock_ledger();
        // No guard removes a question of revision 2026-07-28 if its client never calls again; only the expiry
        // does.
        ledger.open.retain(|_, questions| {
            questions.retain(|(_, expires_ms)| *expires_ms > now_ms);
            !questions.is_empty()
        });
        let questions = ledger.open.entry(caller.clone()).or_default();
        if questions.len() >= OPEN_MAX {
            return Err(ToolError::new(
                ErrorType::RateLimited,
                format!("{OPEN_MAX} questions to your user are already open"),
                "wait until they are answered, then call again",
            )
            .with_code("too_many_approvals"));
        }
        questions.push((nonce.to_owned(), expires_ms));
        Ok(())
    }

    fn expires_ms(&self) -> u64 {
        let timeout_ms = u64::try_from(self.0.timeout.as_millis()).unwrap_or(u64::MAX);
        self.now_ms().saturating_add(timeout_ms)
    }

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.clock.now().as_millisecond()).unwrap_or(0)
    }

    fn lock_ledger(&self) -> MutexGuard<'_, QuestionLedger> {
        self.0.ledger.lock()
    }
}

impl QuestionLedger {
    fn remove_question(&mut self, caller: &str, nonce: &str) {
        if let Some(questions) = self.open.get_mut(caller) {
            questions.retain(|(other, _)| other != nonce);
        }
    }
}

/// A question that is open until this is dropped.
#[derive(Debug)]
pub struct PendingQuestion {
    consent: ApprovalBook,
    caller: Arc<str>,
    nonce: QuestionNonce,
}

impl Drop for PendingQuestion {
    fn drop(&mut self) {
        self.consent
            .lock_ledger()
            .remove_question(&self.caller, &self.nonce);
    }
}

fn void_answer(code: &'static str, why: &str) -> ToolError {
    ToolError::new(
        ErrorType::Security,
        why,
        "call the tool again without requestState, so that the person is asked again",
    )
    .with_code(code)
}

fn random_nonce() -> QuestionNonce {
    BASE64URL_NOPAD.encode(&random::bytes::<16>())
}

fn digest_bytes(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(bytes))
}

/// JSON with sorted keys and no spaces, so that equal arguments have equal digests.
fn write_object(object: &JsonObject, out: &mut Vec<u8>) {
    // A client may write the members in another order when it repeats the call.
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push(b'{');
    for (key, value) in entries {
        out.extend(Value::from(key.as_str()).to_string().into_bytes());
        out.push(b':');
        write_value(value, out);
        out.push(b',');
    }
    out.push(b'}');
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                write_value(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.extend(value.to_string().into_bytes());
        }
    }
}
