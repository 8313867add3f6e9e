//! Programs that run programs.

use super::super::word::{ShellWord, WordAtom};
use super::options::{GivenOption, HIDDEN_OPTIONS, OptionGrammar, split_options};
use super::{ScriptWalk, StandardInput};

const SHELLS: &[&str] = &[
    "ash", "bash", "dash", "fish", "ksh", "mksh", "rbash", "sh", "zsh",
];

/// Programs whose operands are a program and its arguments.
const WRAPPERS: &[OptionGrammar] = &[
    // Each entry lists the options that take a value. If one is missing here, its value is taken for the
    // program, and the real program is not judged.
    wrapper_grammar("busybox", "", &[], 0),
    wrapper_grammar("cgexec", "g", &[], 0),
    wrapper_grammar("chroot", "", &["groups", "userspec"], 1),
    wrapper_grammar(
        "chrt",
        "DTP",
        &["sched-deadline", "sched-period", "sched-runtime"],
        1,
    ),
    wrapper_grammar("choom", "np", &["adjust"], 0),
    wrapper_grammar("chronic", "", &[], 0),
    wrapper_grammar("dbus-launch", "", &[], 0),
    wrapper_grammar("dbus-run-session", "", &["config-file", "dbus-daemon"], 0),
    wrapper_grammar("doas", "Cu", &[], 0),
    wrapper_grammar("fakeroot", "bilsu", &["lib", "faked"], 0),
    wrapper_grammar("firejail", "", &[], 0),
    wrapper_grammar("ionice", "cnpPu", &["class", "classdata"], 0),
    wrapper_grammar("linux32", "", &[], 0),
    wrapper_grammar("linux64", "", &[], 0),
    wrapper_grammar("ltrace", "aDeFlnopsSuwx", &[], 0),
    wrapper_grammar("nice", "n", &["adjustment"], 0),
    wrapper_grammar("nohup", "", &[], 0),
    wrapper_grammar("nsenter", "GSt", &["setgid", "setuid", "target"], 0),
    wrapper_grammar(
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
    wrapper_grammar("perf", "", &[], 1),
    wrapper_grammar("pkexec", "u", &["user"], 0),
    wrapper_grammar("proot", "bmrqvw", &[], 0),
    wrapper_grammar("runuser", "gGu", &["group", "supp-group", "user"], 0),
    wrapper_grammar("setarch", "", &[], 1),
    wrapper_grammar(
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
    wrapper_grammar("setsid", "", &[], 0),
    wrapper_grammar("start-stop-daemon", "cdgkNnpPrRsux", &[], 0),
    wrapper_grammar("stdbuf", "eio", &["error", "input", "output"], 0),
    wrapper_grammar("strace", "abeEIoOpPsSuX", &[], 0),
    wrapper_grammar(
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
    wrapper_grammar("taskset", "", &[], 1),
    wrapper_grammar("time", "fo", &["format", "output"], 0),
    wrapper_grammar("timeout", "ks", &["kill-after", "signal"], 1),
    wrapper_grammar("toybox", "", &[], 0),
    wrapper_grammar("unbuffer", "", &[], 0),
    wrapper_grammar("unshare", "GRSw", &["root", "setgid", "setuid", "wd"], 0),
    wrapper_grammar("valgrind", "", &[], 0),
    wrapper_grammar("winpty", "", &[], 0),
    wrapper_grammar(
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

const fn wrapper_grammar(
    name: &'static str,
    short: &'static str,
    long: &'static [&'static str],
    operands: usize,
) -> OptionGrammar {
    OptionGrammar {
        name,
        short,
        long,
        operands,
    }
}

impl ScriptWalk {
    /// Visits what `program` runs because of its arguments.
    pub(super) fn run_runner(
        &mut self,
        program: &str,
        argv: &[ShellWord],
        input: Option<&StandardInput>,
    ) {
        if SHELLS.contains(&program) {
            self.run_shell(argv, input);
        } else if program.starts_with("ld-linux")
            || program.starts_with("ld-musl")
            || program == "ld.so"
        {
            // The dynamic loader runs the program that is its first operand.
            self.run_wrapped(
                argv,
                &wrapper_grammar(
                    "ld.so",
                    "",
                    &["argv0", "audit", "library-path", "preload"],
                    0,
                ),
                input,
            );
        } else if let Some(grammar) = WRAPPERS.iter().find(|grammar| grammar.name == program) {
            self.run_wrapped(argv, grammar, input);
        } else {
            match program {
                "env" => self.run_env(argv, input),
                "xargs" => self.run_xargs(argv),
                "find" => self.run_find(argv),
                "parallel" => self.run_parallel(argv),
                "watch" | "su" | "script" | "flock" => self.run_interpreter(program, argv, input),
                "tar" | "rsync" | "git" | "split" | "sort" | "ssh" | "scp" | "man" => {
                    self.run_option_commands(program, argv);
                }
                // Editors can run commands from their scripts and macros, which are not read here.
                "vi" | "vim" | "nvim" | "ed" | "ex" | "emacs" | "sed" => self.run_unknown_program(),
                _ => {}
            }
        }
    }

    fn run_wrapped(
        &mut self,
        argv: &[ShellWord],
        grammar: &OptionGrammar,
        input: Option<&StandardInput>,
    ) {
        let Some((_, at)) = split_options(argv, grammar.short, grammar.long) else {
            return self.add_doubt(HIDDEN_OPTIONS);
        };
        let operands = argv.get(at..at + grammar.operands).unwrap_or_default();
        // `timeout $limit program`: the unknown word may become several, so the program cannot be located.
        if operands.iter().any(ShellWord::may_split) {
            return self.add_doubt(HIDDEN_OPTIONS);
        }
        self.run_program(argv.get(at + grammar.operands..).unwrap_or_default(), input);
    }

    fn run_shell(&mut self, argv: &[ShellWord], input: Option<&StandardInput>) {
        // `+o` ends options as an operand would.
        let mut argv = argv.to_vec();
        for word in argv.iter_mut().skip(1) {
            match word.0.first_mut() {
                Some(first @ WordAtom::Lit('+')) => *first = WordAtom::Lit('-'),
                Some(WordAtom::Lit('-')) => {}
                _ => break,
            }
        }
        let Some((given, at)) = split_options(&argv, "oO", &["init-file", "rcfile"]) else {
            return self.add_doubt("a shell with options that are known only at run time");
        };
        let has = |name: &str| given.iter().any(|option| option.name == name);
        // The shell prints and ends before it reads a script.
        if has("version") || has("help") {
            return;
        }
        // With `-s`, the script is standard input and operands are its parameters; `-c` has precedence over
        // `-s`.
        let Some(operand) = argv.get(at).filter(|_| !has("s") || has("c")) else {
            return self.run_shell_input(input);
        };
        if has("c") {
            return match operand.literal_text() {
                Some(script) => self.visit_subscript(&script),
                None => self.add_doubt("a shell runs text that is known only at run time"),
            };
        }
        let path = operand.known_prefix();
        if operand.is_opaque()
            || path == "-"
            || path.starts_with("/dev/")
            || path.starts_with("/proc/")
        {
            return self.run_shell_input(input);
        }
        self.run_unknown_program();
    }

    fn run_shell_input(&mut self, input: Option<&StandardInput>) {
        match input {
            Some(StandardInput::Text(text)) => self.run_joined_words(std::slice::from_ref(text)),
            Some(StandardInput::File(file))
                if !file.is_opaque() && !file.known_prefix().starts_with("/dev/") =>
            {
                self.run_unknown_program();
            }
            _ => self.add_doubt("a shell runs text that is not on the command line"),
        }
    }

    fn run_env(&mut self, argv: &[ShellWord], input: Option<&StandardInput>) {
        let long = ["argv0", "chdir", "split-string", "unset"];
        let Some((given, at)) = split_options(argv, "aCSu", &long) else {
            return self.add_doubt(HIDDEN_OPTIONS);
        };
        let mut rest = argv.get(at..).unwrap_or_default().to_vec();
        while let Some(word) = rest.first() {
            let text = word.display_text();
            let Some((name, _)) = text.split_once('=') else {
                break;
            };
            let (name, skip) = (name.to_owned(), name.chars().count() + 1);
            let value = word.without_first(skip);
            self.assign_variable(&name, &value);
            rest.remove(0);
        }
        // `env -C folder` moves only the program that env starts, so the folders are restored at the end.
        let before = self.places.clone();
        for option in &given {
            let value = option.value.clone().unwrap_or_default();
            match option.name.as_str() {
                "S" | "split-string" => match value.literal_text() {
                    // The text is split into words roughly as a shell does.
                    Some(text) => {
                        let words = text
                            .split_whitespace()
                            .map(|word| word.trim_matches(['\'', '"']));
                        let mut argv: Vec<_> = vec![ShellWord::from_literal("env")];
                        argv.extend(words.map(ShellWord::from_literal));
                        argv.append(&mut rest);
                        self.run_program(&argv, input);
                    }
                    None => self.add_doubt("`env -S` of text that is known only at run time"),
                },
                "C" | "chdir" => {
                    if let Some(folder) = value.literal_text() {
                        self.places = self.folders_inside(&folder);
                    }
                }
                _ => {}
            }
        }
        // `-S` has taken all words of `rest`, and then this runs nothing.
        self.run_program(&rest, input);
        self.places = before;
    }

    fn run_interpreter(
        &mut self,
        program: &str,
        argv: &[ShellWord],
        input: Option<&StandardInput>,
    ) {
        let (short, long): (&str, &[&str]) = match program {
            "watch" => ("nq", &["interval"]),
            "flock" => ("cEw", &["command", "conflict-exit-code", "timeout", "wait"]),
            _ => ("cgGIOBTmEosw", &["command", "shell", "group"]),
        };
        let Some((given, at)) = split_options(argv, short, long) else {
            return self.add_doubt(HIDDEN_OPTIONS);
        };
        let is_script = |option: &&GivenOption| ["c", "command"].contains(&option.name.as_str());
        if let Some(script) = given.iter().find(is_script) {
            return self.run_joined_words(script.value.as_slice());
        }
        let rest = argv.get(at..).unwrap_or_default();
        match program {
            "watch" => self.run_joined_words(rest),
            // `flock file -c script`
            "flock" if rest.get(1).is_some_and(|word| word.known_prefix() == "-c") => {
                self.run_joined_words(rest.get(2..3).unwrap_or_default());
            }
            "flock" => self.run_program(rest.get(1..).unwrap_or_default(), input),
            _ => {}
        }
    }
}
