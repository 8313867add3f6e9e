//! The audit log: every call, in a file that reveals tampering.
//!
//! Each line is a JSON object with the SHA-256 of the line before it, so a line that is changed, removed or
//! moved is found. A small head file names the newest line, so a missing end is found too ([`verify_chain`]). A call
//! that changes something has a line before it begins and one after its end; other calls have only the latter.
//! If the line before a call cannot be written, the call is refused, unless the operator allows it.

mod argument_digest;
mod chain;
mod chain_file;
mod line;
mod line_buffer;
mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

pub use argument_digest::ArgumentDigest;
use argument_digest::DigestKey;
pub use line::{AuditSubject, CallBegin, CallEnd, RecordedJson};
use line_buffer::LineBuffer;
pub use verify::{BrokenChain, VerifiedChain, chain_files, verify_chain};
use writer::AuditWriter;

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
    lines: Arc<LineBuffer>,
    digests: DigestKey,
    fail_open: bool,
    calls: AtomicU64,
}

impl Drop for AuditLogState {
    fn drop(&mut self) {
        // No call is left, so no line comes any more: the writer writes the last ones and ends.
        self.lines.end_input();
    }
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
        let lines = Arc::new(LineBuffer::default());
        let input = lines.clone();
        // A thread of its own, because writing blocks and would hold a worker of the runtime.
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.write_lines(&input))
            .map_err(|error| AuditUnwritable(error.to_string()))?;
        Ok(Self(Arc::new(AuditLogState {
            lines,
            digests: DigestKey::random_key(),
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
        if has_effect
            && let Err(problem) = self
                .0
                .lines
                .write_now(&line::begin_line(call, &begun))
                .await
        {
            tracing::error!(%problem, "the audit log has no line for the begin of a call that changes something");
            if !self.0.fail_open {
                return Err(problem);
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
    pub fn digest_value(&self, value: &impl Serialize) -> ArgumentDigest {
        self.0.digests.digest_value(value)
    }

    /// Waits until all lines are written, and closes the file. Calls that change something are refused
    /// afterwards.
    pub async fn close(&self) {
        self.0.lines.close_log().await;
    }
}

/// A running call. If it is dropped without an end, the log says that the client disconnected.
#[derive(Debug)]
pub struct OpenCall {
    audit: AuditLog,
    call: u64,
    /// None after the end.
    begun: Option<CallBegin>,
    since: Instant,
}

impl OpenCall {
    /// The number of the call in the log.
    #[must_use]
    pub fn call_number(&self) -> u64 {
        self.call
    }

    /// Writes the end of the call. This returns before the line is in the file, and waits only while more lines
    /// wait for the disk than may.
    pub async fn end_call(mut self, ended: &CallEnd<'_>) {
        let Some(line) = self.end_line(ended) else {
            return;
        };
        if let Err(problem) = self.audit.0.lines.add_line(&line).await {
            tracing::error!(%problem, "the audit log has no line for the end of a call");
        }
        // After the wait: if the client disconnects during it, this future is dropped, and the drop of the call writes
        // its end.
        self.begun = None;
    }

    fn end_line(&self, ended: &CallEnd<'_>) -> Option<Vec<u8>> {
        let begun = self.begun.as_ref()?;
        let took = self.since.elapsed();
        Some(line::end_line(self.call, begun, ended, took))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let given_up = CallEnd {
            outcome: GIVEN_UP,
            subject: AuditSubject::default(),
        };
        // A drop cannot wait, so a full buffer loses this line. The next line in the file counts it.
        if let Some(line) = self.end_line(&given_up)
            && !self.audit.0.lines.add_or_lose(&line)
        {
            tracing::error!("the audit log has no line for the end of a call");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use line_buffer::LineGroup;

    use super::*;

    #[tokio::test]
    async fn end_that_is_given_up_while_it_waits_for_room_is_counted() {
        let lines = Arc::new(LineBuffer::default());
        let audit = AuditLog(Arc::new(AuditLogState {
            lines: lines.clone(),
            digests: DigestKey::random_key(),
            fail_open: false,
            calls: AtomicU64::new(1),
        }));
        let begun = CallBegin {
            request_id: None,
            caller: "token".into(),
            kasm_user: None,
            address: None,
            tool: "get_session_status".into(),
            parent: None,
            effect: "read",
            arguments: RecordedJson::from_arguments(&()),
            digest: audit.digest_value(&()),
        };
        let open = audit.begin_call(begun, false).await.unwrap();
        while lines.add_or_lose(b"{}") {}
        let ended = CallEnd {
            outcome: "ok",
            subject: AuditSubject::default(),
        };
        // It is dropped after one poll, as when the client disconnects.
        assert!(open.end_call(&ended).now_or_never().is_none());
        let mut group = LineGroup::default();
        assert!(lines.take_group(&mut group).is_none());
        assert_eq!(group.lost, 2);
    }
}
