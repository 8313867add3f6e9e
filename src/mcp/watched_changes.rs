//! The subscriptions of a client of the revisions with sessions.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rmcp::ErrorData;
use rmcp::model::ErrorCode;

use super::error_data::with_code;

/// How many resources one session or one listening request may watch.
pub(super) const WATCHED_MAX: usize = 100;

/// What a client of the older revisions is notified of: the resources it names, and the lists of resources and of
/// tools once it has requested them. Other clients have nothing to fetch again, and some fail on a message that arrives
/// while they close (`sse_client` of the Python SDK 1.30).
#[derive(Debug, Default)]
pub struct WatchedChanges {
    list: AtomicBool,
    tools: AtomicBool,
    uris: Mutex<BTreeSet<String>>,
}

impl WatchedChanges {
    /// Starts to watch the list of resources.
    pub fn add_list(&self) {
        self.list.store(true, Ordering::Relaxed);
    }

    /// Starts to watch the list of tools.
    pub fn add_tool_list(&self) {
        self.tools.store(true, Ordering::Relaxed);
    }

    pub(super) fn watches_tool_list(&self) -> bool {
        self.tools.load(Ordering::Relaxed)
    }

    /// Watches one more resource, and the list.
    ///
    /// # Errors
    /// Too many resources are watched.
    pub(super) fn add_uri(&self, uri: &str) -> Result<(), ErrorData> {
        let mut uris = self.lock_uris();
        // At the limit a repeated subscription still succeeds, because it adds nothing.
        if uris.len() >= WATCHED_MAX && !uris.contains(uri) {
            return Err(too_many_subscriptions(format!(
                "at most {WATCHED_MAX} resources can be subscribed to"
            )));
        }
        uris.insert(uri.to_owned());
        self.add_list();
        Ok(())
    }

    /// Stops watching a resource. No error if it was not watched.
    pub(super) fn remove_uri(&self, uri: &str) {
        self.lock_uris().remove(uri);
    }

    pub(super) fn watches_list(&self) -> bool {
        self.list.load(Ordering::Relaxed)
    }

    pub(super) fn lock_uris(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.uris.lock()
    }
}

pub(super) fn too_many_subscriptions(message: String) -> ErrorData {
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, message, None);
    with_code(error, "too_many_subscriptions")
}
