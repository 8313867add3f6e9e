//! The `desktop` toolset: screenshots, mouse, keyboard and clipboard of a session.

mod clipboard;
mod control;
mod input_permission;
mod screenshot;

use schemars::JsonSchema;
use serde::Serialize;

use super::KasmProvider;
use crate::caller::{Level, Realm, Scope};
use crate::desktop::FrameId;
use crate::kasm::session_proxy::rfb::{DesktopConnection, RfbError, ScreenPixels};
use crate::kasm::session_proxy::{ProxyError, RunningSession};
use crate::picture::{self, Picture, PictureBounds};
use crate::tool::{ErrorType, ToolError, Toolset};

pub(super) use screenshot::GetSessionScreenshot;

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "desktop",
    about: "Use the mouse, the keyboard and the clipboard of a session",
    scope: Scope::new(Realm::KASM, Level::Use),
    tools: &[&control::ControlDesktop, &clipboard::DesktopClipboard],
};

/// The data that describes a screenshot.
#[derive(Serialize, JsonSchema)]
struct FrameView {
    /// Pass this to control_desktop with coordinates from this screenshot.
    frame_id: String,
    /// Size of the desktop, in pixels.
    width: u16,
    height: u16,
    /// Size of the screenshot, in pixels.
    image_width: u32,
    image_height: u32,
    /// The operator lays a watermark over this desktop, which is left out of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark_left_out: Option<bool>,
}

impl FrameView {
    /// The part of the reply's message about the watermark; empty if there is none.
    fn watermark_words(&self) -> &'static str {
        if self.watermark_left_out == Some(true) {
            "; the operator's watermark is left out of the picture"
        } else {
            ""
        }
    }
}

/// A screenshot for a reply, with its data.
fn frame_view(
    screen: &ScreenPixels,
    bounds: PictureBounds,
) -> Result<(Picture, FrameView), ToolError> {
    let (width, height) = (screen.width(), screen.height());
    let picture = picture::encode_picture(screen.rgb_bytes(), width.into(), height.into(), bounds);
    let picture = picture.map_err(|error| ToolError::internal(error.to_string()))?;
    let shown = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let frame = FrameId {
        width,
        height,
        shown_width: shown(picture.width),
        shown_height: shown(picture.height),
    };
    let view = FrameView {
        frame_id: frame.to_string(),
        width,
        height,
        image_width: picture.width,
        image_height: picture.height,
        watermark_left_out: screen.is_watermarked().then_some(true),
    };
    Ok((picture, view))
}

impl KasmProvider {
    /// The size and limits of screenshots that no argument changes.
    fn picture_bounds(&self) -> PictureBounds {
        PictureBounds {
            width: self.desktop_limits.picture_pixels,
            height: self.desktop_limits.picture_pixels,
            bytes: self.desktop_limits.picture_bytes,
        }
    }

    /// Connects and reads the whole screen anew. If a kept connection has ended, connects once more.
    async fn read_screen(
        &self,
        place: &RunningSession,
    ) -> Result<(DesktopConnection, ScreenPixels), RfbError> {
        self.with_connection(place, async |desktop| desktop.read_screen().await)
            .await
    }

    /// Connects and updates the known screen: the desktop sends only what has changed.
    async fn update_screen(
        &self,
        place: &RunningSession,
    ) -> Result<(DesktopConnection, ScreenPixels), RfbError> {
        self.with_connection(place, async |desktop| desktop.update_screen().await)
            .await
    }

    async fn with_connection<T>(
        &self,
        place: &RunningSession,
        look: impl AsyncFn(&DesktopConnection) -> Result<T, RfbError>,
    ) -> Result<(DesktopConnection, T), RfbError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let looked = async {
                let desktop = self.kasm.connected_desktop(place).await?;
                let seen = look(&desktop).await?;
                Ok((desktop, seen))
            };
            match looked.await {
                // Only once: a desktop that also closes a new connection will not keep the next one.
                Err(RfbError::Closed) if tries == 1 => {}
                looked => return looked,
            }
        }
    }
}

impl From<RfbError> for ToolError {
    fn from(error: RfbError) -> Self {
        let message = error.to_string();
        let code = error_code(&error);
        let (error_type, hint) = match error {
            RfbError::Plane(ProxyError::NoService(_)) => (
                ErrorType::Unsupported,
                "this session has no desktop; try execute_kasm_command instead",
            ),
            // The session proxy wants a login of the user, and Kasm makes one for an API key with this
            // permission only.
            RfbError::Plane(ProxyError::Refused(_)) => (
                ErrorType::Permission,
                "ask a Kasm administrator to grant this server's API key the permission Users Auth Session",
            ),
            RfbError::Refused(_) => (
                ErrorType::Unsupported,
                "the image sets its own desktop password; an administrator must change the image",
            ),
            RfbError::Plane(_) | RfbError::Closed => (
                ErrorType::Unavailable,
                "try again in a moment; get_session_status shows whether the session is running",
            ),
            RfbError::TimedOut => (
                ErrorType::Timeout,
                "the desktop may be busy; try again in a moment",
            ),
            RfbError::Protocol(_) => (
                ErrorType::Api,
                "report this to the operator: this version of KasmVNC is not supported",
            ),
        };
        Self::new(error_type, message, hint).with_code(code)
    }
}

/// The stable name of the cause.
fn error_code(error: &RfbError) -> &'static str {
    match error {
        RfbError::Plane(ProxyError::NoService(_)) => "desktop_missing",
        RfbError::Plane(ProxyError::Refused(_)) => "session_login_refused",
        RfbError::Refused(_) => "desktop_password_refused",
        RfbError::Plane(_) | RfbError::Closed => "desktop_unavailable",
        RfbError::TimedOut => "desktop_timeout",
        RfbError::Protocol(_) => "desktop_unexpected_message",
    }
}
