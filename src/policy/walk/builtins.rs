//! Builtins of the shell that run text, change the folder or set variables.

use super::super::path;
use super::super::plan::Places;
use super::super::word::Word;
use super::options::split;
use super::{Input, Walk};

impl Walk {
    /// Visits what a builtin runs; `false` if `program` is none of these.
    pub(super) fn builtin(&mut self, program: &str, argv: &[Word], input: Option<&Input>) -> bool {
        match program {
            "eval" => match argv[1..]
                .iter()
                .map(Word::literal)
                .collect::<Option<Vec<_>>>()
            {
                Some(words) => self.script(&words.join(" ")),
                None => self.doubt("`eval` of text that is known only at run time"),
            },
            "trap" => {
                let action = argv
                    .iter()
                    .skip(1)
                    .find(|word| word.literal().as_deref() != Some("--"));
                match action.map(|word| (word, word.prefix())) {
                    Some((word, prefix)) if !prefix.starts_with('-') => {
                        self.joined(std::slice::from_ref(word));
                    }
                    _ => {}
                }
            }
            "alias" => {
                for word in &argv[1..] {
                    if let Some(at) = word.display().chars().position(|c| c == '=') {
                        self.joined(&[word.tail(at + 1)]);
                    }
                }
            }
            "source" | "." => self.source(argv.get(1)),
            "cd" | "pushd" => self.change_folder(argv),
            "popd" => self.places = self.seen.clone(),
            "command" | "builtin" | "exec" => self.direct(argv, input),
            "hash" => {
                if argv.get(1).and_then(Word::literal).as_deref() == Some("-p") {
                    self.run(&argv[2..], None);
                }
            }
            "read" | "mapfile" | "readarray" | "getopts" | "compgen" | "complete" | "printf"
            | "unset" => {
                for name in argv[1..].iter().filter_map(Word::literal) {
                    self.scope.assign(&name, None);
                }
                let callback = |word: &Word| word.literal().as_deref() == Some("-C");
                if let Some(at) = argv.iter().position(callback) {
                    self.joined(argv.get(at + 1..at + 2).unwrap_or_default());
                }
            }
            _ => return false,
        }
        true
    }

    fn direct(&mut self, argv: &[Word], input: Option<&Input>) {
        let Some((given, at)) = split(argv, "a", &[]) else {
            self.doubt("options that are known only at run time");
            return;
        };
        // `command -v sudo` only looks the name up.
        let looks = given
            .iter()
            .any(|option| ["v", "V"].contains(&option.name.as_str()));
        if !(looks && argv[0].literal().as_deref() == Some("command")) {
            self.run(&argv[at..], input);
        }
    }

    fn source(&mut self, file: Option<&Word>) {
        match file.map(|file| (file.is_opaque(), file.prefix())) {
            Some((false, path)) if !path.starts_with("/dev/") && !path.starts_with("/proc/") => {
                self.opaque();
            }
            _ => self.doubt("a script that is known only at run time"),
        }
        for value in self.scope.variables.values_mut() {
            *value = None;
        }
    }

    fn change_folder(&mut self, argv: &[Word]) {
        let target = argv[1..].iter().find(|word| {
            let prefix = word.prefix();
            prefix == "-" || !prefix.starts_with('-')
        });
        let home = self.scope.home.clone();
        let places = match target.map(|word| (word.literal(), word)) {
            None => Places::at(&home),
            Some((Some(back), _)) if back == "-" => self.seen.clone(),
            Some((Some(folder), _)) => self.inside(&folder),
            Some((None, _)) => Places {
                unknown: true,
                ..Places::default()
            },
        };
        self.seen.merge(&places);
        self.places = places;
    }

    /// The folders that `folder` can mean here.
    pub(super) fn inside(&self, folder: &str) -> Places {
        if folder.starts_with('/') {
            return Places::at(&path::resolve("/", folder));
        }
        let known = self.places.known.iter();
        Places {
            known: known.map(|place| path::resolve(place, folder)).collect(),
            unknown: self.places.unknown,
        }
    }
}
