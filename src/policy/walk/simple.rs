//! A simple command: assignments, redirections, words; then the program, unwrapped.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem, SimpleCommand,
};

use super::super::plan::Planned;
use super::super::word::Word;
use super::{Input, Walk};

/// The most commands that are judged in one script.
const COMMANDS_MAX: usize = 1024;

/// Variables whose value a shell or the loader runs or loads.
const HOOKS: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "LD_AUDIT",
    "LD_PRELOAD",
    "PROMPT_COMMAND",
    "PS0",
    "PS4",
    "SHELLOPTS",
    "BASHOPTS",
];

/// Variables whose value other programs run as a command.
const COMMAND_VARIABLES: &[&str] = &[
    "BROWSER",
    "EDITOR",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "LESSOPEN",
    "MANPAGER",
    "PAGER",
    "SUDO_ASKPASS",
    "SSH_ASKPASS",
    "VISUAL",
];

/// Builtins whose operands are assignments or arithmetic.
const EVALUATING: &[&str] = &[
    "[", "declare", "export", "let", "local", "mapfile", "printf", "read", "readonly", "test",
    "typeset", "unset", "wait",
];

/// Builtins that assign.
const DECLARING: &[&str] = &["declare", "export", "local", "readonly", "typeset"];

/// Programs that do what a file or their own code says.
const OPAQUE: &[&str] = &[
    "ant", "at", "awk", "batch", "bun", "cargo", "cmake", "crontab", "deno", "docker", "gawk",
    "gdb", "go", "gradle", "gradlew", "just", "kubectl", "lua", "make", "mawk", "mvn", "ninja",
    "node", "npm", "npx", "perl", "php", "pip", "pnpm", "podman", "poetry", "python", "python2",
    "python3", "ruby", "ssh", "tclsh", "tox", "uv", "yarn",
];

impl Walk {
    pub(super) fn simple(&mut self, command: &SimpleCommand) {
        let mut argv = Vec::new();
        let mut input = None;
        let alone = command.word_or_name.is_none();
        for item in command.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, alone, &mut argv, &mut input);
        }
        // Words before the program are not its arguments.
        argv.clear();
        if let Some(name) = &command.word_or_name {
            argv.extend(self.read(name).braces());
        }
        let name = argv.first().and_then(Word::literal).unwrap_or_default();
        let declares = DECLARING.contains(&name.as_str());
        for item in command.suffix.iter().flat_map(|suffix| &suffix.0) {
            match item {
                CommandPrefixOrSuffixItem::AssignmentWord(assignment, word)
                    if !declares && matches!(assignment.value, AssignmentValue::Scalar(_)) =>
                {
                    argv.extend(self.read(word).braces());
                }
                CommandPrefixOrSuffixItem::IoRedirect(_)
                | CommandPrefixOrSuffixItem::Word(_)
                | CommandPrefixOrSuffixItem::AssignmentWord(..)
                | CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {
                    self.item(item, declares, &mut argv, &mut input);
                }
            }
        }
        if !argv.is_empty() {
            self.run(&argv, input.as_ref());
        }
    }

    fn item(
        &mut self,
        item: &CommandPrefixOrSuffixItem,
        stays: bool,
        argv: &mut Vec<Word>,
        input: &mut Option<Input>,
    ) {
        match item {
            CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                if let Some(found) = self.redirect(redirect) {
                    *input = Some(found);
                }
            }
            CommandPrefixOrSuffixItem::Word(word) => argv.extend(self.read(word).braces()),
            CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                self.assignment(assignment, stays);
                argv.push(self.read(word));
            }
            CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                self.subshell(subshell);
                argv.push(Word::unknown(false));
            }
        }
    }

    /// An assignment; `stays` tells that it lasts beyond the command.
    fn assignment(&mut self, assignment: &Assignment, stays: bool) {
        let name = match &assignment.name {
            AssignmentName::VariableName(name) => name,
            AssignmentName::ArrayElementName(name, index) => {
                self.text(index);
                name
            }
        };
        match &assignment.value {
            AssignmentValue::Scalar(value) => {
                let value = self.read(value);
                self.variable(name, &value);
                let literal = value.literal().filter(|_| !assignment.append);
                if stays {
                    self.scope.assign(name, literal);
                }
            }
            AssignmentValue::Array(elements) => {
                for (index, value) in elements {
                    index.iter().for_each(|index| self.evaluated(index));
                    self.evaluated(value);
                }
                self.scope.assign(name, None);
            }
        }
    }

    /// A value that reaches a variable, by assignment or through `env`.
    pub(super) fn variable(&mut self, name: &str, value: &Word) {
        self.subscripts(value);
        let literal = value.literal();
        if HOOKS.contains(&name) {
            self.doubt(format!("`{name}` makes other programs run code"));
        } else if COMMAND_VARIABLES.contains(&name) {
            match literal {
                Some(script) => self.subscript(&script),
                None => self.doubt(format!("the command in `{name}` is unknown")),
            }
        }
    }

    /// A program with its arguments, and everything it would run in turn.
    pub(super) fn run(&mut self, argv: &[Word], input: Option<&Input>) {
        self.deeper(|walk| walk.run_here(argv, input));
    }

    fn run_here(&mut self, argv: &[Word], input: Option<&Input>) {
        // `time -- program`: the parser leaves the dashes to the command.
        let dashes = argv.first().and_then(Word::literal).as_deref() == Some("--");
        let argv = &argv[usize::from(dashes)..];
        let Some(name) = argv.first() else { return };
        let Some(program) = base_name(name) else {
            self.doubt(format!(
                "the program `{}` is known only at run time",
                name.display()
            ));
            // `$nothing sudo` runs sudo.
            if name.may_split() && argv.len() > 1 {
                self.run(&argv[1..], input);
            }
            return;
        };
        if self.plan.commands.len() >= COMMANDS_MAX {
            self.doubt("it has too many commands");
            return;
        }
        let path = name.display();
        let script = path.contains('/')
            && ![
                "/bin/",
                "/usr/bin/",
                "/usr/local/bin/",
                "/sbin/",
                "/usr/sbin/",
            ]
            .iter()
            .any(|folder| path.starts_with(folder));
        self.plan.commands.push(Planned {
            program: program.clone(),
            argv: argv.to_vec(),
            opaque: script || OPAQUE.contains(&program.as_str()),
            places: self.places.clone(),
        });
        if EVALUATING.contains(&program.as_str()) {
            for word in &argv[1..] {
                self.subscripts(word);
            }
        }
        self.arguments(&program, argv);
        if !self.builtin(&program, argv, input) {
            self.runner(&program, argv, input);
        }
    }

    /// Words that are one script when joined by blanks.
    pub(super) fn joined(&mut self, words: &[Word]) {
        let literal: Option<Vec<_>> = words.iter().map(Word::literal).collect();
        match literal {
            Some(words) => self.subscript(&words.join(" ")),
            None => self.doubt("a script that is built at run time"),
        }
    }

    pub(super) fn opaque(&mut self) {
        if let Some(last) = self.plan.commands.last_mut() {
            last.opaque = true;
        }
    }
}

/// The last component of the program's path, if it is certain.
fn base_name(name: &Word) -> Option<String> {
    if let Some(path) = name.literal() {
        let base = path.trim_end_matches('/').rsplit('/').next()?;
        return (!base.is_empty()).then(|| base.to_owned());
    }
    // `"$root"/bin/tool`: the folder is unknown, the name is not.
    if name.may_split() {
        return None;
    }
    let text = name.display();
    let base = text.rsplit('/').next()?;
    let certain = text.contains('/') && !base.contains(['…', '*', '?']);
    (certain && !base.is_empty()).then(|| base.to_owned())
}
