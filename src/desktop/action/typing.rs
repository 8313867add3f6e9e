//! The keyboard of an agent: texts, and keys that are pressed together.

use std::time::Duration;

use super::BadAction;
use super::gestures::{Gestures, PRESS};
use crate::kasm::plane::rfb::{keysym_named, keysym_of};

/// After a character that the keyboard lacks: the server gives it a key first.
const FOREIGN_CHARACTER: Duration = Duration::from_millis(10);
const TEXT_CHARS_MAX: usize = 10_000;

impl Gestures {
    pub(super) fn type_text(&mut self, text: &str) -> Result<(), BadAction> {
        if text.chars().count() > TEXT_CHARS_MAX {
            let problem = format!(
                "a text of more than {TEXT_CHARS_MAX} characters; paste it with desktop_clipboard"
            );
            return Err(BadAction(problem));
        }
        // A line end of Windows is one line end.
        for character in text.replace("\r\n", "\n").chars() {
            let keysym = keysym_of(character);
            self.key(true, keysym);
            self.key(false, keysym);
            if !character.is_ascii() {
                self.pause(FOREIGN_CHARACTER);
            }
        }
        Ok(())
    }

    /// Presses keys in their order and releases them in the other.
    pub(super) fn press_keys(&mut self, keys: &str) -> Result<(), BadAction> {
        let mut names: Vec<&str> = keys.split('+').map(str::trim).collect();
        // `ctrl++`: the last key is the plus itself.
        if keys.ends_with('+') {
            names.pop();
            names.pop_if(|name| name.is_empty());
            names.push("+");
        }
        let keysyms = names.iter().map(|name| {
            keysym_named(name).ok_or_else(|| {
                let known = "single characters, Return, Tab, Escape, BackSpace, Delete, Home, End, PageUp, PageDown, \
                             Left, Right, Up, Down, F1 to F24, ctrl, shift, alt, super";
                BadAction(format!("unknown key `{name}`; the keys are {known}"))
            })
        });
        let keysyms: Vec<u32> = keysyms.collect::<Result<_, _>>()?;
        for keysym in &keysyms {
            self.key(true, *keysym);
        }
        self.pause(PRESS);
        for keysym in keysyms.iter().rev() {
            self.key(false, *keysym);
        }
        Ok(())
    }
}
