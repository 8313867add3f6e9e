//! Which characters the keys of a layout have, and at which level.

use crate::record::{KeyboardLayout, ModifierMask};

/// The keys of a layout as four levels each: plain, with Shift, with `AltGr`, with both. A blank is a level
/// without a character; what is not here has no key at all.
const US: &[&str] = &[
    "`~", "1!", "2@", "3#", "4$", "5%", "6^", "7&", "8*", "9(", "0)", "-_", "=+", "qQ", "wW", "eE",
    "rR", "tT", "yY", "uU", "iI", "oO", "pP", "[{", "]}", "\\|", "aA", "sS", "dD", "fF", "gG",
    "hH", "jJ", "kK", "lL", ";:", "'\"", "zZ", "xX", "cC", "vV", "bB", "nN", "mM", ",<", ".>",
    "/?",
];
/// Circumflex, acute and grave are dead on it, so their characters have no key.
const DE: &[&str] = &[
    " °", "1!¹", "2\"²", "3§³", "4$¼", "5%½", "6&¬", "7/{", "8([", "9)]", "0=}", "ß?\\", "qQ@",
    "wW", "eE€", "rR", "tT", "zZ", "uU", "iI", "oO", "pP", "üÜ", "+*~", "aA", "sS", "dD", "fF",
    "gG", "hH", "jJ", "kK", "lL", "öÖ", "äÄ", "#'", "<>|", "yY", "xX", "cC", "vV", "bB", "nN",
    "mMµ", ",;", ".:·", "-_",
];

/// From here on a keysym is a number of Unicode.
const UNICODE: u32 = 0x0100_0000;
/// Layouts name the euro by its older keysym, so a client that sends its number in Unicode asks for another key.
const EURO: u32 = 0x20ac;

/// A key of a layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct LaidKey(&'static str);

impl LaidKey {
    /// The keysym that the key has in this state; 0 if none.
    pub(super) fn symbol(self, state: ModifierMask) -> u32 {
        let lock = self.is_letter() && state.has(ModifierMask::LOCK);
        let shifted = state.has(ModifierMask::SHIFT) != lock;
        let level = usize::from(shifted) + 2 * usize::from(state.has(ModifierMask::LEVEL_THREE));
        let letter = self.0.chars().nth(level).filter(|letter| *letter != ' ');
        letter.map_or(0, |letter| match letter {
            '€' => EURO,
            other => u32::from(other),
        })
    }

    /// Whether Caps Lock is one more Shift for it. On other keys programs make of the lock what they like.
    pub(super) fn is_letter(self) -> bool {
        let mut letters = self.0.chars();
        let pair = letters.next().zip(letters.next());
        pair.is_some_and(|(small, large)| {
            small != large && small.to_uppercase().eq(std::iter::once(large))
        })
    }
}

/// The key that has a keysym in this state.
pub(super) fn key_with(
    layout: KeyboardLayout,
    keysym: u32,
    state: ModifierMask,
) -> Option<LaidKey> {
    let keys = match layout {
        KeyboardLayout::Us => US,
        KeyboardLayout::De => DE,
    };
    let mut keys = keys.iter().map(|key| LaidKey(key));
    keys.find(|key| key.symbol(state) == keysym)
}

/// Keys that have a name, such as Return, and those that mean the same at each level.
pub(super) const fn has_key_of_its_own(keysym: u32) -> bool {
    matches!(keysym, 0x20 | 0xfd00..=0xffff | 0x1000_0000..)
}

/// The character that programs insert for a keysym, if it has one.
pub(super) fn character_of(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7e | 0xa0..=0xff | EURO => char::from_u32(keysym),
        UNICODE..0x0200_0000 => char::from_u32(keysym - UNICODE),
        // Digits of the keypad, and its signs.
        0xffaa..=0xffb9 => char::from_u32(keysym - 0xff80),
        _ => None,
    }
}
