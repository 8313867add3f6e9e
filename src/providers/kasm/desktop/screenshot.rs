//! `get_session_screenshot`.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrameView, frame_view};
use crate::files::{CheckedTarget, WriteRequest};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::session_proxy::rfb::RfbError;
use crate::kasm::{KasmId, UserId};
use crate::picture::{self, Picture, PictureBounds};
use crate::policy::FileAccess;
use crate::providers::kasm::{
    KasmProvider, SessionNeed, denied_command, may_change, running_session,
};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};

pub(in crate::providers::kasm) struct GetSessionScreenshot;

#[derive(Deserialize, JsonSchema)]
pub(in crate::providers::kasm) struct ScreenshotArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The maximum width of the screenshot, in pixels. Default: the server's setting.
    width: Option<u32>,
    /// The maximum height of the screenshot, in pixels.
    height: Option<u32>,
    /// Also save the screenshot to this absolute path in the session.
    save_to_file: Option<String>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::providers::kasm) struct ScreenshotReply {
    /// Whether the screenshot is from Kasm's screenshot service. It may then be a minute old, so do not click
    /// by it.
    possibly_stale: bool,
    /// Absent if the screenshot may be stale.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<FrameView>,
    /// `image/png` or `image/jpeg`.
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_to: Option<String>,
}

impl Tool for GetSessionScreenshot {
    type Provider = KasmProvider;
    type Args = ScreenshotArgs;
    type Output = ScreenshotReply;
    const NAME: &'static str = "get_session_screenshot";
    const TITLE: &'static str = "Take a screenshot";
    const ABOUT: &'static str = "Take a screenshot of a session. Pass its frame_id and coordinates from it to \
        control_desktop.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ScreenshotArgs,
    ) -> Result<ToolReply<ScreenshotReply>, ToolError> {
        // The path is judged first: a call with a forbidden path must not read the screen.
        let target = args.save_to_file.as_deref();
        let target = target.map(|path| save_target(&cx, path)).transpose()?;
        let bounds = picture_bounds(cx.provider, args.width, args.height)?;
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Screen).await?;
        let (picture, frame) = match cx.provider.read_screen(&place).await {
            Ok((_, screen)) => {
                let (picture, frame) = frame_view(&screen, bounds)?;
                (picture, Some(frame))
            }
            // Without a frame id, a client cannot use coordinates of an old picture in control_desktop.
            Err(error) => (
                stale_screenshot(cx.provider, &place, bounds, error).await?,
                None,
            ),
        };
        let mut saved_to = None;
        if let Some(target) = target {
            let files = &cx.provider.files;
            let writing = WriteRequest::default();
            files
                .write_file(&place, &target, &picture.bytes, &writing)
                .await?;
            saved_to = Some(target.path_text().to_owned());
        }
        let message = match &frame {
            Some(frame) => format!(
                "the screen of {} by {} pixels, shown at {} by {}{}",
                frame.width,
                frame.height,
                frame.image_width,
                frame.image_height,
                frame.watermark_words()
            ),
            None => {
                "the desktop cannot be reached; this screenshot is from Kasm and may be a minute old"
                    .to_owned()
            }
        };
        let screenshot = ScreenshotReply {
            possibly_stale: frame.is_none(),
            frame,
            media_type: picture.media_type,
            saved_to,
        };
        Ok(ToolReply::new(screenshot, message).with_picture(Some(picture)))
    }
}

fn save_target(
    cx: &ToolCallContext<'_, KasmProvider>,
    path: &str,
) -> Result<CheckedTarget, ToolError> {
    // The tool only reads, but this option writes a file.
    may_change(cx.caller, "`save_to_file`")?;
    let target = CheckedTarget::new(&cx.provider.policy, path, FileAccess::Write);
    target.map_err(|denial| denied_command(&denial))
}

fn picture_bounds(
    provider: &KasmProvider,
    width: Option<u32>,
    height: Option<u32>,
) -> Result<PictureBounds, ToolError> {
    if width == Some(0) || height == Some(0) {
        return Err(ToolError::validation(
            "`width` and `height` are at least 1",
            "leave them out for a picture of the usual size",
        )
        .with_code("size_invalid"));
    }
    let usual = provider.picture_bounds();
    if width.is_none() && height.is_none() {
        return Ok(usual);
    }
    Ok(PictureBounds {
        // A side that is not given does not limit the picture.
        width: width.unwrap_or(u32::MAX),
        height: height.unwrap_or(u32::MAX),
        ..usual
    })
}

/// Kasm's own screenshot, used if the desktop cannot be reached. If that fails too, the first error is
/// returned.
async fn stale_screenshot(
    provider: &KasmProvider,
    place: &RunningSession,
    bounds: PictureBounds,
    error: RfbError,
) -> Result<Picture, ToolError> {
    tracing::info!(kasm_id = %place.kasm_id, %error, "the desktop cannot be read; requesting Kasm's screenshot");
    // A side without a limit is `u32::MAX` here, which Kasm is not asked for.
    let most = provider.desktop_limits.picture_pixels;
    let (width, height) = (bounds.width.min(most), bounds.height.min(most));
    let wire = provider.kasm.api();
    let jpeg = wire.fetch_screenshot(place.user, place.kasm_id, width, height);
    let Ok(jpeg) = jpeg.await else {
        return Err(error.into());
    };
    read_jpeg(jpeg).ok_or_else(|| error.into())
}

fn read_jpeg(jpeg: Bytes) -> Option<Picture> {
    let (width, height) = picture::jpeg_size(&jpeg)?;
    Some(Picture {
        bytes: jpeg.into(),
        media_type: "image/jpeg",
        width,
        height,
    })
}
