//! What moves by itself: the text cursor, something that runs along a stage, a spinner, a clock.

use super::Scene;
use crate::profile::Profile;

/// Half of the time in which a blinking cursor comes and goes.
const BLINK_MS: u128 = 500;
/// How often something that moves does.
const STEP_MS: u128 = 100;

/// What is to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lively {
    blinks: bool,
    is_block: bool,
    runs: bool,
    spins: bool,
    ticks: bool,
}

impl Lively {
    pub(crate) fn of(profile: &Profile) -> Self {
        Self {
            blinks: profile.cursor_blinks,
            is_block: profile.cursor_is_block,
            runs: profile.desktop_animated,
            spins: profile.desktop_spinner,
            ticks: profile.desktop_clock,
        }
    }
}

/// Where what moves by itself is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) cursor_hides: bool,
    pub(super) cursor_is_block: bool,
    pub(super) step: Option<u16>,
    pub(super) spin: Option<u16>,
    pub(super) second: Option<u16>,
}

impl Scene {
    /// Moves what moves by itself. Whether anything did.
    pub(crate) fn tick(&mut self, lively: Lively) -> bool {
        let now = self.began.elapsed().as_millis();
        let counted = |every: u128, of: u128| u16::try_from(now / every % of).unwrap_or(0);
        let moved = Moved {
            cursor_hides: lively.blinks && !(now / BLINK_MS).is_multiple_of(2),
            cursor_is_block: lively.is_block,
            step: lively.runs.then(|| counted(STEP_MS, 1_000)),
            spin: lively.spins.then(|| counted(STEP_MS, 8)),
            second: lively.ticks.then(|| counted(1_000, 60)),
        };
        let changed = moved != self.moved;
        self.moved = moved;
        changed
    }
}
