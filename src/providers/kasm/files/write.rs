//! `write_kasm_file`.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{checked_target, unconfirmed_change};
use crate::files::{WriteRequest, WriteResult};
use crate::kasm::{KasmId, UserId};
use crate::policy::FileAccess;
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{Effect, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct WriteKasmFile;

/// How the bytes of a file are represented in JSON.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum ContentEncoding {
    #[default]
    Text,
    Base64,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct WriteArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The absolute path of the file. Missing folders are created.
    file_path: String,
    /// The new content.
    content: PrivateArgument<String>,
    /// text, or base64 for binary content. Default: text.
    #[serde(default)]
    encoding: ContentEncoding,
    /// Append to the file instead of replacing it.
    #[serde(default)]
    append: bool,
    /// Permissions, octal, such as `755`. Default: unchanged, or 644 for a new file.
    mode: Option<String>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenFile {
    file_path: String,
    /// Size of the whole file, in bytes.
    size: u64,
    /// Permissions, octal.
    mode: String,
    /// SHA-256 of the whole file in hex, computed in the session.
    sha256: String,
}

impl WrittenFile {
    pub(super) fn new(path: &str, written: WriteResult) -> Self {
        Self {
            file_path: path.to_owned(),
            size: written.size,
            mode: written.mode,
            sha256: written.sha256,
        }
    }
}

impl Tool for WriteKasmFile {
    type Provider = KasmProvider;
    type Args = WriteArgs;
    type Output = WrittenFile;
    const NAME: &'static str = "write_kasm_file";
    const TITLE: &'static str = "Write a file";
    const ABOUT: &'static str = "Write a file of a session, or append to it. Replaces a file atomically. Use \
        edit_kasm_file for small changes and link_kasm_file for large files.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: WriteArgs,
    ) -> Result<ToolReply<WrittenFile>, ToolError> {
        let target = checked_target(cx.provider, &args.file_path, FileAccess::Write)?;
        let writing = WriteRequest {
            mode: args.mode.map(checked_mode).transpose()?,
            append: args.append,
            replaces: None,
        };
        let bytes = decode_content(args.content.into_inner(), args.encoding)?;
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Files).await?;
        let files = &cx.provider.files;
        let written = files.write_file(&place, &target, &bytes, &writing).await;
        let file = WrittenFile::new(target.path_text(), written.map_err(unconfirmed_change)?);
        let message = format!("{} now has {} bytes", file.file_path, file.size);
        Ok(ToolReply::new(file, message))
    }
}

fn checked_mode(mode: String) -> Result<String, ToolError> {
    let octal = mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    // Set-user-id and set-group-id bits are refused: such a file grants privileges.
    if octal && (mode.len() == 3 || mode.len() == 4 && mode.starts_with('0')) {
        return Ok(mode);
    }
    Err(ToolError::validation(
        "`mode` is not an octal mode",
        "write three octal digits, such as 644 or 755",
    )
    .with_code("mode_invalid"))
}

fn decode_content(content: String, encoding: ContentEncoding) -> Result<Vec<u8>, ToolError> {
    match encoding {
        ContentEncoding::Text => Ok(content.into_bytes()),
        ContentEncoding::Base64 => BASE64
            // Programs such as `base64` end their output with a line break.
            .decode(content.trim_ascii().as_bytes())
            .map_err(|error| {
                ToolError::validation(
                    format!("`content` is not valid base64: {error}"),
                    "encode the bytes as base64 (RFC 4648, with padding), or omit `encoding` for text",
                )
                .with_code("base64_invalid")
            }),
    }
}
