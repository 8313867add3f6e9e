//! The pointer of an agent: moves, clicks, drags and the wheel, as a person's hand does them.

use std::time::Duration;

use super::Button;
use crate::kasm::plane::rfb::Input;

/// From press to release, as a person's finger.
pub(super) const PRESS: Duration = Duration::from_millis(50);
/// Before and after the way of a drag.
const GRIP: Duration = Duration::from_millis(150);
const DRAG_STEPS: i32 = 12;
const DRAG_STEP: Duration = Duration::from_millis(20);
/// What the wheel turns for one notch.
const NOTCH: i32 = 50;
const NOTCHES_MAX: i32 = 100;

/// What hands do, one thing after the other.
#[derive(Default)]
pub(super) struct Gestures {
    pub(super) inputs: Vec<Input>,
}

impl Gestures {
    pub(super) fn pause(&mut self, time: Duration) {
        self.inputs.push(Input::Pause(time));
    }

    pub(super) fn point(&mut self, buttons: u16, (x, y): (u16, u16)) {
        let scroll = (0, 0);
        self.inputs.push(Input::Pointer {
            buttons,
            x,
            y,
            scroll,
        });
    }

    pub(super) fn key(&mut self, down: bool, keysym: u32) {
        self.inputs.push(Input::Key { down, keysym });
    }

    pub(super) fn click(&mut self, place: (u16, u16), button: Button) {
        self.point(0, place);
        self.point(mask(button), place);
        self.pause(PRESS);
        self.point(0, place);
    }

    pub(super) fn drag(&mut self, from: (u16, u16), to: (u16, u16), button: Button) {
        self.point(0, from);
        self.point(mask(button), from);
        self.pause(GRIP);
        for step in 1..=DRAG_STEPS {
            let between = |from: u16, to: u16| {
                let way = i32::from(to) - i32::from(from);
                u16::try_from(i32::from(from) + way * step / DRAG_STEPS).unwrap_or(to)
            };
            self.point(mask(button), (between(from.0, to.0), between(from.1, to.1)));
            self.pause(DRAG_STEP);
        }
        self.pause(GRIP);
        self.point(0, to);
    }

    pub(super) fn scroll(&mut self, (x, y): (u16, u16), right: i32, down: i32) {
        self.point(0, (x, y));
        let turn = |notches: i32| {
            let notches = notches.clamp(-NOTCHES_MAX, NOTCHES_MAX);
            i16::try_from(notches * NOTCH).unwrap_or(0)
        };
        let scroll = (turn(right), turn(down));
        self.inputs.push(Input::Pointer {
            buttons: 0,
            x,
            y,
            scroll,
        });
    }
}

fn mask(button: Button) -> u16 {
    match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 4,
    }
}
