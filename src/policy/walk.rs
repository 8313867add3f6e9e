//! From the syntax tree to the plan: every node that can run something is visited.

mod builtins;
mod option_commands;
mod options;
mod runners;
mod simple;
mod touch;

use brush_parser::Parser;
use brush_parser::ast::{
    AndOr, Command, CompoundCommand, CompoundList, DoGroupCommand, ExtendedTestExpr,
    IoFileRedirectKind, IoFileRedirectTarget, IoRedirect, Pipeline, RedirectList, SubshellCommand,
    Word as RawWord,
};

use super::admission;
use super::plan::{Places, Plan, Touched};
use super::word::{self, Found, Scope, Word};

/// Scripts inside scripts, and lists inside lists, to this depth.
const DEPTH_MAX: usize = 64;

/// The plan of `script`, run from `folder`.
pub(super) fn plan(script: &str, folder: &str, home: &str) -> Plan {
    let places = Places::at(folder);
    let mut walk = Walk {
        plan: Plan::default(),
        seen: places.clone(),
        places,
        scope: Scope {
            home: home.to_owned(),
            ..Scope::default()
        },
        depth: 0,
        spaced: false,
    };
    walk.script(script);
    walk.plan
}

#[derive(Debug)]
struct Walk {
    plan: Plan,
    places: Places,
    /// All folders the script has been in.
    seen: Places,
    scope: Scope,
    depth: usize,
    /// The script has `( (` or `) )`, which the parser takes for arithmetic and a shell does not.
    spaced: bool,
}

impl Walk {
    fn doubt(&mut self, why: impl Into<String>) {
        self.plan.doubts.insert(why.into());
    }

    fn script(&mut self, script: &str) {
        let twice = |bracket: char| {
            let outside = script.split(bracket).skip(1);
            outside.clone().count() > 1
                && outside
                    .take(script.matches(bracket).count() - 1)
                    .any(|between| !between.is_empty() && between.trim().is_empty())
        };
        self.spaced |= twice('(') || twice(')');
        self.deeper(|walk| {
            match Parser::new(script.as_bytes(), &word::options()).parse_program() {
                Ok(program) => {
                    for list in &program.complete_commands {
                        walk.list(list);
                    }
                }
                // Depth 1 is the caller's own script; what fails inside is what bash would run later.
                Err(error) => match admission::missing_end(script, &error) {
                    Some(problem) if walk.depth == 1 => walk.plan.incomplete = Some(problem),
                    Some(_) | None => walk.doubt(format!("it cannot be parsed: {error}")),
                },
            }
        });
    }

    /// A script in a process of its own: it cannot change our folder or variables.
    fn subscript(&mut self, script: &str) {
        self.apart(|walk| walk.script(script));
    }

    fn apart(&mut self, visit: impl FnOnce(&mut Self)) {
        let places = self.places.clone();
        let scope = self.scope.clone();
        visit(self);
        self.places = places;
        self.scope = scope;
    }

    fn deeper(&mut self, visit: impl FnOnce(&mut Self)) {
        if self.depth >= DEPTH_MAX {
            self.doubt("it is nested too deeply");
            return;
        }
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }

    /// What may or may not run: both outcomes are possible afterwards.
    fn perhaps(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.places.clone();
        visit(self);
        self.places.merge(&before);
    }

    /// What may run several times, or later.
    fn repeated(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.places.clone();
        self.scope.uncertain += 1;
        visit(self);
        self.scope.uncertain -= 1;
        if self.places != before {
            self.places.merge(&before);
            self.places.unknown = true;
        }
    }

    fn list(&mut self, list: &CompoundList) {
        self.deeper(|walk| {
            for item in &list.0 {
                walk.pipeline(&item.0.first);
                for next in &item.0.additional {
                    let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
                    walk.perhaps(|walk| walk.pipeline(pipeline));
                }
            }
        });
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if let [only] = pipeline.seq.as_slice() {
            self.command(only);
            return;
        }
        for command in &pipeline.seq {
            // Each runs in a process of its own, the last one perhaps not (`lastpipe`).
            self.apart(|walk| walk.command(command));
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.redirects(redirects.as_ref());
                self.deeper(|walk| walk.compound(compound));
            }
            Command::Function(function) => {
                self.redirects(function.body.1.as_ref());
                self.read(&function.fname);
                self.repeated(|walk| walk.deeper(|walk| walk.compound(&function.body.0)));
            }
            Command::ExtendedTest(test, redirects) => {
                self.redirects(redirects.as_ref());
                self.test(&test.expr);
            }
        }
    }

    fn compound(&mut self, command: &CompoundCommand) {
        match command {
            CompoundCommand::Arithmetic(arithmetic) => {
                if self.spaced || !word::balanced(&arithmetic.expr.value) {
                    self.doubt("`((` that may be two subshells");
                }
                self.text(&arithmetic.expr.value);
            }
            CompoundCommand::ArithmeticForClause(clause) => {
                let parts = [&clause.initializer, &clause.condition, &clause.updater];
                for part in parts.into_iter().flatten() {
                    self.text(&part.value);
                }
                self.repeated(|walk| walk.group(&clause.body));
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.subshell(subshell),
            CompoundCommand::ForClause(clause) => {
                for value in clause.values.iter().flatten() {
                    self.read(value);
                }
                self.scope.assign(&clause.variable_name, None);
                self.repeated(|walk| walk.group(&clause.body));
            }
            CompoundCommand::CaseClause(clause) => {
                self.read(&clause.value);
                for case in &clause.cases {
                    for pattern in &case.patterns {
                        self.read(pattern);
                    }
                    if let Some(list) = &case.cmd {
                        self.perhaps(|walk| walk.list(list));
                    }
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.perhaps(|walk| walk.list(&clause.then));
                for other in clause.elses.iter().flatten() {
                    self.perhaps(|walk| {
                        other.condition.iter().for_each(|list| walk.list(list));
                        walk.list(&other.body);
                    });
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.repeated(|walk| {
                    walk.list(&clause.0);
                    walk.group(&clause.1);
                });
            }
            CompoundCommand::Coprocess(coprocess) => {
                self.apart(|walk| walk.deeper(|walk| walk.command(&coprocess.body)));
            }
        }
    }

    fn group(&mut self, group: &DoGroupCommand) {
        self.list(&group.list);
    }

    fn subshell(&mut self, subshell: &SubshellCommand) {
        self.apart(|walk| walk.list(&subshell.list));
    }

    fn test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.deeper(|walk| {
                    walk.test(left);
                    walk.test(right);
                });
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => {
                self.deeper(|walk| walk.test(inner));
            }
            ExtendedTestExpr::UnaryTest(_, operand) => self.evaluated(operand),
            ExtendedTestExpr::BinaryTest(_, left, right) => {
                self.evaluated(left);
                self.evaluated(right);
            }
        }
    }

    /// A word that the shell may evaluate as arithmetic.
    fn evaluated(&mut self, raw: &RawWord) {
        let word = self.read(raw);
        self.subscripts(&word);
    }

    /// Arithmetic runs the substitutions in the subscripts of a variable's value.
    fn subscripts(&mut self, word: &Word) {
        let text = word.display();
        let hides = |at: usize| text[at..].contains("$(") || text[at..].contains('`');
        if text.find('[').is_some_and(hides) {
            self.doubt("an array subscript that may run a command");
        }
    }

    fn read(&mut self, raw: &RawWord) -> Word {
        self.value(&raw.value)
    }

    fn value(&mut self, raw: &str) -> Word {
        let mut found = Found::default();
        let word = word::read(raw, &self.scope, &mut found);
        self.found(found);
        word
    }

    fn text(&mut self, raw: &str) -> Word {
        let mut found = Found::default();
        let word = word::read_text(raw, &self.scope, &mut found);
        self.found(found);
        word
    }

    fn found(&mut self, found: Found) {
        for doubt in found.doubts {
            self.doubt(doubt);
        }
        for script in found.scripts {
            self.subscript(&script);
        }
    }

    fn redirects(&mut self, redirects: Option<&RedirectList>) {
        for redirect in redirects.into_iter().flat_map(|list| &list.0) {
            self.redirect(redirect);
        }
    }

    /// Visits a redirection; gives the text that it makes standard input, if it is known.
    fn redirect(&mut self, redirect: &IoRedirect) -> Option<Input> {
        match redirect {
            IoRedirect::File(_, kind, target) => {
                let writes = !matches!(
                    kind,
                    IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput
                );
                match target {
                    IoFileRedirectTarget::Filename(word) => {
                        let word = self.read(word);
                        self.touch("redirection", &word, writes);
                        (!writes).then_some(Input::File(word))
                    }
                    IoFileRedirectTarget::Duplicate(word) => {
                        let word = self.read(word);
                        self.touch("redirection", &word, writes);
                        (!writes).then_some(Input::Hidden)
                    }
                    IoFileRedirectTarget::Fd(_) => (!writes).then_some(Input::Hidden),
                    IoFileRedirectTarget::ProcessSubstitution(_, subshell) => {
                        self.subshell(subshell);
                        (!writes).then_some(Input::Hidden)
                    }
                }
            }
            IoRedirect::HereDocument(_, document) if document.requires_expansion => {
                Some(Input::Text(self.text(&document.doc.value)))
            }
            IoRedirect::HereDocument(_, document) => {
                Some(Input::Text(Word::of(&document.doc.value)))
            }
            IoRedirect::HereString(_, word) => Some(Input::Text(self.read(word))),
            IoRedirect::OutputAndError(word, _) => {
                let word = self.read(word);
                self.touch("redirection", &word, true);
                None
            }
        }
    }

    fn touch(&mut self, by: &str, word: &Word, writes: bool) {
        self.plan.touched.push(Touched {
            by: by.to_owned(),
            word: word.clone(),
            writes,
            places: self.places.clone(),
        });
    }
}

/// What a command reads from standard input.
#[derive(Clone, Debug)]
enum Input {
    Text(Word),
    File(Word),
    Hidden,
}
