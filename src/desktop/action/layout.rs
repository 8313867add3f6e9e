//! Which characters a keyboard has, and at which level.
//!
//! RFB does not tell the layout of a session. Characters go by what they are, and KasmVNC finds a key for each
//! on the layout that there is; so text is the same on all of them. Where a level has to be known, the layout
//! of the United States is assumed: a wrong guess costs a Shift that the server lets go for the moment, except
//! for signs that are named together with shift, which then are those of that layout.

/// Signs and what they are with Shift.
const WITH_SHIFT: [(char, char); 21] = [
    ('`', '~'),
    ('1', '!'),
    ('2', '@'),
    ('3', '#'),
    ('4', '$'),
    ('5', '%'),
    ('6', '^'),
    ('7', '&'),
    ('8', '*'),
    ('9', '('),
    ('0', ')'),
    ('-', '_'),
    ('=', '+'),
    ('[', '{'),
    (']', '}'),
    ('\\', '|'),
    (';', ':'),
    ('\'', '"'),
    (',', '<'),
    ('.', '>'),
    ('/', '?'),
];
/// Signs of ASCII that are dead keys on many layouts, so that these have no key for the sign itself.
const OFTEN_DEAD: &str = "^`~'\"";

/// Whether a character is typed with Shift.
pub(super) fn needs_shift(character: char) -> bool {
    let sign = WITH_SHIFT.iter().any(|(_, shifted)| *shifted == character);
    sign || character.is_ascii_uppercase()
}

/// What the key of a character means while Shift is down.
pub(super) fn with_shift(character: char) -> char {
    let sign = WITH_SHIFT.iter().find(|(plain, _)| *plain == character);
    sign.map_or_else(
        || only_one(character.to_uppercase()).unwrap_or(character),
        |(_, shifted)| *shifted,
    )
}

/// What the key of a character means while nothing is down.
pub(super) fn without_shift(character: char) -> char {
    only_one(character.to_lowercase()).unwrap_or(character)
}

fn only_one(mut characters: impl Iterator<Item = char>) -> Option<char> {
    // Some letters become two, as `ß` becomes `SS`. No key makes both, so they stay as they are.
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

/// Whether layouts may lack a character, so that the server gives it a spare key when it comes.
pub(super) fn may_be_missing(character: char) -> bool {
    is_foreign(character) || OFTEN_DEAD.contains(character)
}

/// Whether a text can have many of them that no key has.
pub(super) const fn is_foreign(character: char) -> bool {
    !character.is_ascii()
}
