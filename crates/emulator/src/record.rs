//! What a test can look at, and what it hands in. Ids are plain text here, in
//! the hex form, so that a caller needs none of this crate's types.

mod desktop;
mod keyboard;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

pub use desktop::{Area, ClickRecord, DesktopView};
pub use keyboard::{KeyboardLayout, ModifierMask, StrokeRecord};

/// The request log keeps this many calls.
const RECORDS_MAX: usize = 5_000;

/// One call that came in.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The path as it was asked for.
    pub path: String,
    /// The endpoint name, its last segment; under `/desktop/` the service, as in
    /// `desktop/vnc`.
    pub endpoint: String,
    /// The body without the credentials; null if it was not JSON.
    pub body: Value,
    /// The status of the answer; 0 while there is none, or if none was given.
    pub status: u16,
    /// When the call came in.
    pub at: Instant,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its id, hex.
    pub kasm_id: String,
    /// Its owner, hex.
    pub user_id: String,
    /// Its workspace, hex.
    pub image_id: String,
    /// Its status word.
    pub status: String,
}

/// One workspace image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageView {
    /// Its id, hex.
    pub image_id: String,
    /// Its Docker name.
    pub name: String,
    /// The name people see.
    pub friendly_name: String,
    /// `Container`, or another kind.
    pub image_type: String,
    /// Whether it may be started.
    pub enabled: bool,
    /// Whether a host has it.
    pub available: bool,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// Its id, hex.
    pub user_id: String,
    /// The login name.
    pub username: String,
}

/// One command that was dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRecord {
    /// The session, hex.
    pub kasm_id: String,
    /// The caller's user, hex.
    pub user_id: String,
    /// The command line.
    pub cmd: String,
    /// The user inside the container, if one was named.
    pub user: Option<String>,
    /// The working directory, if one was named.
    pub workdir: Option<String>,
    /// The environment of the command.
    pub environment: BTreeMap<String, String>,
}

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// The permissions by their Kasm names.
    pub permissions: BTreeSet<String>,
    /// Whether writes are refused whatever the permissions say.
    pub read_only: bool,
    /// When the key ends.
    pub expires: Option<SystemTime>,
    /// Whether the key is switched on.
    pub enabled: bool,
}

impl KeySpec {
    /// A working key with these permissions.
    pub fn with<'a>(permissions: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            permissions: permissions.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }
}

impl Default for KeySpec {
    fn default() -> Self {
        Self {
            permissions: BTreeSet::new(),
            read_only: false,
            expires: None,
            enabled: true,
        }
    }
}

/// A session recording to be made.
#[derive(Clone, Debug, Default)]
pub struct RecordingSpec {
    /// Its length.
    pub duration: Duration,
    /// When it began; now if absent.
    pub started: Option<SystemTime>,
}

/// The calls that came in, oldest first, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    records: VecDeque<RequestRecord>,
    dropped: usize,
    counts: BTreeMap<String, usize>,
}

impl RequestLog {
    /// Notes an arrival and returns the number to finish it with.
    pub(crate) fn arrived(&mut self, path: &str, endpoint: &str, body: Value) -> usize {
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
            self.dropped += 1;
        }
        *self.counts.entry(endpoint.to_owned()).or_default() += 1;
        self.records.push_back(RequestRecord {
            path: path.to_owned(),
            endpoint: endpoint.to_owned(),
            body,
            status: 0,
            at: Instant::now(),
        });
        self.dropped + self.records.len() - 1
    }

    pub(crate) fn answered(&mut self, number: usize, status: u16) {
        let at = number.checked_sub(self.dropped);
        if let Some(record) = at.and_then(|at| self.records.get_mut(at)) {
            record.status = status;
        }
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.records.iter().cloned().collect()
    }

    pub(crate) fn count(&self, endpoint: &str) -> usize {
        self.counts.get(endpoint).copied().unwrap_or(0)
    }
}
