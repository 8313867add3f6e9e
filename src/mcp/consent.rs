//! Open questions to people: what was asked of whom, and whether an answer belongs to it.
//!
//! Revision 2026-07-28 has no connection that a question could wait on. The question goes out with
//! a `requestState`, and the client makes the same call again with that state and the answer. The
//! state passes through the client, so it is sealed, and it names the caller, the tool, its
//! arguments, what is approved and until when. It is good for one answer.
//!
//! The key is made at random for the first question and is never stored: a restart voids the
//! questions that are open, and they are asked again. Replicas that share their questions would
//! need a configured key, for which [`Seal::with_key`] is there, and a shared record of used ones.

pub mod seal;

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
use seal::Seal;

/// How many questions of one caller may be open. A person cannot weigh more of them.
const OPEN_MAX: usize = 8;
/// How many answered questions are remembered until they expire, of all callers.
const USED_MAX: usize = 10_000;

/// The record of questions. Clones share it.
#[derive(Clone, Debug)]
pub struct Consent(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Made for the first question, so that a server without any loads no cipher.
    seal: OnceLock<Seal>,
    timeout: Duration,
    clock: WallClock,
    ledger: Mutex<Ledger>,
}

/// Names one question: 128 random bits as text.
type Nonce = String;

#[derive(Debug, Default)]
struct Ledger {
    /// By caller: the open questions, and when they expire.
    open: HashMap<Arc<str>, Vec<(Nonce, u64)>>,
    /// The answered ones that could still be sent again, and when they expire.
    used: HashMap<Nonce, u64>,
}

/// What a question is about. Two of them are equal only if consent to one is consent to the other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Who asks for consent.
    caller: Arc<str>,
    /// The tool.
    tool: String,
    /// SHA-256 of its arguments, in base64.
    arguments: String,
    /// SHA-256 of [`Question::what`](crate::tool::Question::what), in base64.
    what: String,
}

/// What is in a sealed state.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    subject: Subject,
    nonce: Nonce,
    /// Milliseconds since 1970.
    expires_ms: u64,
}

impl Subject {
    /// The subject of a question that `tool` asks when `caller` calls it with `arguments`.
    #[must_use]
    pub fn new(caller: &Arc<str>, tool: &str, arguments: &JsonObject, what: &str) -> Self {
        let mut text = Vec::new();
        write_object(arguments, &mut text);
        Self {
            caller: caller.clone(),
            tool: tool.to_owned(),
            arguments: digest(&text),
            what: digest(what.as_bytes()),
        }
    }
}

impl Consent {
    /// A record with a random key. Each question may wait `timeout` for its answer.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self::with(OnceLock::new(), timeout, WallClock::default())
    }

    /// The same with a seal of one's own.
    #[must_use]
    pub fn with_seal(seal: Seal, timeout: Duration) -> Self {
        Self::with(OnceLock::from(seal), timeout, WallClock::default())
    }

    /// A record with a random key, whose questions expire by `clock`.
    #[must_use]
    pub fn with_clock(timeout: Duration, clock: WallClock) -> Self {
        Self::with(OnceLock::new(), timeout, clock)
    }

    fn with(seal: OnceLock<Seal>, timeout: Duration, clock: WallClock) -> Self {
        Self(Arc::new(Shared {
            seal,
            timeout,
            clock,
            ledger: Mutex::default(),
        }))
    }

    fn seal(&self) -> &Seal {
        self.0.seal.get_or_init(Seal::random)
    }

    /// How long a question may wait for its answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Notes a question that is answered within the call. It is open while the place lives.
    ///
    /// # Errors
    /// `rate_limited`: too many questions of the caller are open.
    pub fn enter(&self, caller: &Arc<str>) -> Result<Place, ToolError> {
        let nonce = random_nonce();
        self.open(caller, &nonce, self.expires_ms())?;
        Ok(Place {
            consent: self.clone(),
            caller: caller.clone(),
            nonce,
        })
    }

    /// Notes a question that is answered in another call, and seals the state for it.
    ///
    /// # Errors
    /// `rate_limited`: too many questions of the caller are open.
    pub fn issue(&self, subject: Subject) -> Result<String, ToolError> {
        let claims = Claims {
            subject,
            nonce: random_nonce(),
            expires_ms: self.expires_ms(),
        };
        let sealed = serde_json::to_vec(&claims).ok();
        let sealed = sealed.and_then(|plain| self.seal().close(plain));
        let sealed = sealed.ok_or_else(|| ToolError::internal("the question cannot be sealed"))?;
        self.open(&claims.subject.caller, &claims.nonce, claims.expires_ms)?;
        Ok(sealed)
    }

    /// Takes a state back. Afterwards it is used up.
    ///
    /// # Errors
    /// `security`, with the reason: it is not one that this server gave to this caller, for something
    /// else, too old, or was used before.
    pub fn redeem(&self, sealed: &str, subject: &Subject) -> Result<(), ToolError> {
        let claims = self.seal().open(sealed);
        let claims = claims.and_then(|plain| serde_json::from_slice::<Claims>(&plain).ok());
        // A caller is not told that somebody else has such a question.
        let claims = claims.filter(|claims| claims.subject.caller == subject.caller);
        let claims = claims.ok_or_else(|| {
            void("request_state_unknown", "requestState is not one that this server gave you: it was changed, or the server has been restarted")
        })?;
        let (given, wanted) = (&claims.subject, subject);
        if given.tool != wanted.tool {
            return Err(void(
                "request_state_of_other_call",
                "requestState belongs to a call of another tool",
            ));
        }
        if given.arguments != wanted.arguments {
            return Err(void(
                "request_state_of_other_call",
                "requestState belongs to a call with other arguments",
            ));
        }
        if given.what != wanted.what {
            return Err(void(
                "request_state_of_other_subject",
                "the consent was asked for something else than this",
            ));
        }
        let now_ms = self.now_ms();
        if claims.expires_ms <= now_ms {
            return Err(void("request_state_expired", "the answer came too late"));
        }
        let mut ledger = self.ledger();
        if ledger.used.contains_key(&claims.nonce) {
            return Err(void(
                "request_state_used",
                "requestState was used before: it is good for one answer",
            ));
        }
        if ledger.used.len() >= USED_MAX {
            ledger.used.retain(|_, expires_ms| *expires_ms > now_ms);
        }
        if ledger.used.len() >= USED_MAX {
            return Err(ToolError::new(
                ErrorType::RateLimited,
                "too many questions were answered in the last minutes",
                "wait a minute, then call again",
            )
            .with_code("too_many_approvals"));
        }
        ledger.leave(&claims.subject.caller, &claims.nonce);
        ledger.used.insert(claims.nonce, claims.expires_ms);
        Ok(())
    }

    fn open(&self, caller: &Arc<str>, nonce: &str, expires_ms: u64) -> Result<(), ToolError> {
        let now_ms = self.now_ms();
        let mut ledger = self.ledger();
        ledger.open.retain(|_, questions| {
            questions.retain(|(_, expires_ms)| *expires_ms > now_ms);
            !questions.is_empty()
        });
        let questions = ledger.open.entry(caller.clone()).or_default();
        if questions.len() >= OPEN_MAX {
            return Err(ToolError::new(
                ErrorType::RateLimited,
                format!("{OPEN_MAX} questions to your user are open already"),
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

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger.lock()
    }
}

impl Ledger {
    fn leave(&mut self, caller: &str, nonce: &str) {
        if let Some(questions) = self.open.get_mut(caller) {
            questions.retain(|(other, _)| other != nonce);
        }
    }
}

/// A question that is open while this lives.
#[derive(Debug)]
pub struct Place {
    consent: Consent,
    caller: Arc<str>,
    nonce: Nonce,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.consent.ledger().leave(&self.caller, &self.nonce);
    }
}

fn void(code: &'static str, why: &str) -> ToolError {
    ToolError::new(
        ErrorType::Security,
        why,
        "call the tool again without requestState, so that the person is asked anew",
    )
    .with_code(code)
}

fn random_nonce() -> Nonce {
    BASE64URL_NOPAD.encode(&random::bytes::<16>())
}

fn digest(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(bytes))
}

/// JSON with sorted keys and no spaces, so that equal arguments have equal digests.
fn write_object(object: &JsonObject, out: &mut Vec<u8>) {
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
