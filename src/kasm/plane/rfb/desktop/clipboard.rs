//! The clipboard: what is known of it, and a text that is put on it.

use std::time::Duration;

use super::{RfbError, Task};

/// How long a connection is kept for a text that it has put on the clipboard, which ends with it.
pub(super) const COPIED_KEPT: Duration = Duration::from_secs(600);
/// The longest text that goes onto the clipboard, bytes.
pub const CLIPBOARD_BYTES_MAX: usize = 1 << 20;

/// What is known of the desktop's clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clipboard {
    /// Nothing was copied since this connection began.
    Unknown,
    /// This text.
    Text(String),
}

impl Task {
    /// BinaryClipboard with one entry. The type is exactly this: with a character set KasmVNC mangles it.
    pub(super) async fn copy(&mut self, text: &str) -> Result<(), RfbError> {
        let kind = b"text/plain";
        let mut bytes = vec![180, 1, 10];
        bytes.extend_from_slice(kind);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        self.stream.send(&bytes).await?;
        self.round_trip().await
    }
}
