//! Approval by a person before a tool acts.
//!
//! A tool asks with [`ToolCallContext::ask_for_approval`](super::ToolCallContext::ask_for_approval). The
//! transport decides how the question reaches the person: it passes an [`ApprovalChannel`] with an
//! [`ApprovalAsker`], or one without. Arguments never count as approval, because the model writes them.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::{ErrorType, ToolError};

/// The longest text of a question. A longer one is refused, because a person would not read it.
const TEXT_CHARS_MAX: usize = 8_192;

/// An approval question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalQuestion {
    /// A few words: what to allow.
    pub title: String,
    /// The facts: the exact command or path, the reason for the question, and its rule.
    pub text: String,
    /// Names exactly what is approved. Equal for equal requests, and different for any other. Not shown. The
    /// approval is valid only for this.
    pub what: String,
}

/// The reply to a question.
#[derive(Debug)]
pub enum ApprovalAnswer {
    /// A person approved.
    Agreed,
    /// No approval, and why.
    Refused(ToolError),
    /// The client asks and repeats the call, with this state and the person's answer.
    Later(String),
}

/// Brings a question to a person.
pub trait ApprovalAsker: Send + Sync {
    /// Asks, and waits for the answer if the protocol allows it.
    fn ask_person<'a>(&'a self, question: &'a ApprovalQuestion) -> BoxFuture<'a, ApprovalAnswer>;
}

/// A call that stopped at a question. It changed nothing.
#[derive(Debug)]
pub struct OpenQuestion {
    /// What the client must show.
    pub question: ApprovalQuestion,
    /// The state that the client must send back unchanged.
    pub state: String,
}

/// How one call can ask a person.
#[derive(Default)]
pub struct ApprovalChannel {
    asker: Option<Box<dyn ApprovalAsker>>,
    /// Whether the tool is declared as one that asks: transports prepare for questions only then.
    may_ask: AtomicBool,
    asked: AtomicBool,
    open: Mutex<Option<OpenQuestion>>,
    opened: Notify,
}

impl ApprovalChannel {
    /// No person can be asked: every question is refused.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::default()
    }

    /// Sends questions to `asker`.
    pub fn through(asker: impl ApprovalAsker + 'static) -> Self {
        Self {
            asker: Some(Box::new(asker)),
            ..Self::default()
        }
    }

    /// Lets the tool of this call ask.
    pub(super) fn permit_question(&self) {
        self.may_ask.store(true, Ordering::Relaxed);
    }

    /// See [`ToolCallContext::ask_for_approval`](super::ToolCallContext::ask_for_approval).
    pub(super) async fn ask_for_approval(
        &self,
        question: ApprovalQuestion,
    ) -> Result<(), ToolError> {
        if !self.may_ask.load(Ordering::Relaxed) {
            return Err(ToolError::internal("a tool that asks must be declared so"));
        }
        let Some(asker) = &self.asker else {
            return Err(approval_unavailable(&question));
        };
        // The client repeats the call with one answer, so a second question could never be answered.
        if self.asked.swap(true, Ordering::Relaxed) {
            return Err(ToolError::internal("a tool may ask only once per call"));
        }
        // Escaped before the length is checked: an escape is longer than the character that it shows.
        let question = ApprovalQuestion {
            title: plain_text(&question.title),
            text: plain_text(&question.text),
            what: question.what,
        };
        if question.title.chars().count() + question.text.chars().count() > TEXT_CHARS_MAX {
            return Err(ToolError::new(
                ErrorType::Security,
                "this needs a person's approval, but is too long for a person to read",
                "do it in smaller steps",
            )
            .with_code("approval_text_too_long"));
        }
        match asker.ask_person(&question).await {
            ApprovalAnswer::Agreed => Ok(()),
            ApprovalAnswer::Refused(error) => Err(error),
            ApprovalAnswer::Later(state) => {
                self.stop_with_question(OpenQuestion { question, state });
                // The registry drops the tool here; it runs again after the answer.
                future::pending().await
            }
        }
    }

    fn stop_with_question(&self, question: OpenQuestion) {
        *self.open.lock() = Some(question);
        // `notify_one` is remembered, so the pipeline may begin to wait after it.
        self.opened.notify_one();
    }

    /// Waits until the call has stopped at a question.
    pub(super) async fn wait_for_question(&self) -> OpenQuestion {
        loop {
            self.opened.notified().await;
            let mut open = self.open.lock();
            if let Some(question) = open.take() {
                return question;
            }
        }
    }
}

impl fmt::Debug for ApprovalChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Confirm")
            .field(&self.asker.is_some())
            .finish()
    }
}

fn approval_unavailable(question: &ApprovalQuestion) -> ToolError {
    ToolError::new(
        ErrorType::Security,
        format!(
            "{}: this needs a person's approval, but this client cannot ask for one",
            plain_text(&question.title)
        ),
        "use an action that needs no approval, or tell your user: a client with elicitation can ask for approval, \
         and the operator of this server can add a rule that allows it",
    )
    .with_code("approval_unavailable")
}

/// The text with invisible characters made visible: control characters can overwrite a line, and formatting
/// characters can reverse it.
fn plain_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Soft hyphen, fillers, zero-width characters, direction controls, byte order mark, annotations and
        // tags.
        let invisible = matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        );
        if invisible || (c.is_control() && c != '\n' && c != '\t') {
            let _infallible = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain_text;

    #[test]
    fn approval_text_shows_invisible_characters_escaped() {
        assert_eq!(plain_text("rm -rf ~\n\tü 好"), "rm -rf ~\n\tü 好");
        assert_eq!(plain_text("ls\r\u{1b}[2Ksudo"), r"ls\u{d}\u{1b}[2Ksudo");
        assert_eq!(plain_text("a\u{202e}b\u{200b}"), r"a\u{202e}b\u{200b}");
    }
}
