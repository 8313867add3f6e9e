//! The content of a line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

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
    pub tool: &'static str,
    /// `read`, `write` or `destroy`.
    pub effect: &'static str,
    /// The arguments, without private ones.
    pub arguments: Value,
    /// Digest of the whole arguments; see [`super::AuditLog::digest_value`].
    pub digest: String,
}

/// How a call ended.
#[derive(Clone, Debug, Serialize)]
pub struct CallEnd<'a> {
    /// `ok`, `asks` or the type of the error.
    pub outcome: &'a str,
    /// The subject, as far as the reply names it.
    #[serde(flatten)]
    pub subject: AuditSubject,
}

/// Ids of Kasm and of jobs in a reply.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AuditSubject {
    /// The `kasm_id` of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kasm_id: Option<String>,
    /// The job's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
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
        json_object(self)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn begin_line(call: u64, begun: &CallBegin) -> Vec<u8> {
    json_object(&AuditLine {
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
    json_object(&AuditLine {
        time: Timestamp::now(),
        event: "end",
        call,
        begun,
        ended: Some(ended),
        duration_ms: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
    })
}

/// The members of an object. Texts and numbers can always be written.
fn json_object(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec())
}
