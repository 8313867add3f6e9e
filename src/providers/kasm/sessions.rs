//! The `sessions` toolset: starts, lists, pauses, extends and ends sessions.

mod create;
mod lifecycle;
mod list;
mod share;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KasmProvider;
use super::desktop::GetSessionScreenshot;
use crate::caller::{Level, Realm, Scope};
use crate::kasm::model::{KasmSession, SessionStatus};
use crate::kasm::{KasmId, UserId};
use crate::tool::Toolset;

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "sessions",
    about: "Start, list, pause, extend and end desktop sessions",
    scope: Scope::new(Realm::KASM, Level::Read),
    tools: &[
        &create::CreateKasmSession,
        &lifecycle::DestroyKasmSession,
        &list::GetSessionStatus,
        &list::ListUserSessions,
        &list::ListAllSessions,
        &lifecycle::PauseKasmSession,
        &lifecycle::ResumeKasmSession,
        &GetSessionScreenshot,
        &lifecycle::ExtendKasmSession,
        &share::ShareKasmSession,
    ],
};

#[derive(Deserialize, JsonSchema)]
struct SessionArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

/// A session, without any credential that opens it.
#[derive(Serialize, JsonSchema)]
struct SessionView {
    kasm_id: String,
    /// `running`: usable. `paused` and `stopped`: call resume_kasm_session. Any other value: in transition.
    operational_status: String,
    /// Progress of a transition, from 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    operational_progress: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operational_message: Option<String>,
    /// The workspace that the session was started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// Whether other users can join with a share id.
    shared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    /// When Kasm ends the session, unless it is extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<i64>,
    /// The lease: the session is destroyed after this many minutes without use.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_minutes: Option<f64>,
    /// Seconds until the lease ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_ends_in_seconds: Option<i64>,
}

impl SessionView {
    /// `kasm_id` is the requested id: Kasm's answer about a session that is not ready does not repeat it.
    fn new(provider: &KasmProvider, kasm_id: KasmId, session: &KasmSession) -> Self {
        let lease = provider.leases.lease_of(kasm_id);
        Self {
            kasm_id: kasm_id.to_string(),
            operational_status: session.status.status_word().to_owned(),
            operational_progress: session
                .progress
                // A progress belongs to a transition; a running session has none.
                .filter(|_| session.status != SessionStatus::Running),
            operational_message: session.message.clone(),
            image_name: session.image_name.clone(),
            image_id: session.image_id.map(|id| id.to_string()),
            username: session.username.clone(),
            cores: session.cores,
            memory_bytes: session.memory_bytes,
            shared: session.share_id.is_some(),
            start_date: session.start_date.map(|t| t.to_string()),
            expiration_date: session.expiration_date.map(|t| t.to_string()),
            expires_in_seconds: session.expires_in_seconds(),
            lease_minutes: lease.map(|lease| lease.time.as_secs_f64() / 60.0),
            lease_ends_in_seconds: lease
                .map(|lease| lease.ends.duration_since(Timestamp::now()).as_secs()),
        }
    }
}

/// What to do with a session in this state.
pub(super) fn advice(status: &SessionStatus) -> &'static str {
    match status {
        SessionStatus::Running => "the session is running",
        SessionStatus::Starting => {
            "the session is starting: ask get_session_status in a few seconds"
        }
        SessionStatus::Paused => "the session is paused: resume_kasm_session makes it run",
        SessionStatus::Stopped => "the session is stopped: resume_kasm_session makes it run",
        // A word of both kinds, such as `delete_error`: it does not end by itself.
        other if other.is_failed() => {
            "Kasm failed at this session: destroy_kasm_session it and create_kasm_session another; if it stays, a Kasm \
             administrator can delete it (Sessions)"
        }
        other if other.is_ending() => {
            "Kasm is destroying the session, so it does not come back: create_kasm_session starts another one"
        }
        SessionStatus::Other(word) if word.starts_with("paus") || word.starts_with("stop") => {
            "the session is on its way to rest: ask get_session_status in a few seconds, then resume_kasm_session"
        }
        SessionStatus::Other(_) => {
            "the session is in transition: ask get_session_status in a few seconds"
        }
    }
}
