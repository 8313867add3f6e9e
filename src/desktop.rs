//! A desktop for an agent: actions in the coordinates of a screenshot are converted to input events, and a
//! screenshot waits until the screen is stable.

mod action;
mod frame;
mod motion;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use action::{ActionKind, ActionStep, BadAction, DesktopAction, PointerButton};
pub use frame::{BadFrame, FrameId};
pub use motion::ScreenMotion;

use crate::kasm::session_proxy::rfb::{DesktopConnection, RfbError, ScreenArea, ScreenPixels};
use motion::same_size;

/// Time between two looks while the screen settles, and before the first action. A spinner has moved by then.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long the screen must not change until it counts as settled.
const QUIET: Duration = Duration::from_millis(250);
/// A change no larger than this may be a cursor that blinks or a digit of a clock, pixels.
const CURSOR: (u16, u16) = (24, 40);
/// A bar this wide and high is the cursor of a text field; anything wider may be news.
const BAR: (u16, u16) = (3, 40);
/// How far beside what was seen moving the rest of it may be, pixels: less than a letter.
const ROOM_BESIDE: u16 = 4;
/// How long a change of the size of a cursor is watched: by then a cursor has blinked and a clock has ticked.
const WATCH: Duration = Duration::from_millis(1_200);

/// A screen that was given time to settle.
#[derive(Debug)]
pub struct SettledScreen {
    /// Its last picture.
    pub screen: ScreenPixels,
    /// Whether it stopped changing in time, apart from what moves by itself.
    pub quiet: bool,
}

/// What is on a screen before anything is done, and what moves there by itself: two looks.
#[derive(Debug)]
pub struct ScreenBaseline {
    first: ScreenPixels,
    /// The second look.
    pub screen: ScreenPixels,
    /// What moves.
    pub motion: ScreenMotion,
}

impl ScreenBaseline {
    /// Takes the second look.
    ///
    /// # Errors
    /// See [`RfbError`].
    pub async fn take_baseline(
        desktop: &DesktopConnection,
        first: ScreenPixels,
    ) -> Result<Self, RfbError> {
        sleep(BETWEEN_LOOKS).await;
        let screen = desktop.update_screen().await?;
        let motion = ScreenMotion::between(&first, &screen);
        Ok(Self {
            first,
            screen,
            motion,
        })
    }

    /// What differs from before, apart from where something was seen moving, and from what looks as it did
    /// in the first of the two looks.
    fn changed_areas(&self, after: &ScreenPixels, moving: &[ScreenArea]) -> Vec<ScreenArea> {
        // What is known to move is painted over with its old pixels, so it cannot differ.
        let mut masked = after.clone();
        for area in moving {
            masked.copy_area(&self.screen, room_of(*area));
        }
        let mut areas = self.screen.differing_areas(&masked);
        areas.retain(|area| {
            !area.fits_into(BAR)
                && (!same_size(&self.first, after) || self.first.differs_within(&masked, *area))
        });
        areas
    }
}

/// Where the rest of something may be of which this much was seen moving: digits have different shapes, and
/// stay in their line.
fn room_of(area: ScreenArea) -> ScreenArea {
    let x = area.x.saturating_sub(ROOM_BESIDE);
    let y = area.y.saturating_sub(area.height);
    ScreenArea {
        x,
        y,
        width: area.x + area.width + ROOM_BESIDE - x,
        height: area.y + 2 * area.height - y,
    }
}

/// Looks until nothing changes but what moves by itself, for at most `patience`. What is seen to
/// move is added to `motion`.
///
/// # Errors
/// See [`RfbError`].
pub async fn settle_screen(
    desktop: &DesktopConnection,
    patience: Duration,
    motion: &mut ScreenMotion,
) -> Result<SettledScreen, RfbError> {
    let end = Instant::now() + patience;
    let mut screen = desktop.update_screen().await?;
    let mut since = Instant::now();
    loop {
        let quiet = since.elapsed() >= QUIET;
        if quiet || Instant::now() >= end {
            return Ok(SettledScreen { screen, quiet });
        }
        // This look is incremental: KasmVNC counts full pictures as video, and a still screen costs it
        // nothing.
        sleep(BETWEEN_LOOKS).await;
        let next = desktop.update_screen().await?;
        // A resize redraws everything, and pictures of two sizes cannot be compared.
        if !same_size(&screen, &next) {
            since = Instant::now();
        } else {
            for area in screen.differing_areas(&next) {
                if motion.takes_area(area) {
                    continue;
                }
                motion.suspect_area(area);
                if !area.fits_into(CURSOR) {
                    since = Instant::now();
                }
            }
        }
        screen = next;
    }
}

/// Whether the settled screen differs from before by more than what moves by itself. A difference as small
/// as a cursor is watched for a while: if it goes back or changes once more, without anything being done, it
/// is such a thing. `pointer` is where the pointer was moved to: what differs there is no cursor of a text.
///
/// # Errors
/// See [`RfbError`].
pub async fn has_changed(
    desktop: &DesktopConnection,
    before: &mut ScreenBaseline,
    after: &mut ScreenPixels,
    pointer: Option<(u16, u16)>,
) -> Result<bool, RfbError> {
    let mut end = Instant::now() + WATCH;
    // What first changes while something else is watched, such as a clock beside a cursor, is watched for as
    // long. That happens once, so a screen full of them does not hold the call.
    let mut is_extended = false;
    // Where something has changed while it was watched.
    let mut moving = Vec::new();
    loop {
        if !same_size(&before.screen, after) {
            return Ok(true);
        }
        let news = before.changed_areas(after, &moving);
        if news.is_empty() {
            return Ok(false);
        }
        let may_move = |area: &ScreenArea| area.fits_into(CURSOR) || before.motion.is_near(*area);
        let at_pointer =
            |area: &ScreenArea| pointer.is_some_and(|place| is_near_place(*area, place));
        if !news.iter().all(may_move) || news.iter().any(at_pointer) || Instant::now() >= end {
            return Ok(true);
        }
        sleep(BETWEEN_LOOKS).await;
        let next = desktop.update_screen().await?;
        if same_size(after, &next) {
            for area in after.differing_areas(&next) {
                if before.motion.is_near(area) || news.iter().any(|news| news.touches_area(area)) {
                    before.motion.note_moving(area);
                    moving.push(area);
                } else if !is_extended {
                    is_extended = true;
                    end = Instant::now() + WATCH;
                }
            }
        }
        *after = next;
    }
}

/// Whether the pointer, drawn with its tip at a place, would be in this area.
#[must_use]
pub fn is_near_place(area: ScreenArea, (x, y): (u16, u16)) -> bool {
    let reach = ScreenArea {
        x: x.saturating_sub(4),
        y: y.saturating_sub(4),
        width: 24,
        height: 24,
    };
    area.touches_area(reach)
}
