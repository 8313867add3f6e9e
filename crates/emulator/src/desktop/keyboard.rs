//! The keyboard of a desktop: its layout, its locks, what is held, and how a
//! keysym that a client sends becomes a key that programs can read.
//!
//! Clients name what a key should mean, and the server looks for a key that
//! means it, if need be with Shift or `AltGr` pressed or released for a moment.

mod layout;
mod spare_keys;

use std::time::Duration;

use tokio::time::Instant;

use crate::record::{KeyboardLayout, ModifierMask, StrokeRecord};
use layout::LaidKey;
use spare_keys::SpareKeys;

const TAB: u32 = 0xff09;
const CAPS_LOCK: u32 = 0xffe5;
const NUM_LOCK: u32 = 0xff7f;
const SCROLL_LOCK: u32 = 0xff14;

/// The modifier keys, and what each one adds to the state.
const MODIFIERS: [(u32, ModifierMask); 12] = [
    (0xffe1, ModifierMask::SHIFT),
    (0xffe2, ModifierMask::SHIFT),
    (0xffe3, ModifierMask::CONTROL),
    (0xffe4, ModifierMask::CONTROL),
    (0xffe7, ModifierMask::ALT),
    (0xffe8, ModifierMask::ALT),
    (0xffe9, ModifierMask::ALT),
    (0xffea, ModifierMask::ALT),
    (0xffeb, ModifierMask::SUPER),
    (0xffec, ModifierMask::SUPER),
    (0xfe03, ModifierMask::LEVEL_THREE),
    (0xff7e, ModifierMask::LEVEL_THREE),
];

/// A key event of a client, and what matters about both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyEvent {
    pub(crate) down: bool,
    pub(crate) keysym: u32,
    /// The client is told of the locks, so the server does not guess at them.
    pub(crate) knows_locks: bool,
    pub(crate) layout: KeyboardLayout,
    /// How fast spare keys can change their meaning.
    pub(crate) pace: Option<Duration>,
    /// When it came.
    pub(crate) at: Instant,
    /// Another program uses a keyboard of its own whenever a character was typed.
    pub(crate) other_is_busy: bool,
}

/// What a program makes of a key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) record: StrokeRecord,
    pub(super) letter: Option<char>,
}

/// The key that a keysym was found at.
#[derive(Clone, Copy, Debug)]
enum Key {
    Named,
    Laid(LaidKey),
    Spare,
}

/// One keyboard.
#[derive(Debug)]
pub(crate) struct Keyboard {
    caps_lock: bool,
    num_lock: bool,
    scroll_lock: bool,
    /// Whose key is down.
    held: Vec<(u64, u32)>,
    spare: SpareKeys,
    /// Another keyboard than the clients' was used last.
    other_was_last: bool,
}

impl Keyboard {
    /// Of a fresh session, where no client has typed yet.
    pub(crate) fn new() -> Self {
        Self {
            caps_lock: false,
            num_lock: false,
            scroll_lock: false,
            held: Vec::new(),
            spare: SpareKeys::default(),
            other_was_last: true,
        }
    }

    /// The modifiers that are held, and the locks that are on.
    pub(crate) fn state(&self) -> ModifierMask {
        let held = self.held.iter().filter_map(|(_, key)| {
            let modifier = MODIFIERS.iter().find(|(keysym, _)| keysym == key);
            modifier.map(|(_, mask)| *mask)
        });
        let held = held.fold(ModifierMask::NONE, ModifierMask::with);
        held.set(ModifierMask::LOCK, self.caps_lock)
            .set(ModifierMask::NUM_LOCK, self.num_lock)
    }

    /// The lights of the locks as RFB counts them: Scroll Lock, Num Lock, Caps Lock.
    pub(super) fn lights(&self) -> u8 {
        u8::from(self.scroll_lock) | u8::from(self.num_lock) << 1 | u8::from(self.caps_lock) << 2
    }

    pub(crate) fn set_caps_lock(&mut self, on: bool) {
        self.caps_lock = on;
    }

    pub(crate) fn set_num_lock(&mut self, on: bool) {
        self.num_lock = on;
    }

    /// A program presses keys by a keyboard device of its own, as xdotool does.
    pub(crate) fn use_other(&mut self) {
        self.other_was_last = true;
        // The map of that keyboard takes the place of the one with the spare keys.
        self.spare.take_back();
    }

    /// What a client holds.
    pub(super) fn held_by(&self, who: u64) -> Vec<u32> {
        let held = self.held.iter().filter(|(holder, _)| *holder == who);
        held.map(|(_, keysym)| *keysym).collect()
    }

    pub(super) fn release(&mut self, who: u64, keysym: u32) {
        self.held.retain(|held| *held != (who, keysym));
    }

    /// A key goes down. Nothing: no program is told of it.
    pub(super) fn press(&mut self, who: u64, event: &KeyEvent) -> Option<Stroke> {
        if !event.knows_locks {
            if event.keysym == SCROLL_LOCK {
                return None;
            }
            self.guess_locks(who, event.keysym);
        }
        let state = self.state();
        let (key, mut meant) = self.find(event, state).unwrap_or_else(|| {
            self.spare.lend(event.keysym);
            (Key::Spare, state)
        });
        // Shift is never let go for this one: the shifted Tab has other keysyms.
        if event.keysym == TAB {
            meant = state;
        }
        // The first event of the clients' keyboard after one of another brings its own map along, in which
        // nothing was lent. So a character that is lent a key just now is lost.
        let replaced = std::mem::take(&mut self.other_was_last);
        if replaced {
            self.spare.take_back();
        }
        self.held.retain(|held| *held != (who, event.keysym));
        self.held.push((who, event.keysym));
        self.turn_lock(event.keysym);
        if replaced && matches!(key, Key::Spare) {
            return None;
        }
        let keysym = match key {
            Key::Named => event.keysym,
            Key::Laid(key) => key.symbol(meant),
            Key::Spare => self.spare.read(event.keysym, event.at, event.pace),
        };
        let lock_is_used = matches!(key, Key::Laid(key) if key.is_letter());
        let letter = layout::character_of(keysym);
        let letter = letter.and_then(|letter| {
            let locked = meant.has(ModifierMask::LOCK) && !lock_is_used;
            if locked { raised(letter) } else { Some(letter) }
        });
        let record = StrokeRecord {
            keysym,
            state: meant,
        };
        Some(Stroke { record, letter })
    }

    /// The key for a keysym, and the state in which it means that.
    fn find(&self, event: &KeyEvent, state: ModifierMask) -> Option<(Key, ModifierMask)> {
        if layout::has_key_of_its_own(event.keysym) {
            return Some((Key::Named, state));
        }
        if self.spare.has(event.keysym) {
            return Some((Key::Spare, state));
        }
        let toggled = |state: ModifierMask, mask| state.set(mask, !state.has(mask));
        let shift = toggled(state, ModifierMask::SHIFT);
        let third = toggled(state, ModifierMask::LEVEL_THREE);
        let both = toggled(shift, ModifierMask::LEVEL_THREE);
        [state, shift, third, both].into_iter().find_map(|meant| {
            let key = layout::key_with(event.layout, event.keysym, meant)?;
            Some((Key::Laid(key), meant))
        })
    }

    /// A client that is not told of the locks is taken to have its own: a capital without Shift means that
    /// Caps Lock is on at its side, and the same is made true here. It stays so.
    fn guess_locks(&mut self, who: u64, keysym: u32) {
        let shift = self
            .held_by(who)
            .iter()
            .any(|key| matches!(key, 0xffe1 | 0xffe2));
        let capital = (0x41..=0x5a).contains(&keysym);
        let is_letter = capital || (0x61..=0x7a).contains(&keysym);
        if is_letter && self.caps_lock == (capital == shift) {
            self.touch_lock(CAPS_LOCK);
        }
        let digit = matches!(keysym, 0xffac | 0xffae | 0xffb0..=0xffb9);
        let is_keypad = digit || (0xff95..=0xff9f).contains(&keysym);
        if is_keypad && !shift && self.num_lock != digit {
            self.touch_lock(NUM_LOCK);
        }
    }

    /// The server presses a lock by itself, which is an event of the clients' keyboard like any other.
    fn touch_lock(&mut self, keysym: u32) {
        if std::mem::take(&mut self.other_was_last) {
            self.spare.take_back();
        }
        self.turn_lock(keysym);
    }

    fn turn_lock(&mut self, keysym: u32) {
        match keysym {
            CAPS_LOCK => self.caps_lock = !self.caps_lock,
            NUM_LOCK => self.num_lock = !self.num_lock,
            SCROLL_LOCK => self.scroll_lock = !self.scroll_lock,
            _ => {}
        }
    }
}

/// What programs make of a character under Caps Lock where the key knows nothing of it: the capital. A small
/// letter that has none is lost.
fn raised(letter: char) -> Option<char> {
    let mut raised = letter.to_uppercase();
    match (raised.next(), raised.next()) {
        (Some(only), None) if only != letter || !letter.is_lowercase() => Some(only),
        _ => None,
    }
}
