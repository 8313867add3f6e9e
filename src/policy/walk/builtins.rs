//! Builtins of the shell that run text, change the folder or set variables.

use super::super::path;
use super::super::plan::PossibleFolders;
use super::super::word::ShellWord;
use super::options::split_options;
use super::{ScriptWalk, StandardInput};

impl ScriptWalk {
    /// Visits what a builtin runs. Returns false if `program` is not one of these builtins.
    pub(super) fn run_builtin(
        &mut self,
        program: &str,
        argv: &[ShellWord],
        input: Option<&StandardInput>,
    ) -> bool {
        match program {
            // eval joins its words and runs them in this shell, so they can change our folder and variables:
            // this is a script of ours, not a subscript.
            "eval" => match argv[1..]
                .iter()
                .map(ShellWord::literal_text)
                .collect::<Option<Vec<_>>>()
            {
                Some(words) => self.visit_script(&words.join(" ")),
                None => self.add_doubt("`eval` of text that is known only at run time"),
            },
            "trap" => {
                let action = argv
                    .iter()
                    .skip(1)
                    .find(|word| word.literal_text().as_deref() != Some("--"));
                match action.map(|word| (word, word.known_prefix())) {
                    // `trap -p` and `trap -l` only print. Otherwise the first operand is a script.
                    Some((word, prefix)) if !prefix.starts_with('-') => {
                        self.run_joined_words(std::slice::from_ref(word));
                    }
                    _ => {}
                }
            }
            "alias" => {
                for word in &argv[1..] {
                    if let Some(at) = word.display_text().chars().position(|c| c == '=') {
                        self.run_joined_words(&[word.without_first(at + 1)]);
                    }
                }
            }
            "source" | "." => self.run_sourced(argv.get(1)),
            "cd" | "pushd" => self.change_folder(argv),
            // The stack of folders is not followed: popd may lead to any folder that the script has been in.
            "popd" => self.places = self.seen.clone(),
            "command" | "builtin" | "exec" => self.run_directly(argv, input),
            // `hash -p path name` makes `name` run the program at `path`, so that path is judged as if it ran
            // here.
            "hash" => {
                if argv.get(1).and_then(ShellWord::literal_text).as_deref() == Some("-p") {
                    self.run_program(&argv[2..], None);
                }
            }
            // These assign to variables by name (`printf -v name`), so such a value is not known from here
            // on.
            "read" | "mapfile" | "readarray" | "getopts" | "compgen" | "complete" | "printf"
            | "unset" => {
                for name in argv[1..].iter().filter_map(ShellWord::literal_text) {
                    self.scope.assign_value(&name, None);
                }
                let callback = |word: &ShellWord| word.literal_text().as_deref() == Some("-C");
                if let Some(at) = argv.iter().position(callback) {
                    self.run_joined_words(argv.get(at + 1..at + 2).unwrap_or_default());
                }
            }
            _ => return false,
        }
        true
    }

    fn run_directly(&mut self, argv: &[ShellWord], input: Option<&StandardInput>) {
        let Some((given, at)) = split_options(argv, "a", &[]) else {
            self.add_doubt("options that are known only at run time");
            return;
        };
        // `command -v sudo` only looks the name up.
        let looks = given
            .iter()
            .any(|option| ["v", "V"].contains(&option.name.as_str()));
        if !(looks && argv[0].literal_text().as_deref() == Some("command")) {
            self.run_program(&argv[at..], input);
        }
    }

    fn run_sourced(&mut self, file: Option<&ShellWord>) {
        match file.map(|file| (file.is_opaque(), file.known_prefix())) {
            // `/dev/stdin` and `/proc/self/fd/0` are no files: their text comes from elsewhere.
            Some((false, path)) if !path.starts_with("/dev/") && !path.starts_with("/proc/") => {
                self.run_unknown_program();
            }
            _ => self.add_doubt("a script that is known only at run time"),
        }
        // The file may have assigned any variable.
        for value in self.scope.variables.values_mut() {
            *value = None;
        }
    }

    fn change_folder(&mut self, argv: &[ShellWord]) {
        let target = argv[1..].iter().find(|word| {
            let prefix = word.known_prefix();
            // A lone `-` is a target: the folder before.
            prefix == "-" || !prefix.starts_with('-')
        });
        let home = self.scope.home.clone();
        let places = match target.map(|word| (word.literal_text(), word)) {
            None => PossibleFolders::only(&home),
            Some((Some(back), _)) if back == "-" => self.seen.clone(),
            Some((Some(folder), _)) => self.folders_inside(&folder),
            Some((None, _)) => PossibleFolders {
                unknown: true,
                ..PossibleFolders::default()
            },
        };
        self.seen.merge_with(&places);
        self.places = places;
    }

    /// The folders that `folder` can mean here.
    pub(super) fn folders_inside(&self, folder: &str) -> PossibleFolders {
        if folder.starts_with('/') {
            return PossibleFolders::only(&path::resolve_path("/", folder));
        }
        let known = self.places.known.iter();
        PossibleFolders {
            known: known
                .map(|place| path::resolve_path(place, folder))
                .collect(),
            unknown: self.places.unknown,
        }
    }
}
