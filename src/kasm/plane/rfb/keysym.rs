//! Names of keys, as X numbers them (keysymdef.h of the X.Org project).

/// Keys by name, in lower case, with the names that people use.
const NAMED: &[(&str, u32)] = &[
    ("return", 0xff0d),
    ("enter", 0xff0d),
    ("tab", 0xff09),
    ("escape", 0xff1b),
    ("esc", 0xff1b),
    ("backspace", 0xff08),
    ("delete", 0xffff),
    ("del", 0xffff),
    ("insert", 0xff63),
    ("home", 0xff50),
    ("end", 0xff57),
    ("pageup", 0xff55),
    ("page_up", 0xff55),
    ("prior", 0xff55),
    ("pagedown", 0xff56),
    ("page_down", 0xff56),
    ("next", 0xff56),
    ("left", 0xff51),
    ("up", 0xff52),
    ("right", 0xff53),
    ("down", 0xff54),
    ("arrowleft", 0xff51),
    ("arrowup", 0xff52),
    ("arrowright", 0xff53),
    ("arrowdown", 0xff54),
    ("space", 0x20),
    ("plus", 0x2b),
    ("minus", 0x2d),
    ("print", 0xff61),
    ("pause", 0xff13),
    ("menu", 0xff67),
    ("capslock", 0xffe5),
    ("caps_lock", 0xffe5),
    ("shift", 0xffe1),
    ("ctrl", 0xffe3),
    ("control", 0xffe3),
    ("alt", 0xffe9),
    ("option", 0xffe9),
    ("altgr", 0xfe03),
    ("meta", 0xffe7),
    ("super", 0xffeb),
    ("win", 0xffeb),
    ("cmd", 0xffeb),
];

/// The keysym of a character: Latin-1 as it is, others by their code point.
#[must_use]
pub fn keysym_of(character: char) -> u32 {
    match character {
        '\n' | '\r' => 0xff0d,
        '\t' => 0xff09,
        '\u{8}' => 0xff08,
        '\u{1b}' => 0xff1b,
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => u32::from(character),
        other => 0x0100_0000 + u32::from(other),
    }
}

/// The keysym of a key by its name (`Return`, `ctrl`, `F5`), or of a single character.
#[must_use]
pub fn keysym_named(name: &str) -> Option<u32> {
    let mut characters = name.chars();
    if let (Some(only), None) = (characters.next(), characters.next()) {
        return Some(keysym_of(only));
    }
    let lower = name.to_ascii_lowercase();
    if let Some(number) = lower
        .strip_prefix('f')
        .and_then(|rest| rest.parse::<u32>().ok())
    {
        return (1..=24).contains(&number).then_some(0xffbd + number);
    }
    let found = NAMED.iter().find(|(known, _)| *known == lower);
    found.map(|(_, keysym)| *keysym)
}
