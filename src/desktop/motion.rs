//! What moves on a screen by itself: a cursor that blinks, a spinner, a clock. It is not a change, and a screen
//! on which nothing else moves has settled.

use crate::kasm::session_proxy::rfb::{ScreenArea, ScreenPixels};

/// The largest area that counts as such a thing, pixels. A larger one that moves is a video or a page.
const SMALL: (u16, u16) = (128, 64);
/// Areas no further apart than this belong to one thing, such as two dots of a spinner, pixels.
const NEAR: u16 = 32;
/// So often something that began to move has to change, over so many looks, before it counts.
const CHANGES_MIN: u32 = 4;

/// What was seen to move by itself.
#[derive(Clone, Debug, Default)]
pub struct ScreenMotion {
    known: Vec<ScreenArea>,
    /// What may be of the kind: where, and how often it changed.
    suspects: Vec<(ScreenArea, u32)>,
}

impl ScreenMotion {
    /// What differs between two looks between which nothing was done.
    #[must_use]
    pub fn between(first: &ScreenPixels, second: &ScreenPixels) -> Self {
        let mut motion = Self::default();
        if same_size(first, second) {
            for area in first.differing_areas(second) {
                motion.note_moving(area);
            }
        }
        motion
    }

    /// Where something moves.
    #[must_use]
    pub fn moving_areas(&self) -> &[ScreenArea] {
        &self.known
    }

    /// Something changed here by itself.
    pub(super) fn note_moving(&mut self, area: ScreenArea) {
        if area.fits_into(SMALL) {
            join_near(&mut self.known, area);
        }
    }

    /// Whether a change here belongs to something that is known to move; then it is noted.
    pub(super) fn takes_area(&mut self, area: ScreenArea) -> bool {
        let belongs = self.is_near(area);
        if belongs {
            self.note_moving(area);
        }
        belongs
    }

    /// Something changed here that is not known to move. What does it again and again is known from then on.
    pub(super) fn suspect_area(&mut self, area: ScreenArea) {
        let same = |(other, _): &&mut (ScreenArea, u32)| {
            are_near(*other, area) && other.joined_with(area).fits_into(SMALL)
        };
        // A single change may be the result of an action. What repeats itself is not.
        let Some((place, changes)) = self.suspects.iter_mut().find(same) else {
            self.suspects.push((area, 1));
            return;
        };
        *place = place.joined_with(area);
        *changes += 1;
        if *changes >= CHANGES_MIN {
            let moving = *place;
            self.note_moving(moving);
        }
    }

    /// Whether a change here may belong to something that is known to move.
    pub(super) fn is_near(&self, area: ScreenArea) -> bool {
        let joins =
            |known: &ScreenArea| are_near(*known, area) && known.joined_with(area).fits_into(SMALL);
        self.known.iter().any(joins)
    }
}

pub(super) fn same_size(one: &ScreenPixels, other: &ScreenPixels) -> bool {
    (one.width(), one.height()) == (other.width(), other.height())
}

fn are_near(one: ScreenArea, other: ScreenArea) -> bool {
    let joined = one.joined_with(other);
    joined.width <= one.width + other.width + NEAR
        && joined.height <= one.height + other.height + NEAR
}

/// Adds an area to those it belongs to.
fn join_near(areas: &mut Vec<ScreenArea>, mut area: ScreenArea) {
    // A joined area may reach further ones, so the search starts over after each.
    while let Some(at) = areas
        .iter()
        .position(|other| are_near(*other, area) && other.joined_with(area).fits_into(SMALL))
    {
        area = area.joined_with(areas.swap_remove(at));
    }
    areas.push(area);
}
