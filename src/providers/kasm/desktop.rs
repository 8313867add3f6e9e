//! The `desktop` toolset: screenshots, mouse, keyboard and clipboard of a session.

mod clipboard;
mod control;
mod screenshot;

use schemars::JsonSchema;
use serde::Serialize;

use super::KasmProvider;
use crate::caller::Scope;
use crate::desktop::FrameId;
use crate::kasm::plane::rfb::{Desktop, RfbError, Screen};
use crate::kasm::plane::{Place, PlaneError};
use crate::picture::{self, Bounds, Picture};
use crate::tool::{ErrorType, ToolError, Toolset};

pub(super) use screenshot::GetSessionScreenshot;

pub(super) const TOOLSET: Toolset<KasmProvider> = Toolset {
    name: "desktop",
    about: "Use the mouse, the keyboard and the clipboard of a session",
    scope: Scope::Use,
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
}

/// A screenshot for a reply, with its data.
fn view(screen: &Screen, bounds: Bounds) -> Result<(Picture, FrameView), ToolError> {
    let (width, height) = (screen.width(), screen.height());
    let picture = picture::encode(screen.rgb(), width.into(), height.into(), bounds);
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
    };
    Ok((picture, view))
}

impl KasmProvider {
    /// The size and limits of screenshots that no argument changes.
    fn bounds(&self) -> Bounds {
        Bounds {
            width: self.desktop_limits.picture_pixels,
            height: self.desktop_limits.picture_pixels,
            bytes: self.desktop_limits.picture_bytes,
        }
    }

    /// Connects to the desktop and reads its screen. A cached connection may have closed, so it tries a new one
    /// once.
    async fn look(&self, place: &Place) -> Result<(Desktop, Screen), RfbError> {
        let desktop = self.kasm.desktop(place).await?;
        match desktop.look().await {
            Err(RfbError::Closed) => {
                let desktop = self.kasm.desktop(place).await?;
                let screen = desktop.look().await?;
                Ok((desktop, screen))
            }
            looked => Ok((desktop, looked?)),
        }
    }
}

impl From<RfbError> for ToolError {
    fn from(error: RfbError) -> Self {
        let message = error.to_string();
        let (error_type, hint) = match error {
            RfbError::Plane(PlaneError::NoService(_)) => (
                ErrorType::Unsupported,
                "this session has no desktop; try execute_kasm_command instead",
            ),
            RfbError::Plane(PlaneError::Refused(_)) => (
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
        Self::new(error_type, message, hint)
    }
}
