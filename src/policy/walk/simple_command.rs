//! A simple command: assignments, redirections, words; then the program, unwrapped.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem, SimpleCommand,
};

use super::super::plan::PlannedProgram;
use super::super::word::ShellWord;
use super::{ScriptWalk, StandardInput};

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

impl ScriptWalk {
    pub(super) fn visit_simple(&mut self, command: &SimpleCommand) {
        let mut argv = Vec::new();
        let mut input = None;
        // An assignment without a program stays in the shell; in front of a program it ends with the program.
        let alone = command.word_or_name.is_none();
        for item in command.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.visit_item(item, alone, &mut argv, &mut input);
        }
        // Words before the program are not its arguments.
        argv.clear();
        if let Some(name) = &command.word_or_name {
            argv.extend(self.read_word(name).expand_braces());
        }
        let name = argv
            .first()
            .and_then(ShellWord::literal_text)
            .unwrap_or_default();
        let declares = DECLARING.contains(&name.as_str());
        for item in command.suffix.iter().flat_map(|suffix| &suffix.0) {
            match item {
                // `make a=b`: behind a program this is an argument, unless a declaring builtin takes it.
                CommandPrefixOrSuffixItem::AssignmentWord(assignment, word)
                    if !declares && matches!(assignment.value, AssignmentValue::Scalar(_)) =>
                {
                    argv.extend(self.read_word(word).expand_braces());
                }
                CommandPrefixOrSuffixItem::IoRedirect(_)
                | CommandPrefixOrSuffixItem::Word(_)
                | CommandPrefixOrSuffixItem::AssignmentWord(..)
                | CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {
                    self.visit_item(item, declares, &mut argv, &mut input);
                }
            }
        }
        if !argv.is_empty() {
            self.run_program(&argv, input.as_ref());
        }
    }

    fn visit_item(
        &mut self,
        item: &CommandPrefixOrSuffixItem,
        stays: bool,
        argv: &mut Vec<ShellWord>,
        input: &mut Option<StandardInput>,
    ) {
        match item {
            CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                if let Some(found) = self.visit_redirect(redirect) {
                    *input = Some(found);
                }
            }
            CommandPrefixOrSuffixItem::Word(word) => {
                argv.extend(self.read_word(word).expand_braces())
            }
            CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                self.visit_assignment(assignment, stays);
                argv.push(self.read_word(word));
            }
            CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => {
                self.visit_subshell(subshell);
                argv.push(ShellWord::unknown_word(false));
            }
        }
    }

    /// An assignment. With `stays`, it lasts beyond the command.
    fn visit_assignment(&mut self, assignment: &Assignment, stays: bool) {
        let name = match &assignment.name {
            AssignmentName::VariableName(name) => name,
            AssignmentName::ArrayElementName(name, index) => {
                self.read_plain_text(index);
                name
            }
        };
        match &assignment.value {
            AssignmentValue::Scalar(value) => {
                let value = self.read_word(value);
                self.assign_variable(name, &value);
                // `+=` appends to a value that may be unknown.
                let literal = value.literal_text().filter(|_| !assignment.append);
                if stays {
                    self.scope.assign_value(name, literal);
                }
            }
            AssignmentValue::Array(elements) => {
                for (index, value) in elements {
                    index.iter().for_each(|index| self.visit_evaluated(index));
                    self.visit_evaluated(value);
                }
                self.scope.assign_value(name, None);
            }
        }
    }

    /// A value that reaches a variable, by assignment or through `env`.
    pub(super) fn assign_variable(&mut self, name: &str, value: &ShellWord) {
        self.visit_subscripts(value);
        let literal = value.literal_text();
        if HOOKS.contains(&name) {
            self.add_doubt(format!("`{name}` makes other programs run code"));
        } else if COMMAND_VARIABLES.contains(&name) {
            match literal {
                Some(script) => self.visit_subscript(&script),
                None => self.add_doubt(format!("the command in `{name}` is unknown")),
            }
        }
    }

    /// A program with its arguments, and everything it would run in turn.
    pub(super) fn run_program(&mut self, argv: &[ShellWord], input: Option<&StandardInput>) {
        self.one_level_deeper(|walk| walk.run_here(argv, input));
    }

    fn run_here(&mut self, argv: &[ShellWord], input: Option<&StandardInput>) {
        // `time -- program`: the parser leaves the dashes to the command.
        let dashes = argv.first().and_then(ShellWord::literal_text).as_deref() == Some("--");
        let argv = &argv[usize::from(dashes)..];
        let Some(name) = argv.first() else { return };
        let Some(program) = base_name(name) else {
            self.add_doubt(format!(
                "the program `{}` is known only at run time",
                name.display_text()
            ));
            // `$nothing sudo` runs sudo.
            if name.may_split() && argv.len() > 1 {
                self.run_program(&argv[1..], input);
            }
            return;
        };
        if self.plan.commands.len() >= COMMANDS_MAX {
            self.add_doubt("it has too many commands");
            return;
        }
        let path = name.display_text();
        // A path outside the system's folders names a program of the session. Its code is not on the command
        // line.
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
        self.plan.commands.push(PlannedProgram {
            program: program.clone(),
            argv: argv.to_vec(),
            opaque: script || OPAQUE.contains(&program.as_str()),
            places: self.places.clone(),
        });
        if EVALUATING.contains(&program.as_str()) {
            for word in &argv[1..] {
                self.visit_subscripts(word);
            }
        }
        self.touch_arguments(&program, argv);
        // A shell prefers a builtin to a program of the same name.
        if !self.run_builtin(&program, argv, input) {
            self.run_runner(&program, argv, input);
        }
    }

    /// Words that are one script when joined by blanks.
    pub(super) fn run_joined_words(&mut self, words: &[ShellWord]) {
        let literal: Option<Vec<_>> = words.iter().map(ShellWord::literal_text).collect();
        match literal {
            Some(words) => self.visit_subscript(&words.join(" ")),
            None => self.add_doubt("a script that is built at run time"),
        }
    }

    pub(super) fn run_unknown_program(&mut self) {
        // `run_here` adds a program before it visits what that program runs, so the last one is the caller.
        if let Some(last) = self.plan.commands.last_mut() {
            last.opaque = true;
        }
    }
}

/// The last component of the program's path, if it is certain.
fn base_name(name: &ShellWord) -> Option<String> {
    if let Some(path) = name.literal_text() {
        let base = path.trim_end_matches('/').rsplit('/').next()?;
        return (!base.is_empty()).then(|| base.to_owned());
    }
    // `"$root"/bin/tool`: the folder is unknown, the name is not.
    if name.may_split() {
        return None;
    }
    let text = name.display_text();
    let base = text.rsplit('/').next()?;
    let certain = text.contains('/') && !base.contains(['…', '*', '?']);
    (certain && !base.is_empty()).then(|| base.to_owned())
}
