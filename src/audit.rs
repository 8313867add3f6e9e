//! The audit log: every call, in a file that reveals tampering.
//!
//! Each line is a JSON object with the SHA-256 of the line before it, so a line that is changed, removed or
//! moved is found. A small head file names the newest line, so a missing end is found too ([`verify_chain`]). A call
//! that changes something has a line before it begins and one after its end; other calls have only the latter.
//! If the line before a call cannot be written, the call is refused, unless the operator allows it.

mod chain;
mod line;
mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use line::{AuditSubject, CallBegin, CallEnd};
pub use verify::{BrokenChain, VerifiedChain, chain_files, verify_chain};
use writer::{AuditWriter, WriterMessage};

/// The most lines that wait for the disk. Beyond that, calls wait too.
const WAITING_MAX: usize = 1_024;

/// The outcome of a call whose client disconnected.
pub const GIVEN_UP: &str = "given_up";

/// Path and size limits of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The current file. Full ones are beside it, named after their first line.
    pub file: PathBuf,
    /// The size at which the next file is started.
    pub bytes_max: u64,
    /// How many full files are kept; 0 keeps all.
    pub keep: usize,
    /// Whether calls that change something run even if nothing can be written.
    pub fail_open: bool,
}

/// The audit log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<AuditLogState>);

#[derive(Debug)]
struct AuditLogState {
    messages: mpsc::Sender<WriterMessage>,
    /// The random key of digests, so that they cannot be guessed.
    key: hmac::Key,
    fail_open: bool,
    calls: AtomicU64,
}

/// The log cannot be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct AuditUnwritable(pub String);

impl AuditLog {
    /// Opens the log, and writes that the server has started.
    ///
    /// # Errors
    /// The file cannot be opened, read or locked.
    pub fn open(settings: &AuditSettings) -> Result<Self, AuditUnwritable> {
        let writer = AuditWriter::open(settings)?;
        let (messages, waiting) = mpsc::channel(WAITING_MAX);
        // A thread of its own, because writing blocks and would hold a worker of the runtime.
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.write_messages(waiting))
            .map_err(|error| AuditUnwritable(error.to_string()))?;
        let random = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new());
        Ok(Self(Arc::new(AuditLogState {
            messages,
            key: random.map_err(|_| AuditUnwritable("no random numbers".to_owned()))?,
            fail_open: settings.fail_open,
            calls: AtomicU64::new(1),
        })))
    }

    /// Writes the begin of a call. If `has_effect`, this returns after the line was written: the operating
    /// system has it, but a power failure may still lose it.
    ///
    /// # Errors
    /// The line of a call that changes something cannot be written, and the settings do not allow the call
    /// without it.
    pub async fn begin_call(
        &self,
        begun: CallBegin,
        has_effect: bool,
    ) -> Result<OpenCall, AuditUnwritable> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        // The call waits for its line, so no change can happen that the log does not show. Reads do not wait.
        if has_effect {
            let (told, heard) = oneshot::channel();
            let line = line::begin_line(call, &begun);
            let sent = self
                .0
                .messages
                .send(WriterMessage::Line(line, Some(told)))
                .await;
            let written = match sent {
                Ok(()) => heard.await.unwrap_or_else(|_| Err(writer_is_gone())),
                Err(_) => Err(writer_is_gone()),
            };
            if let Err(problem) = written {
                tracing::error!(%problem, "the audit log has no line for the begin of a call that changes something");
                if !self.0.fail_open {
                    return Err(problem);
                }
            }
        }
        Ok(OpenCall {
            audit: self.clone(),
            call,
            begun: Some(begun),
            since: Instant::now(),
        })
    }

    /// A digest that is equal for equal values while this process runs, and reveals nothing else about them.
    #[must_use]
    pub fn digest_value(&self, value: &Value) -> String {
        let tag = hmac::sign(&self.0.key, value.to_string().as_bytes());
        // Half of the tag keeps lines short, and 128 bits do not collide by chance.
        HEXLOWER.encode(&tag.as_ref()[..16])
    }

    /// Waits until all lines are written, and closes the file. Calls that change something are refused
    /// afterwards.
    pub async fn close(&self) {
        let (told, heard) = oneshot::channel();
        if self
            .0
            .messages
            .send(WriterMessage::Close(told))
            .await
            .is_ok()
        {
            let _ended = heard.await;
        }
    }
}

/// A running call. If it is dropped without an end, the log says that the client disconnected.
#[derive(Debug)]
pub struct OpenCall {
    audit: AuditLog,
    call: u64,
    begun: Option<CallBegin>,
    since: Instant,
}

impl OpenCall {
    /// The number of the call in the log.
    #[must_use]
    pub fn call_number(&self) -> u64 {
        self.call
    }

    /// Writes the end of the call.
    pub async fn end_call(mut self, ended: &CallEnd<'_>) {
        if let Some(line) = self.take_end_line(ended)
            && self
                .audit
                .0
                .messages
                .send(WriterMessage::Line(line, None))
                .await
                .is_err()
        {
            tracing::error!("the audit log has no line for the end of a call");
        }
    }

    fn take_end_line(&mut self, ended: &CallEnd<'_>) -> Option<Vec<u8>> {
        // `take` allows one end for each call: after `end_call`, the drop finds nothing to write.
        let begun = self.begun.take()?;
        Some(line::end_line(
            self.call,
            &begun,
            ended,
            self.since.elapsed(),
        ))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let given_up = CallEnd {
            outcome: GIVEN_UP,
            subject: AuditSubject::default(),
        };
        // A drop cannot wait, so a full queue loses this line.
        if let Some(line) = self.take_end_line(&given_up)
            && self
                .audit
                .0
                .messages
                .try_send(WriterMessage::Line(line, None))
                .is_err()
        {
            tracing::error!("the audit log has no line for the end of a call");
        }
    }
}

fn writer_is_gone() -> AuditUnwritable {
    AuditUnwritable("the writer has ended".to_owned())
}

/// The hash of a line: SHA-256 of its bytes without the line break.
fn line_hash(line: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, line).as_ref())
}
