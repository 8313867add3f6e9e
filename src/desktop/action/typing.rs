//! The keyboard of an agent: texts, and keys that are pressed together.

use std::time::Duration;

use super::BadAction;
use super::gestures::{InputGestures, PRESS};
use super::layout::{is_foreign, may_be_missing, needs_shift, with_shift, without_shift};
use crate::kasm::session_proxy::rfb::{
    InputEvent, character_of, keys_like, keysym_named, keysym_of,
};

/// The pause after a character that the keyboard lacks: programs have to read it before its spare key means
/// another one.
const FOREIGN_CHARACTER: Duration = Duration::from_millis(10);
const TEXT_CHARS_MAX: usize = 10_000;

const SHIFT: u32 = 0xffe1;
/// Left and right.
const SHIFTS: [u32; 2] = [SHIFT, 0xffe2];
/// Control, Meta, Alt, Super and Hyper, left and right: with one of them a letter is a command.
const COMMANDS: [u32; 10] = [
    0xffe3, 0xffe4, 0xffe7, 0xffe8, 0xffe9, 0xffea, 0xffeb, 0xffec, 0xffed, 0xffee,
];
/// `AltGr`, by its two names.
const THIRD_LEVEL: [u32; 2] = [0xfe03, 0xff7e];
/// Caps Lock, Shift Lock, Num Lock, Scroll Lock.
const LOCKS: [u32; 4] = [0xffe5, 0xffe6, 0xff7f, 0xff14];

impl InputGestures {
    pub(super) fn type_text(&mut self, text: &str) -> Result<(), BadAction> {
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(BadAction::new(
                "text_too_long",
                format!(
                    "a text of more than {TEXT_CHARS_MAX} characters; paste it with desktop_clipboard"
                ),
            ));
        }
        // The first key after another keyboard's replaces the server's map of keys, and with it the spare key
        // of a character. This Shift takes that place.
        if text.chars().any(may_be_missing) {
            self.tap_key(SHIFT);
        }
        self.inputs.push(InputEvent::LiftLocks);
        let mut shift = false;
        // A line end of Windows is one line end.
        for (index, character) in text.replace("\r\n", "\n").chars().enumerate() {
            let wanted = needs_shift(character);
            // Another program may use a keyboard of its own (xdotool) between any two characters. The first event
            // after that makes the server forget what spare keys mean, so it must not be that of the character.
            let wakes = index > 0 && may_be_missing(character);
            if shift && (wakes || !wanted) {
                shift = false;
                self.send_key(false, SHIFT);
            }
            // KasmVNC takes a capital without Shift for a Caps Lock at our side if it does not tell us of the
            // locks, and switches that of the session.
            if wanted && !shift {
                shift = true;
                self.send_key(true, SHIFT);
            } else if wakes {
                self.tap_key(SHIFT);
            }
            self.tap_key(keysym_of(character));
            if is_foreign(character) {
                self.add_pause(FOREIGN_CHARACTER);
            }
        }
        if shift {
            self.send_key(false, SHIFT);
        }
        self.inputs.push(InputEvent::RestoreLocks);
        Ok(())
    }

    /// Presses keys in their order and releases them in the other.
    pub(super) fn press_keys(&mut self, keys: &str) -> Result<(), BadAction> {
        let named: Vec<u32> = names_of(keys)?
            .into_iter()
            .map(find_key)
            .collect::<Result<_, _>>()?;
        // KasmVNC lets Shift go for a sign that needs none: `ctrl+shift+1` would arrive as ctrl and 1.
        let keysyms = at_their_levels(&named);
        let switches_lock = keysyms.iter().any(|keysym| LOCKS.contains(keysym));
        if keysyms
            .iter()
            .any(|keysym| character_of(*keysym).is_some_and(may_be_missing))
        {
            self.tap_key(SHIFT);
        }
        // Under Caps Lock the server presses Shift to make the small letter of `ctrl+c`, and programs would see
        // ctrl, shift and c. A lock that is pressed on purpose stays as it will be.
        if !switches_lock {
            self.inputs.push(InputEvent::LiftLocks);
        }
        for keysym in &keysyms {
            self.send_key(true, *keysym);
        }
        self.add_pause(PRESS);
        for keysym in keysyms.iter().rev() {
            self.send_key(false, *keysym);
        }
        if !switches_lock {
            self.inputs.push(InputEvent::RestoreLocks);
        }
        Ok(())
    }

    pub(super) fn tap_key(&mut self, keysym: u32) {
        self.send_key(true, keysym);
        self.send_key(false, keysym);
    }
}

/// The keysyms of modifiers, named in one or more texts such as `ctrl` or `ctrl+shift`.
pub(super) fn find_modifiers<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<u32>, BadAction> {
    let mut found = Vec::new();
    for names in names {
        for name in names_of(names)? {
            let keysym = find_key(name)?;
            let is_modifier = [&SHIFTS[..], &COMMANDS, &THIRD_LEVEL]
                .concat()
                .contains(&keysym);
            if !is_modifier {
                return Err(BadAction::new(
                    "modifier_unknown",
                    format!(
                        "`{name}` is not a modifier; the modifiers are ctrl, shift, alt, altgr and super"
                    ),
                ));
            }
            if !found.contains(&keysym) {
                found.push(keysym);
            }
        }
    }
    Ok(found)
}

/// The names in `ctrl+shift+t`. A plus at the end is a key only after another plus (`ctrl++`) or alone.
fn names_of(keys: &str) -> Result<Vec<&str>, BadAction> {
    // A space is trimmed around names, and is a key when it is all there is.
    if keys.chars().count() == 1 {
        return Ok(vec![keys]);
    }
    let (rest, plus) = match keys.trim().strip_suffix('+') {
        None => (keys, None),
        Some(rest) => (rest.trim_end(), Some("+")),
    };
    let rest = match plus {
        None => rest,
        Some(_) => rest.strip_suffix('+').filter(|rest| !rest.is_empty()).ok_or_else(|| {
            BadAction::new(
                "key_incomplete",
                format!("`{keys}` ends with a plus without a key after it; for the plus key write `{rest}++`"),
            )
        })?,
    };
    let names: Vec<&str> = rest.split('+').map(str::trim).chain(plus).collect();
    if names.iter().any(|name| name.is_empty()) {
        let problem = format!("`{keys}` has a plus without a key beside it");
        return Err(BadAction::new("key_incomplete", problem));
    }
    Ok(names)
}

fn find_key(name: &str) -> Result<u32, BadAction> {
    keysym_named(name).ok_or_else(|| {
        let alike = keys_like(name);
        let offered = if alike.is_empty() {
            "the keys are single characters, Return, Tab, Escape, BackSpace, Delete, Home, End, PageUp, PageDown, \
             Left, Right, Up, Down, F1 to F24, ctrl, shift, alt, super, and all key names of X11 and of browsers"
                .to_owned()
        } else {
            format!("similar keys are `{}`", alike.join("`, `"))
        };
        BadAction::new(
            "key_unknown",
            format!("unknown key `{name}`; {offered}"),
        )
    })
}

/// The keysyms as the keys are pressed: what a character is with Shift where that is down, and with a Shift of
/// its own where it needs one.
fn at_their_levels(named: &[u32]) -> Vec<u32> {
    let holds = |keys: &[u32]| named.iter().any(|keysym| keys.contains(keysym));
    let (shift, command) = (holds(&SHIFTS), holds(&COMMANDS));
    let mut pressed = Vec::new();
    for keysym in named {
        let Some(character) = character_of(*keysym) else {
            pressed.push(*keysym);
            continue;
        };
        let meant = if shift {
            with_shift(character)
        } else if command && character.is_alphabetic() {
            // Menus write `Ctrl+C` for what is ctrl and c.
            without_shift(character)
        } else {
            character
        };
        if needs_shift(meant) && !shift && !pressed.contains(&SHIFT) {
            pressed.push(SHIFT);
        }
        pressed.push(keysym_of(meant));
    }
    pressed
}
