//! The content of a line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::argument_digest::ArgumentDigest;

/// The most bytes of the arguments in a line. A longer line could not be verified, so a caller with arguments of a
/// megabyte would make the log look broken.
const ARGUMENT_BYTES_MAX: usize = 256 << 10;
/// What a line has beside the arguments, roughly.
const LINE_BYTES: usize = 512;

/// Arguments in the form in which they are recorded. They are written once, for both lines of a call.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RecordedJson(Box<RawValue>);

impl RecordedJson {
    /// Writes the arguments. Of arguments that are too long, only the size is recorded.
    #[must_use]
    pub fn from_arguments(arguments: &impl Serialize) -> Self {
        let size = |bytes: usize| serde_json::value::to_raw_value(&RecordedSize { bytes });
        // Arguments come from JSON, so they can be written as JSON.
        let written = match serde_json::value::to_raw_value(arguments) {
            Ok(written) if written.get().len() > ARGUMENT_BYTES_MAX => size(written.get().len()),
            written => written,
        };
        Self(written.unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

#[derive(Serialize)]
struct RecordedSize {
    bytes: usize,
}

/// The begin of a call. It contains no secret: private arguments are removed before.
#[derive(Clone, Debug, Serialize)]
pub struct CallBegin {
    /// The id in the log and in the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
    /// The name of the caller.
    pub caller: Arc<str>,
    /// The Kasm user that it acts as, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kasm_user: Option<Arc<str>>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The tool, or `GET /files` and `PUT /files`.
    pub tool: Arc<str>,
    /// The number of the call that it is made inside of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// `read`, `write` or `destroy`.
    pub effect: &'static str,
    /// The arguments, without private ones.
    pub arguments: RecordedJson,
    /// Digest of the whole arguments; see [`super::AuditLog::digest_value`].
    pub digest: ArgumentDigest,
}

/// How a call ended.
#[derive(Clone, Debug, Serialize)]
pub struct CallEnd<'a> {
    /// `ok`, `asks` or the type of the error.
    pub outcome: &'a str,
    /// The subject, as far as the reply names it.
    #[serde(flatten)]
    pub subject: AuditSubject<'a>,
}

/// Ids of Kasm and of jobs in a reply.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct AuditSubject<'a> {
    /// The `kasm_id` of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kasm_id: Option<&'a str>,
    /// The job's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<&'a str>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AuditLine<'a> {
    time: Timestamp,
    event: &'static str,
    call: u64,
    #[serde(flatten)]
    begun: &'a CallBegin,
    #[serde(flatten)]
    ended: Option<&'a CallEnd<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// A line about the log itself.
#[derive(Debug, Serialize)]
pub(super) struct WriterNote {
    time: Timestamp,
    event: &'static str,
    version: &'static str,
    /// Bytes after the last complete line, left by a crash.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) torn_bytes: u64,
    /// Lines that could not be written.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) missed: u64,
    /// A contradiction to earlier lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broken: Option<String>,
}

impl WriterNote {
    pub(super) fn new(event: &'static str) -> Self {
        Self {
            time: Timestamp::now(),
            event,
            version: env!("CARGO_PKG_VERSION"),
            torn_bytes: 0,
            missed: 0,
            broken: None,
        }
    }

    pub(super) fn as_line(&self) -> Vec<u8> {
        json_object(self, Vec::new())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn begin_line(call: u64, begun: &CallBegin) -> Vec<u8> {
    call_line(&AuditLine {
        time: Timestamp::now(),
        event: "begin",
        call,
        begun,
        ended: None,
        duration_ms: None,
    })
}

pub(super) fn end_line(
    call: u64,
    begun: &CallBegin,
    ended: &CallEnd<'_>,
    took: Duration,
) -> Vec<u8> {
    call_line(&AuditLine {
        time: Timestamp::now(),
        event: "end",
        call,
        begun,
        ended: Some(ended),
        duration_ms: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
    })
}

fn call_line(line: &AuditLine<'_>) -> Vec<u8> {
    // One allocation for the whole line. It grows if an id is unusually long.
    let length = LINE_BYTES + line.begun.arguments.0.get().len();
    json_object(line, Vec::with_capacity(length))
}

/// The members of an object, written to `bytes`. Texts and numbers can always be written.
fn json_object(value: &impl Serialize, mut bytes: Vec<u8>) -> Vec<u8> {
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => bytes,
        Err(_) => b"{}".to_vec(),
    }
}
