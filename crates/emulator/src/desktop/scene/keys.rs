//! Keys, as the program with the focus takes them.

use super::{Focus, Scene};
use crate::desktop::keyboard::{KeyEvent, Stroke};
use crate::record::{ModifierMask, StrokeRecord};

const BACK_SPACE: u32 = 0xff08;
const TAB: u32 = 0xff09;
const RETURN: u32 = 0xff0d;
const KEYPAD_ENTER: u32 = 0xff8d;
const INSERT: u32 = 0xff63;
/// Keys that are remembered.
const KEYS_MAX: usize = 100_000;

impl Scene {
    pub(super) fn key(&mut self, from: u64, event: &KeyEvent) -> bool {
        if !event.down {
            self.let_go(from, event.keysym);
            return false;
        }
        self.remember(event.keysym, true);
        let lights = self.keyboard.lights();
        let stroke = self.keyboard.press(from, event);
        let changed = stroke.is_some_and(|stroke| self.stroke(&stroke));
        if changed && event.other_is_busy {
            self.keyboard.use_other();
        }
        changed || lights != self.keyboard.lights()
    }

    /// A key of a client goes up.
    pub(super) fn let_go(&mut self, from: u64, keysym: u32) {
        self.remember(keysym, false);
        self.keyboard.release(from, keysym);
    }

    fn remember(&mut self, keysym: u32, down: bool) {
        if self.keys.len() < KEYS_MAX {
            self.keys.push((keysym, down));
        }
    }

    /// What the program with the focus does. Whether anything changed.
    fn stroke(&mut self, stroke: &Stroke) -> bool {
        let StrokeRecord { keysym, state } = stroke.record;
        if self.strokes.len() < KEYS_MAX {
            self.strokes.push(stroke.record);
        }
        if state.has(ModifierMask::ALT) || state.has(ModifierMask::SUPER) {
            return false;
        }
        if keysym == INSERT && state.has(ModifierMask::SHIFT) {
            return self.paste();
        }
        if state.has(ModifierMask::CONTROL) {
            return stroke.letter.is_some_and(|letter| self.command(letter));
        }
        match (keysym, stroke.letter) {
            (RETURN | KEYPAD_ENTER, _) => self.write('\n'),
            (TAB, _) => self.write('\t'),
            (BACK_SPACE, _) => {
                self.typed.push('\u{8}');
                self.focused().pop().is_some()
            }
            (_, Some(letter)) => self.write(letter),
            (_, None) => false,
        }
    }

    /// Another program types by a keyboard device of its own, as xdotool does.
    pub(crate) fn type_by_other(&mut self, text: &str) -> bool {
        self.keyboard.use_other();
        text.chars().for_each(|letter| {
            self.write(letter);
        });
        true
    }

    /// What a letter does with Control: empty, copy or paste.
    fn command(&mut self, letter: char) -> bool {
        match letter.to_ascii_lowercase() {
            'l' => {
                self.focused().clear();
                true
            }
            'c' => {
                let text = self.focused().clone();
                self.copy(text);
                false
            }
            'v' => self.paste(),
            _ => false,
        }
    }

    fn write(&mut self, letter: char) -> bool {
        self.typed.push(letter);
        match (self.focus, letter) {
            (Focus::Field, '\n' | '\t') => return false,
            (Focus::Terminal | Focus::Field, _) => self.focused().push(letter),
        }
        true
    }

    pub(super) fn focused(&mut self) -> &mut String {
        match self.focus {
            Focus::Terminal => &mut self.terminal,
            Focus::Field => &mut self.field,
        }
    }
}
