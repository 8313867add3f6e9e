//! Asking a person before something is done.
//!
//! A tool asks with [`Call::confirm`](super::Call::confirm). How the question reaches the person is
//! the caller's matter: whoever makes the call hands over a [`Confirm`] with an [`Asker`], or one
//! with nobody to ask. Nothing in the arguments of a call counts as consent: they are the model's.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{self, BoxFuture};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::{ErrorType, ToolError};

/// The longest text that a person is asked to read. What is longer is refused: consent to
/// something that nobody reads is none.
const TEXT_CHARS_MAX: usize = 8_192;

/// What a person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A few words: what is to be allowed.
    pub title: String,
    /// What there is to know: the exact command or path, why it needs consent, the rule that says so.
    pub text: String,
    /// Names exactly what is approved, in a form that is the same whenever the same is asked for,
    /// and different for anything else. Not shown. The consent holds for this and nothing else.
    pub what: String,
}

/// The reply to a question.
#[derive(Debug)]
pub enum Answer {
    /// A person agreed.
    Agreed,
    /// Nobody agreed, and why.
    Refused(ToolError),
    /// The client asks and makes the call again, with this state and the person's answer.
    Later(String),
}

/// Somebody who can bring a question to a person.
pub trait Asker: Send + Sync {
    /// Asks, and waits for the answer where the protocol lets it.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Answer>;
}

/// A call that stopped at a question. Nothing was done.
#[derive(Debug)]
pub struct OpenQuestion {
    /// What the client is to show.
    pub question: Question,
    /// What the client is to send back with the answer, unread and unchanged.
    pub state: String,
}

/// The way from one call to a person.
#[derive(Default)]
pub struct Confirm {
    asker: Option<Box<dyn Asker>>,
    asked: AtomicBool,
    open: Mutex<Option<OpenQuestion>>,
    opened: Notify,
}

impl Confirm {
    /// Nobody can be asked: every question is refused.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Questions go to `asker`.
    pub fn with(asker: impl Asker + 'static) -> Self {
        Self {
            asker: Some(Box::new(asker)),
            ..Self::default()
        }
    }

    /// See [`Call::confirm`](super::Call::confirm).
    pub(super) async fn ask(&self, question: Question) -> Result<(), ToolError> {
        let Some(asker) = &self.asker else {
            return Err(nobody(&question));
        };
        if self.asked.swap(true, Ordering::Relaxed) {
            return Err(ToolError::internal("a tool asks once in a call"));
        }
        let question = Question {
            title: plain(&question.title),
            text: plain(&question.text),
            what: question.what,
        };
        if question.title.chars().count() + question.text.chars().count() > TEXT_CHARS_MAX {
            return Err(ToolError::new(
                ErrorType::Security,
                "this needs the consent of a person, and is too long for a person to read",
                "do it in smaller steps",
            )
            .with_code("approval_text_too_long"));
        }
        match asker.ask(&question).await {
            Answer::Agreed => Ok(()),
            Answer::Refused(error) => Err(error),
            Answer::Later(state) => {
                self.stop(OpenQuestion { question, state });
                // The registry drops the tool here; it runs anew when the answer has come.
                future::pending().await
            }
        }
    }

    fn stop(&self, question: OpenQuestion) {
        *self.open.lock() = Some(question);
        self.opened.notify_one();
    }

    /// Waits until the call has stopped at a question.
    pub(super) async fn stopped(&self) -> OpenQuestion {
        loop {
            self.opened.notified().await;
            let mut open = self.open.lock();
            if let Some(question) = open.take() {
                return question;
            }
        }
    }
}

impl fmt::Debug for Confirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Confirm")
            .field(&self.asker.is_some())
            .finish()
    }
}

fn nobody(question: &Question) -> ToolError {
    ToolError::new(
        ErrorType::Security,
        format!(
            "{}: this needs the consent of a person, and this client cannot ask one",
            plain(&question.title)
        ),
        "do what needs no consent, or tell your user: a client with elicitation can ask them, and \
         the operator of this server can allow it by a rule",
    )
    .with_code("approval_unavailable")
}

/// The text as it is, with what a screen would not show made visible: control characters can
/// overwrite a line, and formatting characters can turn it around.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
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
    use super::plain;

    #[test]
    fn approval_text_shows_invisible_characters_escaped() {
        assert_eq!(plain("rm -rf ~\n\tü 好"), "rm -rf ~\n\tü 好");
        assert_eq!(plain("ls\r\u{1b}[2Ksudo"), r"ls\u{d}\u{1b}[2Ksudo");
        assert_eq!(plain("a\u{202e}b\u{200b}"), r"a\u{202e}b\u{200b}");
    }
}
