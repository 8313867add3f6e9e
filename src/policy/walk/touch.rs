//! Which arguments name files, and which of those are written.

use super::super::word::{ShellWord, WordAtom};
use super::ScriptWalk;

/// Programs that write every operand.
const WRITE_ALL: &[&str] = &[
    "chattr", "chgrp", "chmod", "chown", "gunzip", "gzip", "mkdir", "mkfifo", "mknod", "mv",
    "patch", "rm", "rmdir", "setfacl", "shred", "tee", "touch", "truncate", "unlink", "xz",
];

/// Programs that write their last operand.
const WRITE_LAST: &[&str] = &["cp", "install", "link", "ln", "rsync", "scp"];

/// Options whose value is written, by program.
const WRITE_OPTIONS: &[(&str, &[&str])] = &[
    ("cp", &["-t", "--target-directory"]),
    ("curl", &["-o", "--output", "--output-dir", "-D", "-c"]),
    ("find", &["-fprint", "-fprint0", "-fprintf", "-fls"]),
    ("git", &["--output"]),
    ("install", &["-t", "--target-directory"]),
    ("ln", &["-t", "--target-directory"]),
    ("mv", &["-t", "--target-directory"]),
    ("sort", &["-o", "--output"]),
    ("tar", &["-C", "--directory", "-f", "--file"]),
    ("unzip", &["-d"]),
    (
        "wget",
        &["-O", "-P", "--output-document", "--directory-prefix"],
    ),
];

impl ScriptWalk {
    /// Notes every argument as a file that is perhaps read or written.
    pub(super) fn touch_arguments(&mut self, program: &str, argv: &[ShellWord]) {
        let writes_in_place = ["sed", "perl"].contains(&program)
            && argv.iter().any(|word| {
                let prefix = word.known_prefix();
                prefix.starts_with("-i")
                    || prefix.starts_with("--in-place")
                    || prefix.starts_with("-pi")
            });
        let deletes = program == "find" && argv.iter().any(|word| word.known_prefix() == "-delete");
        let all = writes_in_place || deletes || WRITE_ALL.contains(&program);
        let last = WRITE_LAST.contains(&program).then(|| argv.len() - 1);
        let options = WRITE_OPTIONS.iter().find(|(name, _)| *name == program);
        let options = options.map_or(&[][..], |(_, options)| *options);
        // Every argument is recorded as a path. One that is no path lies in no protected tree, so it does no
        // harm.
        for (at, word) in argv.iter().enumerate() {
            let prefix = word.known_prefix();
            let before = argv
                .get(at.wrapping_sub(1))
                .map(ShellWord::known_prefix)
                .unwrap_or_default();
            let is_value = at > 0 && options.contains(&before.as_str());
            let writes = at > 0 && (all || last == Some(at) || is_value);
            // `--output=file` and `of=file` name a file behind the equals sign; `-ofile` below has none.
            if let Some((name, _)) = prefix.split_once('=') {
                let value = word.without_first(name.chars().count() + 1);
                let writes = options.contains(&name) || (program == "dd" && name == "of");
                self.record_touch(program, &value, writes);
            } else if let Some(option) = options.iter().find(|option| {
                option.len() == 2 && prefix.len() > 2 && prefix.starts_with(**option)
            }) {
                self.record_touch(program, &word.without_first(option.len()), true);
            }
            // A lone `-` is standard input or output.
            if !prefix.starts_with('-') && word.0 != [WordAtom::Lit('-')] {
                self.record_touch(program, word, writes);
            }
        }
    }
}
