//! Paths, judged by their text: where they lead, and what they may match. Links are resolved where the
//! files are, in the container.

use super::plan::TouchedFile;
use super::word::{ShellWord, WordAtom};

/// Longer paths are refused; Linux refuses them too.
pub const PATH_BYTES_MAX: usize = 4096;

/// The access to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Its content or name is read.
    Read,
    /// It is created, changed or removed.
    Write,
}

/// A path that the policy permits. Absolute, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPath {
    pub(super) path: String,
    pub(super) access: FileAccess,
}

impl CheckedPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The permitted access.
    #[must_use]
    pub fn access(&self) -> FileAccess {
        self.access
    }
}

/// Where `path` leads from `folder`, by its text alone.
pub(super) fn resolve_path(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let folder = if path.starts_with('/') { "" } else { folder };
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            // At the root, `..` stays at the root, as in Linux.
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
    // A prefix alone is not enough: `/home/kasm-user2` is not inside `/home/kasm-user`.
    tree == "/"
        || path
            .strip_prefix(tree)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How sure a match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathMatch {
    No,
    /// It depends on values that only the shell knows.
    Perhaps,
    Yes,
}

/// Whether a word can name `tree` or something below it; with `exactly`, only `tree` itself.
pub(super) fn reaches_tree(touched: &TouchedFile, tree: &str, exactly: bool) -> PathMatch {
    let word = &touched.word;
    let absolute = matches!(word.0.first(), Some(WordAtom::Lit('/')));
    if absolute {
        return matches_tree(&[], word, tree, exactly);
    }
    // A wholly unknown word is not taken for a path: otherwise each `$file` would match every tree.
    if word.is_opaque()
        && !word
            .0
            .iter()
            .any(|atom| matches!(atom, WordAtom::Star | WordAtom::One))
    {
        return PathMatch::No;
    }
    // The unknown beginning may be any folder, so the rest of the word does not show the tree.
    if matches!(word.0.first(), Some(WordAtom::Unknown { .. })) {
        return PathMatch::No;
    }
    let places = touched.places.known.iter();
    let known = places.map(|place| {
        let folder: Vec<_> = place.split('/').filter(|part| !part.is_empty()).collect();
        matches_tree(&folder, word, tree, exactly)
    });
    let known = known.max().unwrap_or(PathMatch::No);
    // From a folder that is not known, `..` can lead to the top.
    let climbs = touched.places.unknown && climbs_out(word);
    let top = if climbs {
        matches_tree(&[], word, tree, exactly)
    } else {
        PathMatch::No
    };
    // A match that depends on an unknown folder is never certain.
    known.max(top.min(PathMatch::Perhaps))
}

/// Whether the word has a `..` component.
pub(super) fn climbs_out(word: &ShellWord) -> bool {
    word.display_text().split('/').any(|part| part == "..")
}

fn matches_tree(folder: &[&str], word: &ShellWord, tree: &str, exactly: bool) -> PathMatch {
    let mut parts: Vec<Vec<WordAtom>> = folder
        .iter()
        .map(|part| ShellWord::from_literal(part).0)
        .collect();
    for part in word.0.split(|atom| *atom == WordAtom::Lit('/')) {
        match ShellWord(part.to_vec()).literal_text().as_deref() {
            Some("" | ".") => {}
            Some("..") => {
                parts.pop();
            }
            _ => parts.push(part.to_vec()),
        }
    }
    let tree: Vec<_> = tree.split('/').filter(|part| !part.is_empty()).collect();
    let mut sure = PathMatch::Yes;
    for (at, name) in tree.iter().enumerate() {
        // The path ends above the tree.
        let Some(part) = parts.get(at) else {
            return PathMatch::No;
        };
        let chars: Vec<char> = name.chars().collect();
        if !matches_component(part, &chars) {
            return PathMatch::No;
        }
        if part
            .iter()
            .any(|atom| matches!(atom, WordAtom::Unknown { .. }))
        {
            // The word may contain slashes, so the rest is unknown.
            sure = PathMatch::Perhaps;
            break;
        }
    }
    if exactly && parts.len() != tree.len() {
        PathMatch::No
    } else {
        sure
    }
}

/// Whether a pattern can be `name`.
fn matches_component(pattern: &[WordAtom], name: &[char]) -> bool {
    // Patterns do not match a leading dot.
    let first = matches!(pattern.first(), Some(WordAtom::Star | WordAtom::One));
    if first && name.first() == Some(&'.') {
        return false;
    }
    // The classic: remember the last star and go back to it.
    let (mut at, mut index, mut star) = (0, 0, None);
    while index < name.len() {
        match pattern.get(at) {
            Some(WordAtom::Star | WordAtom::Unknown { .. }) => {
                star = Some((at, index));
                at += 1;
            }
            Some(WordAtom::One) => {
                at += 1;
                index += 1;
            }
            Some(WordAtom::Lit(c) | WordAtom::Brace(c)) if *c == name[index] => {
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
        .all(|atom| matches!(atom, WordAtom::Star | WordAtom::Unknown { .. }))
}
