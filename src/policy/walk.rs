//! From the syntax tree to the plan: every node that can run something is visited.

mod argument_runners;
mod builtins;
mod option_commands;
mod options;
mod runners;
mod simple_command;
mod touch;

use brush_parser::Parser;
use brush_parser::ast::{
    AndOr, Command, CompoundCommand, CompoundList, DoGroupCommand, ExtendedTestExpr,
    IoFileRedirectKind, IoFileRedirectTarget, IoRedirect, Pipeline, RedirectList, SubshellCommand,
    Word as RawWord,
};

use super::admission;
use super::plan::{PossibleFolders, ScriptPlan, TouchedFile};
use super::word::{self, FoundScripts, ShellWord, VariableScope};

/// Scripts inside scripts, and lists inside lists, to this depth.
const DEPTH_MAX: usize = 64;

/// The plan of `script`, run from `folder`.
pub(super) fn plan_script(script: &str, folder: &str, home: &str) -> ScriptPlan {
    let places = PossibleFolders::only(folder);
    let mut walk = ScriptWalk {
        plan: ScriptPlan::default(),
        seen: places.clone(),
        places,
        scope: VariableScope {
            home: home.to_owned(),
            ..VariableScope::default()
        },
        depth: 0,
        spaced: false,
    };
    walk.visit_script(script);
    walk.plan
}

#[derive(Debug)]
struct ScriptWalk {
    plan: ScriptPlan,
    places: PossibleFolders,
    /// All folders the script has been in.
    seen: PossibleFolders,
    scope: VariableScope,
    depth: usize,
    /// The script has `( (` or `) )`, which the parser takes for arithmetic and a shell does not.
    spaced: bool,
}

impl ScriptWalk {
    fn add_doubt(&mut self, why: impl Into<String>) {
        self.plan.doubts.insert(why.into());
    }

    fn visit_script(&mut self, script: &str) {
        // Whether two equal brackets have only blanks between them (`( (`), see `spaced`.
        let twice = |bracket: char| {
            let outside = script.split(bracket).skip(1);
            outside.clone().count() > 1
                && outside
                    .take(script.matches(bracket).count() - 1)
                    .any(|between| !between.is_empty() && between.trim().is_empty())
        };
        self.spaced |= twice('(') || twice(')');
        self.one_level_deeper(|walk| {
            match Parser::new(script.as_bytes(), &word::parser_options()).parse_program() {
                Ok(program) => {
                    for list in &program.complete_commands {
                        walk.visit_list(list);
                    }
                }
                // Depth 1 is the caller's own script; what fails inside is what bash would run later.
                Err(error) => match admission::missing_end(script, &error) {
                    Some(problem) if walk.depth == 1 => walk.plan.incomplete = Some(problem),
                    Some(_) | None => walk.add_doubt(format!("it cannot be parsed: {error}")),
                },
            }
        });
    }

    /// A script in a process of its own: it cannot change our folder or variables.
    fn visit_subscript(&mut self, script: &str) {
        self.in_own_process(|walk| walk.visit_script(script));
    }

    fn in_own_process(&mut self, visit: impl FnOnce(&mut Self)) {
        // `seen` is not restored: it only grows, and more possible folders make the judgement stricter.
        let places = self.places.clone();
        let scope = self.scope.clone();
        visit(self);
        self.places = places;
        self.scope = scope;
    }

    fn one_level_deeper(&mut self, visit: impl FnOnce(&mut Self)) {
        if self.depth >= DEPTH_MAX {
            self.add_doubt("it is nested too deeply");
            return;
        }
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }

    /// What may or may not run: both outcomes are possible afterwards.
    fn may_or_may_not_run(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.places.clone();
        visit(self);
        self.places.merge_with(&before);
    }

    /// What may run several times, or later.
    fn may_run_repeatedly(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.places.clone();
        // A later round sees values that are assigned further down, so no value of a variable is certain
        // inside.
        self.scope.uncertain += 1;
        visit(self);
        self.scope.uncertain -= 1;
        if self.places != before {
            self.places.merge_with(&before);
            // The next round starts where this one ended (`cd ..`), so the folders cannot be listed.
            self.places.unknown = true;
        }
    }

    fn visit_list(&mut self, list: &CompoundList) {
        self.one_level_deeper(|walk| {
            for item in &list.0 {
                walk.visit_pipeline(&item.0.first);
                for next in &item.0.additional {
                    // Exit codes are not known, so what follows `&&` or `||` may run or not.
                    let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
                    walk.may_or_may_not_run(|walk| walk.visit_pipeline(pipeline));
                }
            }
        });
    }

    fn visit_pipeline(&mut self, pipeline: &Pipeline) {
        if let [only] = pipeline.seq.as_slice() {
            self.visit_command(only);
            return;
        }
        for command in &pipeline.seq {
            // Each runs in a process of its own, the last one perhaps not (`lastpipe`).
            self.in_own_process(|walk| walk.visit_command(command));
        }
    }

    fn visit_command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.visit_simple(simple),
            Command::Compound(compound, redirects) => {
                // A shell opens redirections before it runs the command, so their paths start in the folder
                // before it.
                self.visit_redirects(redirects.as_ref());
                self.one_level_deeper(|walk| walk.visit_compound(compound));
            }
            Command::Function(function) => {
                self.visit_redirects(function.body.1.as_ref());
                self.read_word(&function.fname);
                // A function is judged where it is defined, whether it is called or not.
                self.may_run_repeatedly(|walk| {
                    walk.one_level_deeper(|walk| walk.visit_compound(&function.body.0))
                });
            }
            Command::ExtendedTest(test, redirects) => {
                self.visit_redirects(redirects.as_ref());
                self.visit_test(&test.expr);
            }
        }
    }

    fn visit_compound(&mut self, command: &CompoundCommand) {
        match command {
            CompoundCommand::Arithmetic(arithmetic) => {
                if self.spaced || !word::has_balanced_brackets(&arithmetic.expr.value) {
                    self.add_doubt("`((` that may be two subshells");
                }
                self.read_plain_text(&arithmetic.expr.value);
            }
            CompoundCommand::ArithmeticForClause(clause) => {
                let parts = [&clause.initializer, &clause.condition, &clause.updater];
                for part in parts.into_iter().flatten() {
                    self.read_plain_text(&part.value);
                }
                self.may_run_repeatedly(|walk| walk.visit_group(&clause.body));
            }
            CompoundCommand::BraceGroup(group) => self.visit_list(&group.list),
            CompoundCommand::Subshell(subshell) => self.visit_subshell(subshell),
            CompoundCommand::ForClause(clause) => {
                for value in clause.values.iter().flatten() {
                    self.read_word(value);
                }
                // The variable takes several values one after the other, so none is certain.
                self.scope.assign_value(&clause.variable_name, None);
                self.may_run_repeatedly(|walk| walk.visit_group(&clause.body));
            }
            CompoundCommand::CaseClause(clause) => {
                self.read_word(&clause.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.read_word(pattern);
                    }
                    if let Some(list) = &case.cmd {
                        self.may_or_may_not_run(|walk| walk.visit_list(list));
                    }
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.visit_list(&clause.condition);
                self.may_or_may_not_run(|walk| walk.visit_list(&clause.then));
                for other in clause.elses.iter().flatten() {
                    self.may_or_may_not_run(|walk| {
                        other
                            .condition
                            .iter()
                            .for_each(|list| walk.visit_list(list));
                        walk.visit_list(&other.body);
                    });
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.may_run_repeatedly(|walk| {
                    walk.visit_list(&clause.0);
                    walk.visit_group(&clause.1);
                });
            }
            CompoundCommand::Coprocess(coprocess) => {
                self.in_own_process(|walk| {
                    walk.one_level_deeper(|walk| walk.visit_command(&coprocess.body))
                });
            }
        }
    }

    fn visit_group(&mut self, group: &DoGroupCommand) {
        self.visit_list(&group.list);
    }

    fn visit_subshell(&mut self, subshell: &SubshellCommand) {
        self.in_own_process(|walk| walk.visit_list(&subshell.list));
    }

    fn visit_test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.one_level_deeper(|walk| {
                    walk.visit_test(left);
                    walk.visit_test(right);
                });
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => {
                self.one_level_deeper(|walk| walk.visit_test(inner));
            }
            ExtendedTestExpr::UnaryTest(_, operand) => self.visit_evaluated(operand),
            ExtendedTestExpr::BinaryTest(_, left, right) => {
                self.visit_evaluated(left);
                self.visit_evaluated(right);
            }
        }
    }

    /// A word that the shell may evaluate as arithmetic.
    fn visit_evaluated(&mut self, raw: &RawWord) {
        let word = self.read_word(raw);
        self.visit_subscripts(&word);
    }

    /// Arithmetic runs the substitutions in the subscripts of a variable's value.
    fn visit_subscripts(&mut self, word: &ShellWord) {
        let text = word.display_text();
        let hides = |at: usize| text[at..].contains("$(") || text[at..].contains('`');
        if text.find('[').is_some_and(hides) {
            self.add_doubt("an array subscript that may run a command");
        }
    }

    fn read_word(&mut self, raw: &RawWord) -> ShellWord {
        self.read_value(&raw.value)
    }

    fn read_value(&mut self, raw: &str) -> ShellWord {
        let mut found = FoundScripts::default();
        let word = word::read_word(raw, &self.scope, &mut found);
        self.visit_found(found);
        word
    }

    fn read_plain_text(&mut self, raw: &str) -> ShellWord {
        let mut found = FoundScripts::default();
        let word = word::read_text(raw, &self.scope, &mut found);
        self.visit_found(found);
        word
    }

    fn visit_found(&mut self, found: FoundScripts) {
        for doubt in found.doubts {
            self.add_doubt(doubt);
        }
        for script in found.scripts {
            self.visit_subscript(&script);
        }
    }

    fn visit_redirects(&mut self, redirects: Option<&RedirectList>) {
        for redirect in redirects.into_iter().flat_map(|list| &list.0) {
            self.visit_redirect(redirect);
        }
    }

    /// Visits a redirection; gives the text that it makes standard input, if it is known.
    fn visit_redirect(&mut self, redirect: &IoRedirect) -> Option<StandardInput> {
        match redirect {
            IoRedirect::File(_, kind, target) => {
                // `<>` opens the file for writing too, so only these two kinds count as reading.
                let writes = !matches!(
                    kind,
                    IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput
                );
                match target {
                    IoFileRedirectTarget::Filename(word) => {
                        let word = self.read_word(word);
                        self.record_touch("redirection", &word, writes);
                        (!writes).then_some(StandardInput::File(word))
                    }
                    IoFileRedirectTarget::Duplicate(word) => {
                        let word = self.read_word(word);
                        self.record_touch("redirection", &word, writes);
                        (!writes).then_some(StandardInput::Hidden)
                    }
                    // What was opened under that number is not followed.
                    IoFileRedirectTarget::Fd(_) => (!writes).then_some(StandardInput::Hidden),
                    IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        self.visit_subshell(subshell);
                        (!writes).then_some(StandardInput::Hidden)
                    }
                }
            }
            IoRedirect::HereDocument(_, document) if document.requires_expansion => Some(
                StandardInput::Text(self.read_plain_text(&document.doc.value)),
            ),
            IoRedirect::HereDocument(_, document) => Some(StandardInput::Text(
                ShellWord::from_literal(&document.doc.value),
            )),
            IoRedirect::HereString(_, word) => Some(StandardInput::Text(self.read_word(word))),
            IoRedirect::OutputAndError(word, _) => {
                let word = self.read_word(word);
                self.record_touch("redirection", &word, true);
                None
            }
        }
    }

    fn record_touch(&mut self, by: &str, word: &ShellWord, writes: bool) {
        self.plan.touched.push(TouchedFile {
            by: by.to_owned(),
            word: word.clone(),
            writes,
            places: self.places.clone(),
        });
    }
}

/// What a command reads from standard input.
#[derive(Clone, Debug)]
enum StandardInput {
    Text(ShellWord),
    File(ShellWord),
    Hidden,
}
