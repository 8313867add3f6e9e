//! A desktop for an agent: actions in the coordinates of a screenshot are converted to input events, and a
//! screenshot waits until the screen is stable.

mod action;
mod frame;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use action::{Action, ActionKind, BadAction, Button, Step};
pub use frame::{BadFrame, FrameId};

use crate::kasm::plane::rfb::{Desktop, RfbError, Screen};

/// Time between two polls of the screen while it changes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long the screen must not change.
const QUIET: Duration = Duration::from_millis(250);
/// A change of at most this many pixels counts as a blinking cursor.
const CURSOR: (u16, u16) = (24, 40);
/// The largest width and height of a text cursor; anything larger is a change.
const BAR: (u16, u16) = (3, 40);

/// A screen that was given time to settle.
#[derive(Debug)]
pub struct Settled {
    /// The screen.
    pub screen: Screen,
    /// Whether it stopped changing in time.
    pub quiet: bool,
}

/// Polls the screen until only a cursor changes, for at most `patience`.
///
/// # Errors
/// See [`RfbError`].
pub async fn settle(desktop: &Desktop, patience: Duration) -> Result<Settled, RfbError> {
    let end = Instant::now() + patience;
    let mut screen = desktop.look().await?;
    let mut since = Instant::now();
    loop {
        if since.elapsed() >= QUIET {
            return Ok(Settled {
                screen,
                quiet: true,
            });
        }
        if Instant::now() >= end {
            return Ok(Settled {
                screen,
                quiet: false,
            });
        }
        sleep(BETWEEN_LOOKS).await;
        let next = desktop.look().await?;
        if differs(&screen, &next, CURSOR) {
            since = Instant::now();
        }
        screen = next;
    }
}

/// Whether more than the bar of a text field's cursor differs.
#[must_use]
pub fn has_changed(before: &Screen, after: &Screen) -> bool {
    differs(before, after, BAR)
}

/// Whether more differs than fits into `small`, pixels.
fn differs(before: &Screen, after: &Screen, small: (u16, u16)) -> bool {
    if (before.width(), before.height()) != (after.width(), after.height()) {
        return true;
    }
    let difference = before.difference(after);
    difference
        .is_some_and(|(left, top, right, bottom)| right - left > small.0 || bottom - top > small.1)
}
