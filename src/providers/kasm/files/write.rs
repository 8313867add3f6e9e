//! `write_kasm_file`.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{target, unconfirmed};
use crate::files::{Writing, Written};
use crate::kasm::{KasmId, UserId};
use crate::policy::Access;
use crate::providers::kasm::{KasmProvider, Need, place};
use crate::tool::{Call, Effect, Private, Reply, Tool, ToolError};

pub(super) struct WriteKasmFile;

/// How content is written in JSON.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Encoding {
    #[default]
    Text,
    Base64,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct WriteArgs {
    /// The session.
    kasm_id: KasmId,
    /// The file, absolute. Missing folders are made.
    file_path: String,
    /// What is to be in it.
    content: Private<String>,
    /// text or base64, for bytes. Default: text.
    #[serde(default)]
    encoding: Encoding,
    /// Add at the end instead of replacing the file.
    #[serde(default)]
    append: bool,
    /// Permissions, octal, such as `755`. Default: as they are, or 644.
    mode: Option<String>,
    /// Not needed: the user follows from the token.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenFile {
    file_path: String,
    /// Of the whole file, bytes.
    size: u64,
    /// Octal.
    mode: String,
    /// SHA-256 of the whole file in hex, computed in the workspace.
    sha256: String,
}

impl WrittenFile {
    pub(super) fn new(path: &str, written: Written) -> Self {
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
    const ABOUT: &'static str = "Write a file of a session, whole or at its end. Nobody ever sees half of it. For changes \
                                 use edit_kasm_file, for large files link_kasm_file.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: WriteArgs,
    ) -> Result<Reply<WrittenFile>, ToolError> {
        let target = target(cx.provider, &args.file_path, Access::Write)?;
        let writing = Writing {
            mode: args.mode.map(checked_mode).transpose()?,
            append: args.append,
            replaces: None,
        };
        let bytes = decoded(args.content.into_inner(), args.encoding)?;
        let place = place(&cx, args.kasm_id, args.user_id, Need::Files).await?;
        let files = &cx.provider.files;
        let written = files.write(&place, &target, &bytes, &writing).await;
        let file = WrittenFile::new(target.path(), written.map_err(unconfirmed)?);
        let message = format!("{} has {} bytes now", file.file_path, file.size);
        Ok(Reply::new(file, message))
    }
}

fn checked_mode(mode: String) -> Result<String, ToolError> {
    let octal = mode.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    // A set-user-id or set-group-id file is no ordinary content.
    if octal && (mode.len() == 3 || mode.len() == 4 && mode.starts_with('0')) {
        return Ok(mode);
    }
    Err(ToolError::validation(
        "`mode` is no permissions",
        "write three octal digits, such as 644 or 755",
    )
    .with_code("mode_invalid"))
}

fn decoded(content: String, encoding: Encoding) -> Result<Vec<u8>, ToolError> {
    match encoding {
        Encoding::Text => Ok(content.into_bytes()),
        Encoding::Base64 => BASE64
            .decode(content.trim_ascii().as_bytes())
            .map_err(|error| {
                ToolError::validation(
                    format!("`content` is no base64: {error}"),
                    "encode the bytes as base64 (RFC 4648, with padding), or leave `encoding` out for text",
                )
                .with_code("base64_invalid")
            }),
    }
}
