//! `desktop_clipboard`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kasm::plane::rfb::{CLIPBOARD_BYTES_MAX, Clipboard};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, place};
use crate::tool::{Call, Effect, Private, Reply, Tool, ToolError};

pub(super) struct DesktopClipboard;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ClipboardArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The text to set. Omit it to read the clipboard.
    #[schemars(extend("x-keeps-empty" = true))]
    text: Option<Private<String>>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ClipboardContent {
    /// The text that was copied last. Null if nothing was copied since this server connected; earlier content
    /// cannot be read.
    text: Option<String>,
}

impl Tool for DesktopClipboard {
    type Provider = KasmProvider;
    type Args = ClipboardArgs;
    type Output = ClipboardContent;
    const NAME: &'static str = "desktop_clipboard";
    const TITLE: &'static str = "Read or set the clipboard";
    const ABOUT: &'static str = "Set the clipboard of a session's desktop, to paste with ctrl+v, or read the text \
        that was copied there.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: ClipboardArgs,
    ) -> Result<Reply<ClipboardContent>, ToolError> {
        if args
            .text
            .as_ref()
            .is_some_and(|text| text.len() > CLIPBOARD_BYTES_MAX)
        {
            return Err(ToolError::validation(
                format!("`text` is longer than {CLIPBOARD_BYTES_MAX} bytes"),
                "write the text to a file with write_kasm_file and open the file on the desktop",
            ));
        }
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        // Reading the screen shows whether the connection is alive.
        let (desktop, _) = cx.provider.look(&place).await?;
        if let Some(text) = args.text.map(Private::into_inner) {
            desktop.copy(text.clone()).await?;
            let content = ClipboardContent { text: Some(text) };
            let message = "the text is on the clipboard: paste it within ten minutes, with ctrl+v or shift+Insert";
            return Ok(Reply::new(content, message));
        }
        let (text, message) = match desktop.copied().await? {
            Clipboard::Text(text) => (Some(text), "this text was copied last"),
            Clipboard::Unknown => (
                None,
                "nothing was copied since this server connected to the desktop: copy with ctrl+c, then call again",
            ),
        };
        Ok(Reply::new(ClipboardContent { text }, message))
    }
}
