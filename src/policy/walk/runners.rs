//! Programs that run programs.

use super::super::word::{Atom, Word};
use super::options::{Given, Grammar, split};
use super::{Input, Walk};

const SHELLS: &[&str] = &[
    "ash", "bash", "dash", "fish", "ksh", "mksh", "rbash", "sh", "zsh",
];

/// Programs whose operands are a program and its arguments.
const WRAPPERS: &[Grammar] = &[
    wrapper("busybox", "", &[], 0),
    wrapper("cgexec", "g", &[], 0),
    wrapper("chroot", "", &["groups", "userspec"], 1),
    wrapper(
        "chrt",
        "DTP",
        &["sched-deadline", "sched-period", "sched-runtime"],
        1,
    ),
    wrapper("choom", "np", &["adjust"], 0),
    wrapper("chronic", "", &[], 0),
    wrapper("dbus-launch", "", &[], 0),
    wrapper("dbus-run-session", "", &["config-file", "dbus-daemon"], 0),
    wrapper("doas", "Cu", &[], 0),
    wrapper("fakeroot", "bilsu", &["lib", "faked"], 0),
    wrapper("firejail", "", &[], 0),
    wrapper("ionice", "cnpPu", &["class", "classdata"], 0),
    wrapper("linux32", "", &[], 0),
    wrapper("linux64", "", &[], 0),
    wrapper("ltrace", "aDeFlnopsSuwx", &[], 0),
    wrapper("nice", "n", &["adjustment"], 0),
    wrapper("nohup", "", &[], 0),
    wrapper("nsenter", "GSt", &["setgid", "setuid", "target"], 0),
    wrapper(
        "numactl",
        "CNimp",
        &[
            "cpunodebind",
            "interleave",
            "membind",
            "physcpubind",
            "preferred",
        ],
        0,
    ),
    wrapper("perf", "", &[], 1),
    wrapper("pkexec", "u", &["user"], 0),
    wrapper("proot", "bmrqvw", &[], 0),
    wrapper("runuser", "gGu", &["group", "supp-group", "user"], 0),
    wrapper("setarch", "", &[], 1),
    wrapper(
        "setpriv",
        "",
        &[
            "ambient-caps",
            "bounding-set",
            "egid",
            "euid",
            "groups",
            "inh-caps",
            "pdeathsig",
            "regid",
            "reuid",
            "rgid",
            "ruid",
            "securebits",
        ],
        0,
    ),
    wrapper("setsid", "", &[], 0),
    wrapper("start-stop-daemon", "cdgkNnpPrRsux", &[], 0),
    wrapper("stdbuf", "eio", &["error", "input", "output"], 0),
    wrapper("strace", "abeEIoOpPsSuX", &[], 0),
    wrapper(
        "sudo",
        "CDghpRrTtUu",
        &[
            "chdir",
            "chroot",
            "close-from",
            "group",
            "host",
            "other-user",
            "prompt",
            "role",
            "type",
            "user",
        ],
        0,
    ),
    wrapper("taskset", "", &[], 1),
    wrapper("time", "fo", &["format", "output"], 0),
    wrapper("timeout", "ks", &["kill-after", "signal"], 1),
    wrapper("toybox", "", &[], 0),
    wrapper("unbuffer", "", &[], 0),
    wrapper("unshare", "GRSw", &["root", "setgid", "setuid", "wd"], 0),
    wrapper("valgrind", "", &[], 0),
    wrapper("winpty", "", &[], 0),
    wrapper(
        "xvfb-run",
        "enfpsw",
        &[
            "auth-file",
            "error-file",
            "server-args",
            "server-num",
            "wait",
        ],
        0,
    ),
];

const fn wrapper(
    name: &'static str,
    short: &'static str,
    long: &'static [&'static str],
    operands: usize,
) -> Grammar {
    Grammar {
        name,
        short,
        long,
        operands,
    }
}

const HIDDEN_OPTIONS: &str = "options that are known only at run time";

impl Walk {
    /// Visits what `program` runs because of its arguments.
    pub(super) fn runner(&mut self, program: &str, argv: &[Word], input: Option<&Input>) {
        if SHELLS.contains(&program) {
            self.shell(argv, input);
        } else if program.starts_with("ld-linux")
            || program.starts_with("ld-musl")
            || program == "ld.so"
        {
            self.wrapped(
                argv,
                &wrapper(
                    "ld.so",
                    "",
                    &["argv0", "audit", "library-path", "preload"],
                    0,
                ),
                input,
            );
        } else if let Some(grammar) = WRAPPERS.iter().find(|grammar| grammar.name == program) {
            self.wrapped(argv, grammar, input);
        } else {
            match program {
                "env" => self.env(argv, input),
                "xargs" => self.xargs(argv),
                "find" => self.find(argv),
                "parallel" => self.parallel(argv),
                "watch" | "su" | "script" | "flock" => self.scripted(program, argv, input),
                "tar" | "rsync" | "git" | "split" | "sort" | "ssh" | "scp" | "man" => {
                    self.option_commands(program, argv);
                }
                "vi" | "vim" | "nvim" | "ed" | "ex" | "emacs" | "sed" => self.opaque(),
                _ => {}
            }
        }
    }

    fn wrapped(&mut self, argv: &[Word], grammar: &Grammar, input: Option<&Input>) {
        let Some((_, at)) = split(argv, grammar.short, grammar.long) else {
            return self.doubt(HIDDEN_OPTIONS);
        };
        let operands = argv.get(at..at + grammar.operands).unwrap_or_default();
        if operands.iter().any(Word::may_split) {
            return self.doubt(HIDDEN_OPTIONS);
        }
        self.run(argv.get(at + grammar.operands..).unwrap_or_default(), input);
    }

    fn shell(&mut self, argv: &[Word], input: Option<&Input>) {
        // `+o` ends options as an operand would.
        let mut argv = argv.to_vec();
        for word in argv.iter_mut().skip(1) {
            match word.0.first_mut() {
                Some(first @ Atom::Lit('+')) => *first = Atom::Lit('-'),
                Some(Atom::Lit('-')) => {}
                _ => break,
            }
        }
        let Some((given, at)) = split(&argv, "oO", &["init-file", "rcfile"]) else {
            return self.doubt("a shell with options that are known only at run time");
        };
        let has = |name: &str| given.iter().any(|option| option.name == name);
        if has("version") || has("help") {
            return;
        }
        let Some(operand) = argv.get(at).filter(|_| !has("s") || has("c")) else {
            return self.shell_input(input);
        };
        if has("c") {
            return match operand.literal() {
                Some(script) => self.subscript(&script),
                None => self.doubt("a shell runs text that is known only at run time"),
            };
        }
        let path = operand.prefix();
        if operand.is_opaque()
            || path == "-"
            || path.starts_with("/dev/")
            || path.starts_with("/proc/")
        {
            return self.shell_input(input);
        }
        self.opaque();
    }

    fn shell_input(&mut self, input: Option<&Input>) {
        match input {
            Some(Input::Text(text)) => self.joined(std::slice::from_ref(text)),
            Some(Input::File(file)) if !file.is_opaque() && !file.prefix().starts_with("/dev/") => {
                self.opaque();
            }
            _ => self.doubt("a shell runs text that is not on the command line"),
        }
    }

    fn env(&mut self, argv: &[Word], input: Option<&Input>) {
        let long = ["argv0", "chdir", "split-string", "unset"];
        let Some((given, at)) = split(argv, "aCSu", &long) else {
            return self.doubt(HIDDEN_OPTIONS);
        };
        let mut rest = argv.get(at..).unwrap_or_default().to_vec();
        while let Some(word) = rest.first() {
            let text = word.display();
            let Some((name, _)) = text.split_once('=') else {
                break;
            };
            let (name, skip) = (name.to_owned(), name.chars().count() + 1);
            let value = word.tail(skip);
            self.variable(&name, &value);
            rest.remove(0);
        }
        let before = self.places.clone();
        for option in &given {
            let value = option.value.clone().unwrap_or_default();
            match option.name.as_str() {
                "S" | "split-string" => match value.literal() {
                    // The text is split into words roughly as a shell does.
                    Some(text) => {
                        let words = text
                            .split_whitespace()
                            .map(|word| word.trim_matches(['\'', '"']));
                        let mut argv: Vec<_> = vec![Word::of("env")];
                        argv.extend(words.map(Word::of));
                        argv.append(&mut rest);
                        self.run(&argv, input);
                    }
                    None => self.doubt("`env -S` of text that is known only at run time"),
                },
                "C" | "chdir" => {
                    if let Some(folder) = value.literal() {
                        self.places = self.inside(&folder);
                    }
                }
                _ => {}
            }
        }
        self.run(&rest, input);
        self.places = before;
    }

    fn xargs(&mut self, argv: &[Word]) {
        let long = [
            "arg-file",
            "delimiter",
            "max-args",
            "max-chars",
            "max-lines",
            "max-procs",
            "process-slot-var",
        ];
        let Some((given, at)) = split(argv, "adEILnPs", &long) else {
            return self.doubt(HIDDEN_OPTIONS);
        };
        let replaces = |option: &Given| match option.name.as_str() {
            "I" | "replace" => Some(
                option
                    .value
                    .as_ref()
                    .and_then(Word::literal)
                    .unwrap_or("{}".to_owned()),
            ),
            "i" => Some("{}".to_owned()),
            _ => None,
        };
        let mark = given.iter().find_map(replaces);
        let mut inner = argv.get(at..).unwrap_or_default().to_vec();
        if inner.is_empty() {
            return;
        }
        match mark {
            Some(mark) => replace(&mut inner, &mark),
            None => inner.push(Word::unknown(true)),
        }
        self.run(&inner, Some(&Input::Hidden));
    }

    fn find(&mut self, argv: &[Word]) {
        let mut at = 1;
        while let Some(word) = argv.get(at) {
            at += 1;
            let text = word.literal().unwrap_or_default();
            if !["-exec", "-execdir", "-ok", "-okdir"].contains(&text.as_str()) {
                if word.may_split() && word.is_opaque() && argv.len() > at {
                    self.doubt("`find` with an expression that is known only at run time");
                }
                continue;
            }
            let ends =
                |word: &Word| [";", "+"].contains(&word.literal().unwrap_or_default().as_str());
            let length = argv[at..].iter().position(ends).unwrap_or(argv.len() - at);
            let mut inner = argv[at..at + length].to_vec();
            replace(&mut inner, "{}");
            self.run(&inner, Some(&Input::Hidden));
            at += length;
        }
    }

    fn parallel(&mut self, argv: &[Word]) {
        let Some((_, at)) = split(
            argv,
            "aCDEIjLnNPsSTX",
            &["jobs", "arg-file", "delay", "joblog", "timeout"],
        ) else {
            return self.doubt(HIDDEN_OPTIONS);
        };
        let source = |word: &Word| word.prefix().starts_with(":::");
        let rest = argv.get(at..).unwrap_or_default();
        let end = rest.iter().position(source).unwrap_or(rest.len());
        if end == 0 {
            return self.doubt("`parallel` runs commands that it reads");
        }
        let mut inner = rest[..end].to_vec();
        replace(&mut inner, "{}");
        inner.push(Word::unknown(false));
        // One word may be a whole command line.
        match inner[0].literal() {
            Some(text) if text.contains(char::is_whitespace) => self.subscript(&text),
            _ => self.run(&inner, Some(&Input::Hidden)),
        }
    }

    fn scripted(&mut self, program: &str, argv: &[Word], input: Option<&Input>) {
        let (short, long): (&str, &[&str]) = match program {
            "watch" => ("nq", &["interval"]),
            "flock" => ("cEw", &["command", "conflict-exit-code", "timeout", "wait"]),
            _ => ("cgGIOBTmEosw", &["command", "shell", "group"]),
        };
        let Some((given, at)) = split(argv, short, long) else {
            return self.doubt(HIDDEN_OPTIONS);
        };
        let is_script = |option: &&Given| ["c", "command"].contains(&option.name.as_str());
        if let Some(script) = given.iter().find(is_script) {
            return self.joined(script.value.as_slice());
        }
        let rest = argv.get(at..).unwrap_or_default();
        match program {
            "watch" => self.joined(rest),
            // `flock file -c script`
            "flock" if rest.get(1).is_some_and(|word| word.prefix() == "-c") => {
                self.joined(rest.get(2..3).unwrap_or_default());
            }
            "flock" => self.run(rest.get(1..).unwrap_or_default(), input),
            _ => {}
        }
    }
}

/// Makes words that contain `mark` unknown.
fn replace(words: &mut [Word], mark: &str) {
    for word in words {
        if word.display().contains(mark) {
            let text = word.display();
            let mut atoms = Vec::new();
            for (at, part) in text.split(mark).enumerate() {
                if at > 0 {
                    atoms.push(Atom::Unknown { splits: false });
                }
                atoms.extend(Word::of(part).0);
            }
            *word = Word(atoms);
        }
    }
}
