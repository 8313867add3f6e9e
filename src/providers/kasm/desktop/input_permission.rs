//! Whether this account may use mouse and keyboard. KasmVNC drops the input of a viewer silently, but it
//! draws the pointer into the picture: if the pointer does not follow, the input was dropped.

use std::time::Duration;

use tokio::time::sleep;

use crate::desktop::is_near_place;
use crate::kasm::session_proxy::rfb::{
    BatchEnd, DesktopConnection, InputBatch, InputEvent, RfbError, ScreenPixels,
};
use crate::tool::{ErrorType, ToolError};

/// How long a pointer may take to be drawn at its new place: some frames of the server.
const DRAWN_WITHIN: Duration = Duration::from_millis(150);
/// How far the pointer is moved to see whether it follows, pixels.
const PROBE_WAY: u16 = 64;

/// Whether input arrives, as far as pictures show.
pub(super) enum InputPermission {
    /// The pointer follows, or something else changed.
    Work,
    /// The pointer was moved twice, and nothing at all changed.
    DoNothing,
}

/// Checks once for each connection whether the pointer has followed. `pointer` is the place that the actions
/// moved it to, if they did. Only if nothing at all has changed, the pointer is moved as a test.
///
/// # Errors
/// The desktop cannot be read or used; see [`RfbError`].
pub(super) async fn check_hands(
    desktop: &DesktopConnection,
    before: &ScreenPixels,
    after: &ScreenPixels,
    pointer: Option<(u16, u16)>,
) -> Result<InputPermission, RfbError> {
    // Pictures of two sizes cannot be compared, and then something has changed in any case.
    if desktop.hands_proven() || before.rgb_bytes().len() != after.rgb_bytes().len() {
        return Ok(InputPermission::Work);
    }
    let changes = before.differing_areas(after);
    if pointer.is_some_and(|place| changes.iter().any(|area| is_near_place(*area, place))) {
        desktop.note_proven_hands();
        return Ok(InputPermission::Work);
    }
    // Something else has changed, perhaps by itself: enough for this call, but no proof for the connection.
    if !changes.is_empty() {
        return Ok(InputPermission::Work);
    }
    probe_pointer(desktop, after, pointer).await
}

/// Moves the pointer away and back, and compares the pictures.
async fn probe_pointer(
    desktop: &DesktopConnection,
    screen: &ScreenPixels,
    pointer: Option<(u16, u16)>,
) -> Result<InputPermission, RfbError> {
    let (width, height) = (screen.width(), screen.height());
    let home = pointer.unwrap_or((width / 2, height / 2));
    // Towards the middle, so the pointer stays on the screen.
    let away = if home.0 > width / 2 {
        home.0.saturating_sub(PROBE_WAY)
    } else {
        home.0.saturating_add(PROBE_WAY).min(width - 1)
    };
    let mut follows = false;
    let mut last = screen.clone();
    // The second move brings the pointer back to where the actions left it.
    for place in [(away, home.1), home] {
        let batch = InputBatch {
            size: (width, height),
            actions: vec![vec![InputEvent::Pointer {
                // No button is pressed, so the probe cannot click or drag.
                buttons: 0,
                x: place.0,
                y: place.1,
                scroll: (0, 0),
            }]],
        };
        if let BatchEnd::Broken { error, .. } = desktop.perform_batch(batch).await? {
            return Err(error);
        }
        sleep(DRAWN_WITHIN).await;
        let next = desktop.update_screen().await?;
        let same_size = next.rgb_bytes().len() == last.rgb_bytes().len();
        follows |= !same_size || !last.differing_areas(&next).is_empty();
        last = next;
    }
    if follows {
        desktop.note_proven_hands();
        return Ok(InputPermission::Work);
    }
    Ok(InputPermission::DoNothing)
}

/// The failure of a call whose input did not arrive.
pub(super) fn view_only_error(sent: usize) -> ToolError {
    ToolError::new(
        ErrorType::Permission,
        format!(
            "{sent} actions were sent, and nothing has changed: the pointer does not follow, so this account may only \
             watch, or somebody else holds a button of the mouse down"
        ),
        "look with get_session_screenshot; ask the owner of the session or a Kasm administrator whether this account may \
         use mouse and keyboard (KasmVNC: write permission); a program that hides the pointer looks the same",
    )
    .with_code("pointer_does_not_follow")
}
