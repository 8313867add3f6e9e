//! The clipboard: what is known of it, and a text that is put on it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::super::message::CopiedText;
use super::{ConnectionTask, RfbError};

/// How long a text stays on the clipboard, which ends with the connection: so long the connection is kept,
/// and made anew when it is cut.
const OWN_TEXT_KEPT: Duration = Duration::from_secs(600);
/// The longest text that goes onto the clipboard, bytes.
pub const CLIPBOARD_BYTES_MAX: usize = 1 << 20;

/// What is known of the desktop's clipboard, and since when.
#[derive(Clone, Debug)]
pub struct KnownClipboard {
    /// What is on it.
    pub content: ClipboardContent,
    /// When the server reported it, or this side put it there. Of unknown content: when the connection began.
    pub since: Instant,
}

/// What is on a clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClipboardContent {
    /// Nothing was copied since this connection began. KasmVNC does not tell what was there before.
    Unknown,
    /// A text that was copied on the desktop.
    Text(String),
    /// A text that this connection put there.
    OwnText(String),
    /// Something without a text that can be shown: these kinds of it.
    OtherKinds(Vec<String>),
}

impl KnownClipboard {
    pub(super) fn unknown_content() -> Self {
        Self::known_now(ClipboardContent::Unknown)
    }

    fn known_now(content: ClipboardContent) -> Self {
        Self {
            content,
            since: Instant::now(),
        }
    }
}

impl ConnectionTask {
    /// The server reported what was copied. Another owner of the clipboard ends ours.
    pub(super) fn note_copied(&mut self, copied: CopiedText) {
        let own = self.own_text.as_ref().map(|(text, _)| text);
        if own.is_some() && own == copied.text.as_ref() {
            return;
        }
        self.own_text = None;
        self.owns_clipboard.store(false, Ordering::Relaxed);
        self.clipboard = KnownClipboard::known_now(match copied.text {
            Some(text) => ClipboardContent::Text(text),
            None => ClipboardContent::OtherKinds(copied.kinds),
        });
    }

    pub(super) fn note_own_text(&mut self, text: String, until: Instant) {
        self.clipboard = KnownClipboard::known_now(ClipboardContent::OwnText(text.clone()));
        self.own_text = Some((text, until));
        self.owns_clipboard.store(true, Ordering::Relaxed);
    }

    pub(super) async fn copy_text(&mut self, text: String) -> Result<(), RfbError> {
        self.send_text(&text).await?;
        self.note_own_text(text, Instant::now() + OWN_TEXT_KEPT);
        Ok(())
    }

    /// BinaryClipboard with one entry. The type is exactly this: with a character set KasmVNC mangles it.
    pub(super) async fn send_text(&mut self, text: &str) -> Result<(), RfbError> {
        let kind = b"text/plain";
        // One entry, whose type has ten bytes. Entries of the server have an id before that, ours have none.
        let mut bytes = vec![180, 1, 10];
        bytes.extend_from_slice(kind);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        // The round trip proves that the server has read it. What a policy does with it is not reported.
        self.stream.send_bytes(&bytes).await?;
        self.round_trip().await
    }
}
