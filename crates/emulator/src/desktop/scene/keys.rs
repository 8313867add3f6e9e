//! Keys, as the program with the focus takes them.

use super::{Focus, Scene};

const BACK_SPACE: u32 = 0xff08;
const TAB: u32 = 0xff09;
const RETURN: u32 = 0xff0d;
const KEYPAD_ENTER: u32 = 0xff8d;
const INSERT: u32 = 0xff63;
const SHIFT: [u32; 2] = [0xffe1, 0xffe2];
const CONTROL: [u32; 2] = [0xffe3, 0xffe4];
const ALT_AND_SUPER: [u32; 4] = [0xffe9, 0xffea, 0xffeb, 0xffec];
/// From here on a keysym is a number of Unicode.
const UNICODE: u32 = 0x0100_0000;
/// Keys that are remembered.
const KEYS_MAX: usize = 100_000;

impl Scene {
    pub(super) fn key(&mut self, from: u64, down: bool, keysym: u32) -> bool {
        if self.keys.len() < KEYS_MAX {
            self.keys.push((keysym, down));
        }
        if !down {
            self.held.remove(&(from, keysym));
            return false;
        }
        self.held.insert((from, keysym));
        let letter = letter(keysym);
        if self.holds(&ALT_AND_SUPER) {
            return false;
        }
        if keysym == INSERT && self.holds(&SHIFT) {
            return self.paste();
        }
        if self.holds(&CONTROL) {
            return letter.is_some_and(|letter| self.command(letter));
        }
        match (keysym, letter) {
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

    fn holds(&self, keys: &[u32]) -> bool {
        self.held.iter().any(|(_, held)| keys.contains(held))
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

/// The character of a key, if it has one.
fn letter(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(keysym),
        UNICODE.. => char::from_u32(keysym - UNICODE),
        _ => None,
    }
}
