//! Programs that run a command once for each of many arguments: `xargs`, `find`, `parallel`.

use super::options::{GivenOption, HIDDEN_OPTIONS, split_options};
use super::{ScriptWalk, StandardInput};
use crate::policy::word::{ShellWord, WordAtom};

impl ScriptWalk {
    pub(super) fn run_xargs(&mut self, argv: &[ShellWord]) {
        let long = [
            "arg-file",
            "delimiter",
            "max-args",
            "max-chars",
            "max-lines",
            "max-procs",
            "process-slot-var",
        ];
        let Some((given, at)) = split_options(argv, "adEILnPs", &long) else {
            return self.add_doubt(HIDDEN_OPTIONS);
        };
        let replaces = |option: &GivenOption| match option.name.as_str() {
            "I" | "replace" => Some(
                option
                    .value
                    .as_ref()
                    .and_then(ShellWord::literal_text)
                    .unwrap_or("{}".to_owned()),
            ),
            "i" => Some("{}".to_owned()),
            _ => None,
        };
        let mark = given.iter().find_map(replaces);
        let mut inner = argv.get(at..).unwrap_or_default().to_vec();
        // Without a command, xargs runs `echo`.
        if inner.is_empty() {
            return;
        }
        match mark {
            Some(mark) => replace_mark(&mut inner, &mark),
            // xargs appends the words that it reads, and these are not on the command line.
            None => inner.push(ShellWord::unknown_word(true)),
        }
        self.run_program(&inner, Some(&StandardInput::Hidden));
    }

    pub(super) fn run_find(&mut self, argv: &[ShellWord]) {
        let mut at = 1;
        while let Some(word) = argv.get(at) {
            at += 1;
            let text = word.literal_text().unwrap_or_default();
            if !["-exec", "-execdir", "-ok", "-okdir"].contains(&text.as_str()) {
                // An unknown word may expand to `-exec`, which would make a command of the words after it.
                if word.may_split() && word.is_opaque() && argv.len() > at {
                    self.add_doubt("`find` with an expression that is known only at run time");
                }
                continue;
            }
            let ends = |word: &ShellWord| {
                [";", "+"].contains(&word.literal_text().unwrap_or_default().as_str())
            };
            // find refuses an `-exec` without `;` or `+`, but its words are judged anyway.
            let length = argv[at..].iter().position(ends).unwrap_or(argv.len() - at);
            let mut inner = argv[at..at + length].to_vec();
            replace_mark(&mut inner, "{}");
            self.run_program(&inner, Some(&StandardInput::Hidden));
            at += length;
        }
    }

    pub(super) fn run_parallel(&mut self, argv: &[ShellWord]) {
        let Some((_, at)) = split_options(
            argv,
            "aCDEIjLnNPsSTX",
            &["jobs", "arg-file", "delay", "joblog", "timeout"],
        ) else {
            return self.add_doubt(HIDDEN_OPTIONS);
        };
        let source = |word: &ShellWord| word.known_prefix().starts_with(":::");
        let rest = argv.get(at..).unwrap_or_default();
        let end = rest.iter().position(source).unwrap_or(rest.len());
        if end == 0 {
            return self.add_doubt("`parallel` runs commands that it reads");
        }
        let mut inner = rest[..end].to_vec();
        replace_mark(&mut inner, "{}");
        // parallel appends one value of its sources to the command.
        inner.push(ShellWord::unknown_word(false));
        // One word may be a whole command line.
        match inner[0].literal_text() {
            Some(text) if text.contains(char::is_whitespace) => self.visit_subscript(&text),
            _ => self.run_program(&inner, Some(&StandardInput::Hidden)),
        }
    }
}

/// Makes words that contain `mark` unknown.
fn replace_mark(words: &mut [ShellWord], mark: &str) {
    for word in words {
        if word.display_text().contains(mark) {
            let text = word.display_text();
            let mut atoms = Vec::new();
            for (at, part) in text.split(mark).enumerate() {
                if at > 0 {
                    atoms.push(WordAtom::Unknown { splits: false });
                }
                atoms.extend(ShellWord::from_literal(part).0);
            }
            *word = ShellWord(atoms);
        }
    }
}
