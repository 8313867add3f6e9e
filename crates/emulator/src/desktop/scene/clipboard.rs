//! The clipboard: a text that the desktop has, or a client that may go.

use super::Scene;

/// What can be pasted.
#[derive(Debug, Default)]
pub(super) struct Clipboard {
    text: Option<String>,
    /// The client that has it; without one it is the desktop's own.
    owner: Option<u64>,
    /// Types and contents that the clients are still to be told of.
    news: Option<Vec<(String, Vec<u8>)>>,
}

impl Scene {
    /// Text is copied on the desktop.
    pub(crate) fn copy(&mut self, text: String) {
        self.clipboard = Clipboard {
            news: Some(vec![("text/plain".to_owned(), text.clone().into_bytes())]),
            text: Some(text),
            owner: None,
        };
    }

    /// Something that is no plain text is copied on the desktop.
    pub(crate) fn copy_other(&mut self, kind: &str, data: &[u8]) {
        self.clipboard = Clipboard {
            news: Some(vec![(kind.to_owned(), data.to_vec())]),
            text: None,
            owner: None,
        };
    }

    /// A client brings its clipboard along. Nothing of that is to be seen.
    pub(crate) fn bring(&mut self, from: u64, text: String) -> bool {
        self.clipboard = Clipboard {
            text: Some(text),
            owner: Some(from),
            news: None,
        };
        false
    }

    pub(crate) fn clipboard(&self) -> Option<&str> {
        self.clipboard.text.as_deref()
    }

    pub(crate) fn take_copied(&mut self) -> Option<Vec<(String, Vec<u8>)>> {
        self.clipboard.news.take()
    }

    pub(super) fn clipboard_leaves_with(&mut self, who: u64) {
        if self.clipboard.owner == Some(who) {
            self.clipboard = Clipboard::default();
        }
    }

    /// Whether there was anything.
    pub(super) fn paste(&mut self) -> bool {
        let text = self.clipboard.text.clone().unwrap_or_default();
        self.focused().push_str(&text);
        !text.is_empty()
    }
}
