//! The output of a command in a reply: bounded, and cut only between characters.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use crate::jobs::{
    EndReason, JobEnd, JobId, OutputChannel, OutputReader, OutputSink, OutputStream, ReadStep,
};
use crate::kasm::KasmId;

/// A command, its state and its output.
#[derive(Serialize, JsonSchema)]
pub(super) struct CommandOutput {
    kasm_id: String,
    /// The id to pass to get_command_output and stop_command.
    job_id: String,
    /// Whether the command is still running; get_command_output returns the rest. Null: unknown, because the
    /// session could not be reached; call again.
    pub(super) running: Option<bool>,
    /// How output is read: `downloads`, `relay`, or `none` if it cannot be read.
    output_channel: String,
    /// The exit code as the shell reports it; 128 + n for signal n. Null while the command runs, or if it is
    /// unknown.
    exit_code: Option<i32>,
    /// Whether stop_command ended it.
    stopped: bool,
    /// `exited`, `time_limit`, `stopped`, `not_started`, or `lost` (it ended without an exit code).
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'static str>,
    stdout: String,
    stderr: String,
    /// `base64` if the bytes are not UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_encoding: Option<&'static str>,
    /// Whether standard output is longer than this.
    stdout_truncated: bool,
    stderr_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// The `offset` for the next call of get_command_output.
    next_offset: u64,
}

/// The known state of a command when its reply is made.
pub(super) enum KnownState<'a> {
    Step(&'a ReadStep),
    /// Nothing for now: the session could not be reached.
    NotNow,
    /// Nothing, permanently: the output cannot be read.
    Never,
}

impl CommandOutput {
    /// The content of `streams`, with the known state of the command.
    pub(super) fn new(
        kasm_id: KasmId,
        job_id: JobId,
        reader: &OutputReader<'_>,
        known: &KnownState<'_>,
        mut streams: OutputStreams,
    ) -> Self {
        let (end, running) = match known {
            KnownState::Step(ReadStep::Ended(ended)) => (Some(end_word(ended.why)), Some(false)),
            KnownState::Step(ReadStep::Lost) => (Some("lost"), Some(false)),
            KnownState::Step(ReadStep::Piece | ReadStep::Full | ReadStep::Quiet) => {
                (None, Some(true))
            }
            KnownState::NotNow => (None, None),
            // The command may run, but to call again would return nothing, so `running` is false.
            KnownState::Never => (None, Some(false)),
        };
        let ended = match known {
            KnownState::Step(ReadStep::Ended(ended)) => Some(ended),
            KnownState::Step(_) | KnownState::NotNow | KnownState::Never => None,
        };
        let channel = match known {
            KnownState::Never => None,
            KnownState::Step(_) | KnownState::NotNow => reader.channel(),
        };
        let mut next_offset = reader.offset();
        // Only here can the end be inside a character: at other ends the session's wrapper cuts between them.
        if matches!(known, KnownState::Step(ReadStep::Full | ReadStep::Piece)) {
            next_offset -= streams.give_back();
        }
        let cut = |flag: fn(&JobEnd) -> bool| ended.is_some_and(flag);
        let stdout_truncated = streams.stdout.is_cut() || cut(|ended| ended.stdout_cut);
        let stderr_truncated = streams.stderr.is_cut() || cut(|ended| ended.stderr_cut);
        let (stdout, stdout_encoding) = streams.stdout.into_text();
        let (stderr, stderr_encoding) = streams.stderr.into_text();
        Self {
            kasm_id: kasm_id.to_string(),
            job_id: job_id.to_string(),
            running,
            output_channel: channel
                .map_or("none", OutputChannel::channel_name)
                .to_owned(),
            exit_code: ended.and_then(|ended| ended.exit_code),
            stopped: ended.is_some_and(|ended| ended.why == EndReason::Stopped),
            ended: end,
            stdout,
            stderr,
            stdout_encoding,
            stderr_encoding,
            stdout_truncated,
            stderr_truncated,
            duration_ms: ended.map(|ended| ended.duration_ms),
            next_offset,
        }
    }

    /// Whether the reply contains the whole output.
    pub(super) fn is_whole(&self) -> bool {
        self.running == Some(false) && !(self.stdout_truncated || self.stderr_truncated)
    }

    /// One sentence about the state.
    pub(super) fn message(&self) -> String {
        let state = match (self.ended, self.exit_code) {
            (Some("exited"), Some(code)) => format!("the command exited with {code}"),
            (Some("time_limit"), _) => "the command was ended at its time limit".to_owned(),
            (Some("stopped"), _) => "the command was stopped".to_owned(),
            (Some("not_started"), _) => {
                "the command did not start: its working_dir does not exist or is outside the allowed folders"
                    .to_owned()
            }
            (Some(_), _) => "the command ended without an exit code, or the session was restarted".to_owned(),
            (None, _) => "the command is still running: call get_command_output with offset `next_offset` to read \
                on, or stop_command to end it"
                .to_owned(),
        };
        if self.running == Some(false) && (self.stdout_truncated || self.stderr_truncated) {
            return format!(
                "{state}; the output is cut: call get_command_output with offset 0 to page through it"
            );
        }
        state
    }
}

fn end_word(why: EndReason) -> &'static str {
    match why {
        EndReason::Exited => "exited",
        EndReason::TimeLimit => "time_limit",
        EndReason::Stopped => "stopped",
        EndReason::Folder => "not_started",
    }
}

/// Collects both output streams for a reply.
pub(super) struct OutputStreams {
    stdout: OutputExcerpt,
    stderr: OutputExcerpt,
    /// One shared limit for both streams, read in pages.
    page: Option<usize>,
    /// The stream that received bytes last.
    last: OutputStream,
    /// The latest bytes, for progress notifications.
    fresh: Vec<u8>,
}

impl OutputStreams {
    /// Keeps beginning and end of each stream, `bytes_max` of each.
    pub(super) fn with_excerpts(bytes_max: usize) -> Self {
        Self {
            stdout: OutputExcerpt::new(bytes_max),
            stderr: OutputExcerpt::new(bytes_max),
            page: None,
            last: OutputStream::Stdout,
            fresh: Vec::new(),
        }
    }

    /// Keeps the next `bytes_max` bytes of both streams together; the rest stays in the session.
    pub(super) fn with_page(bytes_max: usize) -> Self {
        Self {
            page: Some(bytes_max),
            // An excerpt keeps half of its size at the beginning, which is then a whole page: a page is never
            // cut.
            ..Self::with_excerpts(bytes_max.saturating_mul(2))
        }
    }

    /// The output since the last call, as text for a person.
    pub(super) fn take_news(&mut self) -> String {
        let fresh = std::mem::take(&mut self.fresh);
        // A full buffer was cut, perhaps inside a character.
        let cut = if fresh.len() >= NEWS_BYTES_MAX {
            partial_character(&fresh)
        } else {
            0
        };
        String::from_utf8_lossy(&fresh[..fresh.len() - cut]).into_owned()
    }

    /// Leaves an incomplete character at the end of a page to the next reply. It was read last, so a slightly
    /// smaller offset reads it again.
    fn give_back(&mut self) -> u64 {
        let last = match self.last {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        last.drop_partial_character() as u64
    }
}

/// How many bytes at the end are an incomplete UTF-8 character.
fn partial_character(bytes: &[u8]) -> usize {
    // A UTF-8 character has at most four bytes, so at most three of an incomplete one are there (RFC 3629).
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (1..=tail.len())
        .find(|length| {
            let end = &tail[tail.len() - length..];
            std::str::from_utf8(end).is_err_and(|error| {
                // The bytes are valid so far; the character is only incomplete.
                error.valid_up_to() == 0 && error.error_len().is_none()
            })
        })
        .unwrap_or(0)
}

/// The most of the newest output in a progress notification.
const NEWS_BYTES_MAX: usize = 4_096;

impl OutputSink for OutputStreams {
    fn write_bytes(&mut self, stream: OutputStream, bytes: &[u8]) -> usize {
        // A smaller number than was offered ends the reading here; the next page begins with the rest.
        let take = bytes.len().min(self.page.unwrap_or(usize::MAX));
        let bytes = &bytes[..take];
        if let Some(room) = &mut self.page {
            *room -= take;
        }
        if take > 0 {
            self.last = stream;
        }
        match stream {
            OutputStream::Stdout => self.stdout.push_bytes(bytes),
            OutputStream::Stderr => self.stderr.push_bytes(bytes),
        }
        let news = bytes
            .len()
            .min(NEWS_BYTES_MAX - self.fresh.len().min(NEWS_BYTES_MAX));
        self.fresh.extend_from_slice(&bytes[..news]);
        take
    }

    fn room_left(&self) -> u64 {
        self.page.map_or(u64::MAX, |room| room as u64)
    }
}

/// The beginning and the end of a long stream.
struct OutputExcerpt {
    head: Vec<u8>,
    tail: Vec<u8>,
    half: usize,
    total: u64,
}

impl OutputExcerpt {
    fn new(bytes_max: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: Vec::new(),
            half: bytes_max / 2,
            total: 0,
        }
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Trimmed only when twice as long, so that each byte moves once.
        if self.tail.len() > self.half.saturating_mul(2) {
            self.shorten_tail();
        }
    }

    fn shorten_tail(&mut self) {
        let over = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..over);
    }

    fn is_cut(&self) -> bool {
        self.total > (self.half * 2) as u64
    }

    fn drop_partial_character(&mut self) -> usize {
        let end = if self.tail.is_empty() {
            &mut self.head
        } else {
            &mut self.tail
        };
        let partial = partial_character(end);
        // A page without any complete character would be read forever, so it is treated as binary.
        if partial as u64 == self.total {
            return 0;
        }
        end.truncate(end.len() - partial);
        self.total -= partial as u64;
        partial
    }

    /// As text, or base64 of its beginning.
    fn into_text(mut self) -> (String, Option<&'static str>) {
        let cut = self.is_cut();
        self.shorten_tail();
        if !cut {
            self.head.append(&mut self.tail);
            return match String::from_utf8(self.head) {
                Ok(text) => (text, None),
                Err(error) => (to_base64(error.as_bytes()), Some("base64")),
            };
        }
        let head = match std::str::from_utf8(&self.head) {
            Ok(text) => text,
            // The cut split a character.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&self.head[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return (to_base64(&self.head), Some("base64")),
        };
        // The end may begin inside a character: its continuation bytes (10xxxxxx) are skipped.
        let start = self
            .tail
            .iter()
            .take(4)
            .take_while(|byte| (**byte & 0xC0) == 0x80)
            .count();
        let Ok(tail) = std::str::from_utf8(&self.tail[start..]) else {
            return (to_base64(&self.head), Some("base64"));
        };
        let left_out = self.total - (head.len() + tail.len()) as u64;
        (format!("{head}\n[{left_out} bytes left out]\n{tail}"), None)
    }
}

fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
