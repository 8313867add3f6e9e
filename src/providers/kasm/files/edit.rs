//! `edit_kasm_file`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::write::WrittenFile;
use super::{checked_target, unconfirmed_change};
use crate::files::{FileError, WriteRequest};
use crate::kasm::{KasmId, UserId};
use crate::policy::FileAccess;
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{
    Effect, ErrorType, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply,
};

pub(super) struct EditKasmFile;

#[derive(Deserialize, JsonSchema)]
pub(super) struct EditFileArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The absolute path of the file. It must be UTF-8 text.
    file_path: String,
    /// The exact text to replace. It must occur exactly once, unless replace_all is true.
    old_text: PrivateArgument<String>,
    /// The new text.
    new_text: PrivateArgument<String>,
    /// Replace every occurrence.
    #[serde(default)]
    replace_all: bool,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

impl Tool for EditKasmFile {
    type Provider = KasmProvider;
    type Args = EditFileArgs;
    type Output = WrittenFile;
    const NAME: &'static str = "edit_kasm_file";
    const TITLE: &'static str = "Edit a file";
    const ABOUT: &'static str = "Replace text in a file of a session. Fails if the text does not occur or occurs \
        more than once, or if the file changes meanwhile.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: EditFileArgs,
    ) -> Result<ToolReply<WrittenFile>, ToolError> {
        let target = checked_target(cx.provider, &args.file_path, FileAccess::Write)?;
        // An empty text occurs between all characters.
        if args.old_text.is_empty() || *args.old_text == *args.new_text {
            return Err(ToolError::validation(
                "`old_text` is empty, or the same as `new_text`",
                "give the text to be replaced; write_kasm_file replaces or extends a whole file",
            )
            .with_code("old_text_invalid"));
        }
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Files).await?;
        let files = &cx.provider.files;
        let max = cx.provider.file_limits.edit_bytes;
        let piece = files.read_part(&place, &target, 0, max).await?;
        // A part of the file is not enough: the text may occur again behind it.
        if piece.size > max {
            return Err(FileError::TooLarge {
                size: piece.size,
                max,
            }
            .into());
        }
        let text = String::from_utf8(piece.bytes).map_err(|_| {
            let hint = "read it with read_kasm_file and write it whole, or change it with execute_kasm_command";
            ToolError::validation("the file is not UTF-8 text", hint).with_code("file_not_text")
        })?;
        let count = text.matches(&*args.old_text).count();
        check_count(count, args.replace_all, &text, &args.old_text)?;
        let text = text.replace(&*args.old_text, &args.new_text);
        let writing = WriteRequest {
            // The session compares this hash before it replaces the file, so a change in between is not lost.
            replaces: piece.sha256,
            ..WriteRequest::default()
        };
        let written = files.write_file(&place, &target, text.as_bytes(), &writing);
        let file = WrittenFile::new(
            target.path_text(),
            written.await.map_err(unconfirmed_change)?,
        );
        let message = match count {
            1 => "replaced one occurrence".to_owned(),
            count => format!("replaced {count} occurrences"),
        };
        Ok(ToolReply::new(file, message))
    }
}

fn check_count(count: usize, all: bool, text: &str, old: &str) -> Result<(), ToolError> {
    let hint = match count {
        1 => return Ok(()),
        0 if text.contains('\r') && !old.contains('\r') && old.contains('\n') => {
            "the file has CRLF line ends: use \\r\\n in `old_text` and `new_text`"
        }
        0 => "read the file again: white space and line ends must match exactly",
        _ if all => return Ok(()),
        _ => "add surrounding lines to `old_text` until it is unique, or set `replace_all`",
    };
    Err(ToolError::new(
        ErrorType::Conflict,
        format!("`old_text` occurs {count} times in the file"),
        hint,
    )
    .with_code(if count == 0 {
        "old_text_not_found"
    } else {
        "old_text_not_unique"
    }))
}
