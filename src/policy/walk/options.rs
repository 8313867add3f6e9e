//! The options in front of what a program runs.

use super::super::word::ShellWord;

/// Why a command is unclear whose options are not written down.
pub(super) const HIDDEN_OPTIONS: &str = "options that are known only at run time";

/// How a program writes its options.
#[derive(Clone, Copy, Debug)]
pub(super) struct OptionGrammar {
    pub(super) name: &'static str,
    /// Letters that take a value.
    pub(super) short: &'static str,
    /// Long names that take a value, without the dashes.
    pub(super) long: &'static [&'static str],
    /// Operands before the program.
    pub(super) operands: usize,
}

/// An option as it stands on the command line.
#[derive(Clone, Debug)]
pub(super) struct GivenOption {
    /// A letter or a long name.
    pub(super) name: String,
    pub(super) value: Option<ShellWord>,
}

/// The options of `argv` and where the operands begin; `None` if that is uncertain.
pub(super) fn split_options(
    argv: &[ShellWord],
    short: &str,
    long: &[&str],
) -> Option<(Vec<GivenOption>, usize)> {
    let mut given = Vec::new();
    let mut at = 1;
    while let Some(word) = argv.get(at) {
        let prefix = word.known_prefix();
        // An unknown unquoted word may become options or nothing at all, so the operands cannot be located.
        if prefix.is_empty() && !word.0.is_empty() && word.may_split() {
            return None;
        }
        if !prefix.starts_with('-') || prefix.len() == 1 {
            // An operand, `-` among them.
            break;
        }
        at += 1;
        if word.literal_text().as_deref() == Some("--") {
            break;
        }
        if let Some(name) = prefix.strip_prefix("--") {
            if let Some((name, _)) = name.split_once('=') {
                given.push(GivenOption {
                    name: name.to_owned(),
                    value: Some(word.without_first(name.chars().count() + 3)),
                });
            } else {
                let value = long
                    .contains(&name)
                    .then(|| argv.get(at).cloned())
                    .flatten();
                at += usize::from(value.is_some());
                given.push(GivenOption {
                    name: name.to_owned(),
                    value,
                });
            }
            continue;
        }
        let letters: Vec<char> = prefix.chars().skip(1).collect();
        // Letters may share one dash. One that takes a value takes the rest of the word or, if there is none,
        // the next word (POSIX utility syntax guidelines 5 to 7).
        for (index, letter) in letters.iter().enumerate() {
            let takes = short.contains(*letter);
            let rest = word.without_first(index + 2);
            let value = match (takes, rest.0.is_empty()) {
                (false, _) => None,
                (true, false) => Some(rest),
                (true, true) => {
                    at += 1;
                    argv.get(at - 1).cloned()
                }
            };
            given.push(GivenOption {
                name: letter.to_string(),
                value,
            });
            if takes {
                break;
            }
        }
    }
    Some((given, at.min(argv.len())))
}
