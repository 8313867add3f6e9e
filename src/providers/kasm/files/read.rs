//! `read_kasm_file`.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checked_target;
use crate::files::FilePiece;
use crate::kasm::{KasmId, UserId};
use crate::policy::FileAccess;
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct ReadKasmFile;

/// How the bytes of a file are represented in JSON.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum WantedForm {
    #[default]
    Auto,
    Text,
    Base64,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ReadArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The absolute path of the file.
    file_path: String,
    /// Where to start reading, in bytes. Default: 0.
    #[serde(default)]
    offset: u64,
    /// The most bytes to read. Default and upper limit: the server's limit for one reply.
    limit: Option<u64>,
    /// auto, text or base64. Default: auto, which returns text if the bytes are UTF-8.
    #[serde(default)]
    encoding: WantedForm,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FileContent {
    file_path: String,
    content: String,
    /// The encoding of `content`: `text` or `base64`.
    encoding: &'static str,
    /// The position of `content` in the file, in bytes.
    offset: u64,
    /// The `offset` for the next call. Absent at the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// Whether the file continues after `content`.
    truncated: bool,
    /// Size of the whole file, in bytes.
    size: u64,
    /// Permissions, octal.
    mode: String,
    /// Time, RFC 3339.
    modified: String,
    /// SHA-256 of the whole file in hex. Absent for very large files.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

impl Tool for ReadKasmFile {
    type Provider = KasmProvider;
    type Args = ReadArgs;
    type Output = FileContent;
    const NAME: &'static str = "read_kasm_file";
    const TITLE: &'static str = "Read a file";
    const ABOUT: &'static str = "Read a file of a session as text or base64. A long file comes in parts: continue \
        at next_offset, or use link_kasm_file.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ReadArgs,
    ) -> Result<ToolReply<FileContent>, ToolError> {
        let target = checked_target(cx.provider, &args.file_path, FileAccess::Read)?;
        let max = cx.provider.file_limits.read_bytes;
        let limit = args.limit.unwrap_or(max).min(max);
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Files).await?;
        let piece = cx
            .provider
            .files
            .read_part(&place, &target, args.offset, limit);
        let content = FileContent::new(target.path_text(), &args, piece.await?)?;
        let message = match content.next_offset {
            None => format!(
                "{} of {} bytes",
                content.size.saturating_sub(content.offset),
                content.size
            ),
            Some(next) => format!(
                "bytes {} to {next} of {}: read on with offset {next}",
                content.offset, content.size
            ),
        };
        Ok(ToolReply::new(content, message))
    }
}

impl FileContent {
    fn new(path: &str, args: &ReadArgs, piece: FilePiece) -> Result<Self, ToolError> {
        let offset = args.offset;
        let mut bytes = piece.bytes;
        let last = offset + bytes.len() as u64 >= piece.size;
        if args.encoding != WantedForm::Base64 && !last {
            // The next part starts with the character that is cut here.
            let whole = whole_characters(&bytes);
            bytes.truncate(whole);
        }
        let read = bytes.len() as u64;
        let (content, encoding) = match (args.encoding, String::from_utf8(bytes)) {
            (WantedForm::Text, Ok(text)) => (text, "text"),
            // NUL is valid UTF-8, but text has none: such a file is binary.
            (WantedForm::Auto, Ok(text)) if !text.contains('\0') => (text, "text"),
            (WantedForm::Text, Err(_)) => {
                return Err(ToolError::validation(
                    "the file is not UTF-8 text",
                    "read it with encoding `base64`, or leave `encoding` out",
                )
                .with_code("file_not_text"));
            }
            (_, Ok(text)) => (to_base64(text.as_bytes()), "base64"),
            (_, Err(bytes)) => (to_base64(bytes.as_bytes()), "base64"),
        };
        let next = offset + read;
        let more = next < piece.size;
        Ok(Self {
            file_path: path.to_owned(),
            content,
            encoding,
            offset,
            next_offset: more.then_some(next),
            truncated: more,
            size: piece.size,
            mode: piece.mode,
            modified: rfc3339_time(piece.modified),
            sha256: piece.sha256,
        })
    }
}

/// The length without an incomplete UTF-8 character at the end, in bytes.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        // A piece that is only a part of one character stays whole, or reading on would not advance.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        Ok(_) | Err(_) => bytes.len(),
    }
}

fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Converts seconds since 1970 to RFC 3339.
pub(super) fn rfc3339_time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}
