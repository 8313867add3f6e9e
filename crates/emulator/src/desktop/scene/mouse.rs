//! The pointer, its buttons and its wheel.

use super::{BUTTON, FIELD, Focus, LIST, ROW, ROWS, Scene, TERMINAL};
use crate::record::{ClickRecord, ModifierMask};

/// The bits of the buttons that are a wheel: up, down, left, right.
const WHEEL: [u16; 4] = [8, 16, 32, 64];
/// Units of a scroll field that make a notch.
const NOTCH: i32 = 50;
/// The X server makes no more clicks than this of one event; the rest of it is lost.
const NOTCHES_MAX: i32 = 24;
/// Rows that a notch scrolls.
const ROWS_PER_NOTCH: i32 = 3;
/// Clicks that are remembered.
const CLICKS_MAX: usize = 10_000;

impl Scene {
    pub(super) fn mouse(
        &mut self,
        from: u64,
        mask: u16,
        at: (u16, u16),
        scroll: (i16, i16),
    ) -> bool {
        // As long as somebody holds a button, nobody else has the pointer.
        if self.holder.is_some_and(|holder| holder != from) {
            return false;
        }
        let before = self.buttons;
        self.pointer = self.clamped(at.0, at.1);
        self.drag();
        for bit in 0..16_u8 {
            let one = 1 << bit;
            match (before & one != 0, mask & one != 0) {
                (false, true) => self.press(bit),
                (true, false) => self.release(bit),
                (true, true) | (false, false) => {}
            }
        }
        self.buttons = mask;
        self.holder = (mask != 0).then_some(from);
        self.turn(scroll);
        true
    }

    fn drag(&mut self) {
        if let Some((left, top)) = self.grip {
            self.dragged.x = self.pointer.0.saturating_sub(left);
            self.dragged.y = self.pointer.1.saturating_sub(top);
        }
    }

    fn press(&mut self, bit: u8) {
        let (at, state) = (self.pointer, self.keyboard.state());
        if let Some(pressed) = self.pressed.get_mut(usize::from(bit)) {
            *pressed = (at, state);
        }
        match bit {
            0 if self.dragged.has(at) => {
                self.grip = Some((at.0 - self.dragged.x, at.1 - self.dragged.y));
            }
            0 if TERMINAL.has(at) => self.focus = Focus::Terminal,
            0 if FIELD.has(at) => self.focus = Focus::Field,
            3 => self.scroll_list(-1),
            4 => self.scroll_list(1),
            _ => {}
        }
    }

    fn release(&mut self, bit: u8) {
        let to = self.pointer;
        let pressed = self.pressed.get(usize::from(bit)).copied();
        let (from, state) = pressed.unwrap_or((to, ModifierMask::NONE));
        if bit == 0 {
            let dragged = self.grip.take().is_some();
            if !dragged && BUTTON.has(from) && BUTTON.has(to) {
                self.button_on = !self.button_on;
            }
        }
        if self.clicks.len() < CLICKS_MAX {
            self.clicks.push(ClickRecord {
                button: bit + 1,
                from,
                to,
                state,
            });
        }
    }

    /// Scroll fields: whole notches turn the wheel, the rest is kept.
    fn turn(&mut self, (x, y): (i16, i16)) {
        self.wheel.0 += i32::from(x);
        self.wheel.1 += i32::from(y);
        let notches = (self.wheel.0 / NOTCH, self.wheel.1 / NOTCH);
        self.wheel.0 %= NOTCH;
        self.wheel.1 %= NOTCH;
        let [up, down, left, right] = WHEEL;
        for (count, less, more) in [(notches.1, up, down), (notches.0, left, right)] {
            let bit = if count < 0 { less } else { more }.trailing_zeros();
            let bit = u8::try_from(bit).unwrap_or(0);
            for _ in 0..count.abs().min(NOTCHES_MAX) {
                self.press(bit);
                self.release(bit);
            }
        }
    }

    fn scroll_list(&mut self, notches: i32) {
        if LIST.has(self.pointer) {
            let in_view = i32::from(LIST.height / ROW);
            let row = self.scrolled + notches * ROWS_PER_NOTCH;
            self.scrolled = row.clamp(0, ROWS - in_view);
        }
    }
}
