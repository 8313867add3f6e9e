//! The pointer of an agent: moves, clicks, drags and the wheel, as a person's hand does them.

use std::time::Duration;

use super::{BadAction, PointerButton};
use crate::kasm::session_proxy::rfb::InputEvent;

/// From press to release, as a person's finger.
pub(super) const PRESS: Duration = Duration::from_millis(50);
/// Before and after the way of a drag.
const GRIP: Duration = Duration::from_millis(150);
const DRAG_STEPS: i32 = 12;
const DRAG_STEP: Duration = Duration::from_millis(20);
/// KasmVNC's units for one notch. It keeps a remainder for the next event, so only whole notches are sent.
const NOTCH: i32 = 50;
/// The X server makes 24 clicks of one event at most, and the rest is lost.
const NOTCHES_PER_EVENT: i32 = 20;
/// Between two events of one scroll.
const BETWEEN_TURNS: Duration = Duration::from_millis(10);
/// The farthest that one action scrolls.
const NOTCHES_MAX: u32 = 1_000;

/// The input events of one action, in their order.
#[derive(Default)]
pub(super) struct InputGestures {
    pub(super) inputs: Vec<InputEvent>,
}

impl InputGestures {
    pub(super) fn add_pause(&mut self, time: Duration) {
        self.inputs.push(InputEvent::Pause(time));
    }

    pub(super) fn point_at(&mut self, buttons: u16, (x, y): (u16, u16)) {
        let scroll = (0, 0);
        self.inputs.push(InputEvent::Pointer {
            buttons,
            x,
            y,
            scroll,
        });
    }

    pub(super) fn send_key(&mut self, down: bool, keysym: u32) {
        self.inputs.push(InputEvent::Key { down, keysym });
    }

    pub(super) fn click_at(&mut self, place: (u16, u16), button: PointerButton) {
        self.point_at(0, place);
        self.point_at(button_mask(button), place);
        self.add_pause(PRESS);
        self.point_at(0, place);
    }

    pub(super) fn drag_to(&mut self, from: (u16, u16), to: (u16, u16), button: PointerButton) {
        self.point_at(0, from);
        self.point_at(button_mask(button), from);
        self.add_pause(GRIP);
        for step in 1..=DRAG_STEPS {
            let between = |from: u16, to: u16| {
                // The place lies between the two, so it fits again.
                let way = i32::from(to) - i32::from(from);
                u16::try_from(i32::from(from) + way * step / DRAG_STEPS).unwrap_or(to)
            };
            self.point_at(
                button_mask(button),
                (between(from.0, to.0), between(from.1, to.1)),
            );
            self.add_pause(DRAG_STEP);
        }
        self.add_pause(GRIP);
        self.point_at(0, to);
    }

    /// Turns the wheel by all of it, in as many events as that takes.
    pub(super) fn scroll_by(
        &mut self,
        (x, y): (u16, u16),
        mut right: i32,
        mut down: i32,
    ) -> Result<(), BadAction> {
        if (right, down) == (0, 0) {
            return Err(BadAction::missing_field("dx or dy, in notches"));
        }
        if right.unsigned_abs().max(down.unsigned_abs()) > NOTCHES_MAX {
            return Err(BadAction::new(
                "scroll_too_far",
                format!(
                    "one action scrolls at most {NOTCHES_MAX} notches; press Home or End, or scroll again"
                ),
            ));
        }
        self.point_at(0, (x, y));
        let turn = |notches: &mut i32| {
            let now = (*notches).clamp(-NOTCHES_PER_EVENT, NOTCHES_PER_EVENT);
            *notches -= now;
            // At most 20 notches of 50 units, which fits.
            i16::try_from(now * NOTCH).unwrap_or(0)
        };
        loop {
            let scroll = (turn(&mut right), turn(&mut down));
            self.inputs.push(InputEvent::Pointer {
                buttons: 0,
                x,
                y,
                scroll,
            });
            if (right, down) == (0, 0) {
                return Ok(());
            }
            self.add_pause(BETWEEN_TURNS);
        }
    }
}

fn button_mask(button: PointerButton) -> u16 {
    match button {
        PointerButton::Left => 1,
        PointerButton::Middle => 2,
        PointerButton::Right => 4,
    }
}
