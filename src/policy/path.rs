//! Paths, judged by their text: where they lead, and what they may match. Links are resolved where the
//! files are, in the container.

use super::plan::Touched;
use super::word::{Atom, Word};

/// Longer paths are refused; Linux refuses them too.
pub const PATH_BYTES_MAX: usize = 4096;

/// The access to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its content or name is read.
    Read,
    /// It is created, changed or removed.
    Write,
}

/// A path that the policy permits. Absolute, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPath {
    pub(super) path: String,
    pub(super) access: Access,
}

impl CheckedPath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The permitted access.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }
}

/// Where `path` leads from `folder`, by its text alone.
pub(super) fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let folder = if path.starts_with('/') { "" } else { folder };
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` is `tree` or below it. Both are resolved.
pub(super) fn is_inside(path: &str, tree: &str) -> bool {
    tree == "/"
        || path
            .strip_prefix(tree)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// It depends on values that only the shell knows.
    Perhaps,
    Yes,
}

/// Whether a word can name `tree` or something below it; with `exactly`, only `tree` itself.
pub(super) fn reaches(touched: &Touched, tree: &str, exactly: bool) -> Match {
    let word = &touched.word;
    let absolute = matches!(word.0.first(), Some(Atom::Lit('/')));
    if absolute {
        return matches(&[], word, tree, exactly);
    }
    if word.is_opaque()
        && !word
            .0
            .iter()
            .any(|atom| matches!(atom, Atom::Star | Atom::One))
    {
        return Match::No;
    }
    if matches!(word.0.first(), Some(Atom::Unknown { .. })) {
        return Match::No;
    }
    let places = touched.places.known.iter();
    let known = places.map(|place| {
        let folder: Vec<_> = place.split('/').filter(|part| !part.is_empty()).collect();
        matches(&folder, word, tree, exactly)
    });
    let known = known.max().unwrap_or(Match::No);
    // From a folder that is not known, `..` can lead to the top.
    let climbs = touched.places.unknown && climbs(word);
    let top = if climbs {
        matches(&[], word, tree, exactly)
    } else {
        Match::No
    };
    known.max(top.min(Match::Perhaps))
}

/// Whether the word has a `..` component.
pub(super) fn climbs(word: &Word) -> bool {
    word.display().split('/').any(|part| part == "..")
}

fn matches(folder: &[&str], word: &Word, tree: &str, exactly: bool) -> Match {
    let mut parts: Vec<Vec<Atom>> = folder.iter().map(|part| Word::of(part).0).collect();
    for part in word.0.split(|atom| *atom == Atom::Lit('/')) {
        match Word(part.to_vec()).literal().as_deref() {
            Some("" | ".") => {}
            Some("..") => {
                parts.pop();
            }
            _ => parts.push(part.to_vec()),
        }
    }
    let tree: Vec<_> = tree.split('/').filter(|part| !part.is_empty()).collect();
    let mut sure = Match::Yes;
    for (at, name) in tree.iter().enumerate() {
        let Some(part) = parts.get(at) else {
            return Match::No;
        };
        let chars: Vec<char> = name.chars().collect();
        if !component(part, &chars) {
            return Match::No;
        }
        if part.iter().any(|atom| matches!(atom, Atom::Unknown { .. })) {
            // The word may contain slashes, so the rest is unknown.
            sure = Match::Perhaps;
            break;
        }
    }
    if exactly && parts.len() != tree.len() {
        Match::No
    } else {
        sure
    }
}

/// Whether a pattern can be `name`.
fn component(pattern: &[Atom], name: &[char]) -> bool {
    // Patterns do not match a leading dot.
    let first = matches!(pattern.first(), Some(Atom::Star | Atom::One));
    if first && name.first() == Some(&'.') {
        return false;
    }
    // The classic: remember the last star and go back to it.
    let (mut at, mut index, mut star) = (0, 0, None);
    while index < name.len() {
        match pattern.get(at) {
            Some(Atom::Star | Atom::Unknown { .. }) => {
                star = Some((at, index));
                at += 1;
            }
            Some(Atom::One) => {
                at += 1;
                index += 1;
            }
            Some(Atom::Lit(c) | Atom::Brace(c)) if *c == name[index] => {
                at += 1;
                index += 1;
            }
            _ => match star {
                Some((back, from)) => {
                    at = back + 1;
                    index = from + 1;
                    star = Some((back, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..]
        .iter()
        .all(|atom| matches!(atom, Atom::Star | Atom::Unknown { .. }))
}
