//! `desktop_clipboard`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::kasm::session_proxy::RunningSession;
use crate::kasm::session_proxy::rfb::{CLIPBOARD_BYTES_MAX, ClipboardContent, KnownClipboard};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{
    Effect, ErrorType, PrivateArgument, Tool, ToolCallContext, ToolError, ToolReply,
};

pub(super) struct DesktopClipboard;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ClipboardArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The text to set. Omit it to read the clipboard.
    #[schemars(extend("x-keeps-empty" = true))]
    text: Option<PrivateArgument<String>>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ClipboardReply {
    /// Null if it has no text, or nothing is known of it.
    text: Option<String>,
    origin: ClipboardOrigin,
    /// The types of what is on it, where that has no text that can be shown, such as `image/png`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<Vec<String>>,
    /// How long ago it was copied; if nothing is known, how long this server has been watching.
    seconds_ago: u64,
}

/// Where what is on a clipboard comes from.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum ClipboardOrigin {
    /// It was copied on the desktop.
    Desktop,
    /// This tool has put it there.
    ThisServer,
    /// Nothing was copied since this server connected to the desktop; what was there before is not told.
    Unknown,
}

impl ClipboardReply {
    fn new(origin: ClipboardOrigin, text: Option<String>, since: Instant) -> Self {
        Self {
            text,
            origin,
            kinds: None,
            seconds_ago: since.elapsed().as_secs(),
        }
    }
}

impl Tool for DesktopClipboard {
    type Provider = KasmProvider;
    type Args = ClipboardArgs;
    type Output = ClipboardReply;
    const NAME: &'static str = "desktop_clipboard";
    const TITLE: &'static str = "Read or set the clipboard";
    const ABOUT: &'static str = "Set the clipboard of a session's desktop, to paste with ctrl+v, or read the text \
        that was copied there.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ClipboardArgs,
    ) -> Result<ToolReply<ClipboardReply>, ToolError> {
        if args
            .text
            .as_ref()
            .is_some_and(|text| text.len() > CLIPBOARD_BYTES_MAX)
        {
            return Err(ToolError::validation(
                format!("`text` is longer than {CLIPBOARD_BYTES_MAX} bytes"),
                "write it to a file with write_kasm_file and open that on the desktop",
            )
            .with_code("clipboard_too_long"));
        }
        let place =
            running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Clipboard).await?;
        if let Some(refusal) = forbidden_clipboard(&place, args.text.is_some()) {
            return Err(refusal);
        }
        // This also shows whether a kept connection is still alive.
        let (desktop, _) = cx.provider.update_screen(&place).await?;
        let Some(text) = args.text.map(PrivateArgument::into_inner) else {
            return Ok(reply_of(desktop.read_clipboard().await?));
        };
        desktop.copy_text(text.clone()).await?;
        let content = ClipboardReply::new(ClipboardOrigin::ThisServer, Some(text), Instant::now());
        let message = "the text was sent to the desktop's clipboard; this server keeps it there for ten minutes, unless \
                       something else is copied there or this server stops: paste it with ctrl+v or shift+Insert";
        Ok(ToolReply::new(content, message))
    }
}

/// The error if Kasm forbids this direction to the user's groups. KasmVNC would drop the text silently.
fn forbidden_clipboard(place: &RunningSession, sets: bool) -> Option<ToolError> {
    let (allowed, what) = if sets {
        (place.session.clipboard_in_allowed, "into")
    } else {
        (place.session.clipboard_out_allowed, "out of")
    };
    // Without a report from Kasm, the attempt is made.
    (allowed == Some(false)).then(|| {
        ToolError::new(
            ErrorType::Permission,
            format!("Kasm forbids this user to bring text {what} the session by the clipboard"),
            "type the text with control_desktop or use files; a Kasm administrator can change the group setting \
             (allow_kasm_clipboard_up, allow_kasm_clipboard_down)",
        )
        .with_code("clipboard_forbidden")
    })
}

fn reply_of(clipboard: KnownClipboard) -> ToolReply<ClipboardReply> {
    let since = clipboard.since;
    match clipboard.content {
        ClipboardContent::Text(text) => ToolReply::new(
            ClipboardReply::new(ClipboardOrigin::Desktop, Some(text), since),
            "this was copied last on the desktop",
        ),
        ClipboardContent::OwnText(text) => ToolReply::new(
            ClipboardReply::new(ClipboardOrigin::ThisServer, Some(text), since),
            "this is the text that desktop_clipboard has set; nothing else was copied since, as far as the desktop reports",
        ),
        ClipboardContent::OtherKinds(kinds) => {
            let content = ClipboardReply {
                kinds: Some(kinds),
                ..ClipboardReply::new(ClipboardOrigin::Desktop, None, since)
            };
            let message =
                "what was copied last has no text that can be shown; `kinds` says what it is";
            ToolReply::new(content, message)
        }
        ClipboardContent::Unknown => ToolReply::new(
            ClipboardReply::new(ClipboardOrigin::Unknown, None, since),
            "nothing was copied since this server connected to the desktop, and what was copied before is not told: \
             copy with ctrl+c and ask again, or run `xclip -o -selection clipboard` with execute_kasm_command",
        ),
    }
}
