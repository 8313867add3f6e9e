//! Session recordings. They outlive the session.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::date;
use crate::id::Id;

/// One recording.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) id: Id,
    pub(crate) account_id: Id,
    pub(crate) duration: Duration,
    pub(crate) started: Timestamp,
}

impl Recording {
    /// The object in a list; the download link only if it was asked for.
    pub(crate) fn json(&self, kasm_id: Id, link: bool) -> Value {
        let path = format!("session_recordings/{kasm_id}/{}.mp4", self.id);
        let download =
            link.then(|| format!("https://storage.invalid/{path}?signature={}", self.id));
        json!({
            "recording_id": self.id.to_string(),
            "account_id": self.account_id.to_string(),
            "session_recording_url": format!("s3://kasm/{path}"),
            "session_recording_metadata": {
                "duration": self.duration.as_secs(),
                "timestamp": date::plain(self.started),
            },
            "session_recording_download_url": download,
        })
    }
}
