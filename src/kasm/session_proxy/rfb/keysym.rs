//! Names of keys and the numbers that X has for them, its keysyms.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line for each keysym: its number in hexadecimal, then its names. The names of X come first (those of
/// keysymdef.h and XF86keysym.h of the X.Org project), then those of browsers (`KeyboardEvent.key` and `code`),
/// of other tools, and of people.
const NAMES: &str = include_str!("keysym/names.txt");
/// From here on a keysym is a number of Unicode.
const UNICODE: u32 = 0x0100_0000;
/// How alike a name has to be to be offered instead of another, of 1.
const LIKENESS_MIN: f64 = 0.75;
/// How many names are offered.
const OFFERED_MAX: usize = 5;

static BY_NAME: LazyLock<KeyNames> = LazyLock::new(KeyNames::read_lines);

struct KeyNames {
    exact: HashMap<&'static str, u32>,
    /// By the name without regard to case, spaces and hyphens. Without a number, the name has several meanings
    /// (`aacute` and `Aacute`), and only the exact one will do.
    folded: HashMap<String, Option<u32>>,
}

impl KeyNames {
    fn read_lines() -> Self {
        let (mut exact, mut folded) = (HashMap::new(), HashMap::new());
        for line in NAMES.lines() {
            let mut words = line.split(' ');
            let number = words
                .next()
                .and_then(|hex| u32::from_str_radix(hex, 16).ok());
            for (name, keysym) in words.zip(std::iter::repeat(number.unwrap_or(0))) {
                exact.insert(name, keysym);
                let known = folded.entry(fold_name(name)).or_insert(Some(keysym));
                *known = known.filter(|known| *known == keysym);
            }
        }
        Self { exact, folded }
    }
}

fn fold_name(name: &str) -> String {
    let letters = name.chars().filter(|letter| !" _-".contains(*letter));
    letters.flat_map(char::to_lowercase).collect()
}

/// The keysym of a character: Latin-1 as it is, others by their code point.
#[must_use]
pub fn keysym_of(character: char) -> u32 {
    match character {
        // These are keys in X (Return, Tab, BackSpace, Escape), and programs expect them as such.
        '\n' | '\r' => 0xff0d,
        '\t' => 0xff09,
        '\u{8}' => 0xff08,
        '\u{1b}' => 0xff1b,
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => u32::from(character),
        other => UNICODE + u32::from(other),
    }
}

/// The character that a keysym stands for, if it is one of those that [`keysym_of`] gives to characters.
#[must_use]
pub fn character_of(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(keysym),
        UNICODE..0x0200_0000 => char::from_u32(keysym - UNICODE),
        _ => None,
    }
}

/// The keysym of a key by its name (`Return`, `ctrl`, `KP_0`, `ArrowLeft`, `U+20AC`), or of a single character.
#[must_use]
pub fn keysym_named(name: &str) -> Option<u32> {
    let mut characters = name.chars();
    if let (Some(only), None) = (characters.next(), characters.next()) {
        return Some(keysym_of(only));
    }
    let known = BY_NAME.exact.get(name).copied();
    let known = known.or_else(|| BY_NAME.folded.get(&fold_name(name)).copied().flatten());
    known.or_else(|| {
        let hex = name.strip_prefix(['U', 'u'])?;
        let hex = hex.strip_prefix('+').unwrap_or(hex);
        // Four to six digits, as code points are written. Surrogates are no characters and fail below.
        let is_number = (4..=6).contains(&hex.len());
        let number = is_number.then(|| u32::from_str_radix(hex, 16).ok())??;
        char::from_u32(number).map(keysym_of)
    })
}

/// Names of keys that are like one that there is not, the likest first.
#[must_use]
pub fn keys_like(name: &str) -> Vec<&'static str> {
    let wanted = fold_name(name);
    let likeness = |known: &str| strsim::jaro_winkler(&wanted, &fold_name(known));
    let known = BY_NAME.exact.keys().map(|known| (*known, likeness(known)));
    let mut alike: Vec<_> = known
        .filter(|(_, likeness)| *likeness >= LIKENESS_MIN)
        .collect();
    alike.sort_by(|(name, likeness), (other, less)| less.total_cmp(likeness).then(name.cmp(other)));
    alike
        .into_iter()
        .map(|(known, _)| known)
        .take(OFFERED_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_number_and_names_of_its_own() {
        let mut seen = HashMap::new();
        for line in NAMES.lines() {
            let (number, names) = line.split_once(' ').unwrap();
            let number = u32::from_str_radix(number, 16).unwrap();
            for name in names.split(' ') {
                assert!(name.len() > 1, "{line}");
                assert_eq!(seen.insert(name, number), None, "{name} is there twice");
            }
        }
        assert!(seen.len() > 2_000);
    }

    #[test]
    fn keys_have_the_names_of_x_of_browsers_and_of_people() {
        for (keysym, names) in [
            (0xff8d, "KP_Enter NumpadEnter"),
            (0xff55, "PgUp PAGEUP Page_Up Prior page up"),
            (0xff63, "Ins Insert INSERT"),
            (0xff61, "PrintScreen Print PrtSc"),
            (0xff7f, "Num_Lock NumLock NUMLOCK"),
            (0xffe3, "Control_L ctrl CTRL ControlLeft Control"),
            (0xffe2, "Shift_R ShiftRight"),
            (
                0xffeb,
                "Super_L super Windows Command cmd win Meta MetaLeft OS",
            ),
            (0xffb0, "KP_0 Numpad0"),
            (0xffab, "KP_Add NumpadAdd"),
            (0x2c, "comma Comma ,"),
            (0x2f, "slash Slash /"),
            (0x5b, "bracketleft BracketLeft ["),
            (0x2b, "plus +"),
            (0x61, "KeyA a"),
            (0x41, "A"),
            (0x31, "Digit1 1"),
            (0xff51, "ArrowLeft left LEFT"),
            (0xe1, "aacute á"),
            (0xc1, "Aacute Á"),
            (0xffc9, "F12 f12"),
            (0x1008_ff13, "XF86AudioRaiseVolume AudioVolumeUp"),
            (0x0100_20ac, "U+20AC u20ac €"),
        ] {
            for name in names
                .split(' ')
                .filter(|name| !["page", "up"].contains(name))
            {
                assert_eq!(keysym_named(name), Some(keysym), "{name}");
            }
        }
        assert_eq!(keysym_named("page up"), Some(0xff55));
        // Two keys by the case of the name.
        assert_eq!(keysym_named("AACUTE"), None);
        assert_eq!(keys_like("AACUTE")[..2], ["Aacute", "aacute"]);
        assert!(keys_like("Retrun").contains(&"Return"));
        assert_eq!(keys_like("q#?!"), Vec::<&str>::new());
    }
}
