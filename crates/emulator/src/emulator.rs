//! The handle a test or a demonstration holds. Dropping it stops the server.

mod builder;
mod containers;
mod desktop;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::task::JoinHandle;

pub use builder::{Builder, StartError};

pub use crate::server::tls::TlsError;

use crate::fault::Fault;
use crate::id::Id;
use crate::profile::Profile;
use crate::record::{
    CommandRecord, ImageView, KeySpec, RecordingSpec, RequestRecord, SessionView, UserView,
};
use crate::server::Kasm;
use crate::state::recording::Recording;
use crate::state::seed;
use crate::state::session::{Rest, Session};

/// A running server.
#[derive(Debug)]
pub struct Emulator {
    kasm: Kasm,
    task: JoinHandle<()>,
    addr: SocketAddr,
    url: String,
    ca_pem: Option<String>,
    key: (String, String),
    user_id: String,
    other_user_id: String,
    image_id: String,
}

impl Emulator {
    /// A server still to be started.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// `http://127.0.0.1:PORT`, or `https`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate to trust, if it speaks TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Name and secret of a key that has every permission by its own name.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.key.0, &self.key.1)
    }

    /// The user `demo@kasm.local`, hex.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The user `user@kasm.local`, hex.
    #[must_use]
    pub fn other_user_id(&self) -> &str {
        &self.other_user_id
    }

    /// A container workspace that can be started, hex.
    #[must_use]
    pub fn image_id(&self) -> &str {
        &self.image_id
    }

    /// Turns knobs while the server runs.
    pub fn configure(&self, change: impl FnOnce(&mut Profile)) {
        change(&mut self.kasm.lock().profile);
    }

    /// Makes a key and returns its name and secret.
    #[must_use]
    pub fn add_key(&self, spec: KeySpec) -> (String, String) {
        let mut state = self.kasm.lock();
        let (name, secret) = builder::key_pair(&mut state.random);
        state.keys.add(name.clone(), secret.clone(), spec);
        (name, secret)
    }

    /// Gives the default key a permission.
    pub fn grant_permission(&self, permission: &str) {
        self.kasm.lock().keys.grant(&self.key.0, permission);
    }

    /// Takes a permission from the default key.
    pub fn revoke_permission(&self, permission: &str) {
        self.kasm.lock().keys.revoke(&self.key.0, permission);
    }

    /// The next `count` calls of this endpoint go wrong. Under `/desktop/` an
    /// endpoint is a service: `desktop/vnc` or `desktop/uploads`.
    pub fn fail_next(&self, endpoint: &str, fault: Fault, count: usize) {
        self.kasm.lock().faults.add(endpoint, 0, count, fault);
    }

    /// One call of this endpoint goes wrong, the `nth` from now; 1 is the next.
    pub fn fail_nth(&self, endpoint: &str, fault: Fault, nth: usize) {
        let skip = nth.saturating_sub(1);
        self.kasm.lock().faults.add(endpoint, skip, 1, fault);
    }

    /// Forgets the faults still to come.
    pub fn clear_faults(&self) {
        self.kasm.lock().faults.clear();
    }

    /// The calls so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.kasm.lock().requests.records()
    }

    /// How often this endpoint was called.
    #[must_use]
    pub fn request_count(&self, endpoint: &str) -> usize {
        self.kasm.lock().requests.count(endpoint)
    }

    /// How often a session was asked for anything under `/desktop/`, refusals
    /// included. It counts on when the session is gone.
    #[must_use]
    pub fn plane_requests(&self, kasm_id: &str) -> usize {
        let counts = &self.kasm.lock().plane_requests;
        let count = Id::parse(kasm_id).and_then(|id| counts.get(&id).copied());
        count.unwrap_or(0)
    }

    /// The commands dispatched so far, oldest first.
    #[must_use]
    pub fn commands(&self) -> Vec<CommandRecord> {
        self.kasm.lock().commands.iter().cloned().collect()
    }

    /// The sessions there are, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        let mut state = self.kasm.lock();
        state.settle(Timestamp::now());
        let view = |session: &Session| SessionView {
            kasm_id: session.id.to_string(),
            user_id: session.user_id.to_string(),
            image_id: session.image_id.to_string(),
            status: session.status(&state.profile),
        };
        state.sessions.iter().map(view).collect()
    }

    /// The workspaces there are.
    #[must_use]
    pub fn images(&self) -> Vec<ImageView> {
        let state = self.kasm.lock();
        let views = state.images.iter().map(|image| ImageView {
            image_id: image.id.to_string(),
            name: image.name.clone(),
            friendly_name: image.friendly_name.clone(),
            image_type: image.image_type.clone(),
            enabled: image.enabled,
            available: image.available,
        });
        views.collect()
    }

    /// The users there are.
    #[must_use]
    pub fn users(&self) -> Vec<UserView> {
        let state = self.kasm.lock();
        let views = state.users.iter().map(|user| UserView {
            user_id: user.id.to_string(),
            username: user.username.clone(),
        });
        views.collect()
    }

    /// Lets a session reach its expiry now; one that does not run expires once
    /// it does. False if there is none such.
    pub fn expire_session(&self, kasm_id: &str) -> bool {
        self.with_session(kasm_id, |session, now| session.expiration = now)
    }

    /// Makes a session vanish at once, as when its host dies. False if there
    /// is none such.
    pub fn kill_session(&self, kasm_id: &str) -> bool {
        self.with_session(kasm_id, |session, now| {
            session.leave(Rest::Gone, now, Duration::ZERO);
        })
    }

    /// Connects somebody who watches. False if there is no such session.
    pub fn attach_viewer(&self, kasm_id: &str) -> bool {
        self.with_session(kasm_id, |session, now| {
            let port = 50_000 + session.viewers.len();
            session.viewers.push(format!("127.0.0.1:{port}"));
            session.pictured = Some(now);
        })
    }

    /// Disconnects everybody who watches. False if there is no such session.
    pub fn detach_viewers(&self, kasm_id: &str) -> bool {
        self.with_session(kasm_id, |session, _| session.viewers.clear())
    }

    /// Adds a recording, also of a session that is gone, and returns its id.
    /// Nothing if the session id cannot be read.
    pub fn add_recording(&self, kasm_id: &str, spec: &RecordingSpec) -> Option<String> {
        let kasm_id = Id::parse(kasm_id)?;
        let started = spec.started.unwrap_or_else(SystemTime::now);
        let mut state = self.kasm.lock();
        let recording = Recording {
            id: state.random.id(),
            account_id: state.random.id(),
            duration: spec.duration,
            started: Timestamp::try_from(started).unwrap_or_else(|_| Timestamp::now()),
        };
        let id = recording.id.to_string();
        state.recordings.entry(kasm_id).or_default().push(recording);
        Some(id)
    }

    /// Whether this pair of cookies would open the user's sessions.
    #[must_use]
    pub fn accepts_cookies(&self, username: &str, session_token: &str) -> bool {
        let visitor = self
            .kasm
            .lock()
            .visitor(username, session_token, Timestamp::now());
        visitor.is_some_and(|visitor| visitor.views.is_none())
    }

    /// Serves until `stop` completes.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        stop.await;
        self.shutdown().await;
    }

    /// Stops and waits until the port is free.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // The task ends by being aborted, which is an error to its handle.
        let _ = (&mut self.task).await;
    }

    fn with_session(&self, kasm_id: &str, change: impl FnOnce(&mut Session, Timestamp)) -> bool {
        let now = Timestamp::now();
        let mut state = self.kasm.lock();
        state.settle(now);
        let session = Id::parse(kasm_id).and_then(|id| state.session_mut(id));
        let Some(session) = session else {
            return false;
        };
        change(session, now);
        state.settle(now);
        true
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
        let mut state = self.kasm.lock();
        state.desktops.close();
        state.containers.close();
    }
}
