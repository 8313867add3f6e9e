//! Shell words: what of a word is known without running the shell, and which scripts hide in it.

use std::collections::BTreeMap;

use brush_parser::ParserOptions;
use brush_parser::word::{self, Parameter, ParameterExpr, ParameterTransformOp, WordPiece};
use brush_parser::word::{WordPieceWithSource, parse_heredoc};

use super::escape;

/// More words than this out of one brace expression are taken for unknown.
const BRACE_WORDS_MAX: usize = 64;

/// One piece of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordAtom {
    /// A character that stands for itself.
    Lit(char),
    /// An unquoted `{`, `,` or `}`.
    Brace(char),
    /// Any text without a slash: `*`.
    Star,
    /// Any one character: `?` or a bracket expression.
    One,
    /// A part that only the shell can resolve. Unquoted, it may become several words or none.
    Unknown { splits: bool },
}

/// A word after parsing, before expansion by the shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShellWord(pub(super) Vec<WordAtom>);

impl ShellWord {
    pub(super) fn from_literal(text: &str) -> Self {
        Self(text.chars().map(WordAtom::Lit).collect())
    }

    pub(super) fn unknown_word(splits: bool) -> Self {
        Self(vec![WordAtom::Unknown { splits }])
    }

    /// The word as the program receives it, if that is certain.
    pub(super) fn literal_text(&self) -> Option<String> {
        let chars = self.0.iter().map(|atom| match atom {
            WordAtom::Lit(c) | WordAtom::Brace(c) => Some(*c),
            WordAtom::Star | WordAtom::One | WordAtom::Unknown { .. } => None,
        });
        chars.collect()
    }

    /// The literal beginning.
    pub(super) fn known_prefix(&self) -> String {
        let chars = self.0.iter().map_while(|atom| match atom {
            WordAtom::Lit(c) | WordAtom::Brace(c) => Some(*c),
            WordAtom::Star | WordAtom::One | WordAtom::Unknown { .. } => None,
        });
        chars.collect()
    }

    /// Nothing of the word is known.
    pub(super) fn is_opaque(&self) -> bool {
        let known = |atom: &WordAtom| matches!(atom, WordAtom::Lit(_) | WordAtom::Brace(_));
        !self.0.iter().any(known)
    }

    pub(super) fn may_split(&self) -> bool {
        self.0.contains(&WordAtom::Unknown { splits: true })
    }

    /// Without its first `count` characters.
    pub(super) fn without_first(&self, count: usize) -> Self {
        Self(self.0.get(count..).unwrap_or_default().to_vec())
    }

    /// The word for messages, with `…` for unknown parts.
    pub(super) fn display_text(&self) -> String {
        let shown = |atom: &WordAtom| match atom {
            WordAtom::Lit(c) | WordAtom::Brace(c) => *c,
            WordAtom::Star => '*',
            WordAtom::One => '?',
            WordAtom::Unknown { .. } => '…',
        };
        self.0.iter().map(shown).collect()
    }

    /// The words that brace expansion makes of this one.
    pub(super) fn expand_braces(&self) -> Vec<Self> {
        let mut done = Vec::new();
        let mut open = vec![self.0.clone()];
        while let Some(atoms) = open.pop() {
            // Braces multiply: each `{a,b}` doubles the words.
            if done.len() + open.len() > BRACE_WORDS_MAX {
                return vec![Self::unknown_word(true)];
            }
            match first_brace(&atoms) {
                None => done.push(Self(atoms)),
                Some((start, end, members)) => {
                    for member in members.into_iter().rev() {
                        let head = &atoms[..start];
                        let tail = &atoms[end + 1..];
                        open.push([head, member.as_slice(), tail].concat());
                    }
                }
            }
        }
        done
    }
}

type BraceExpansion = (usize, usize, Vec<Vec<WordAtom>>);

/// The first brace expression: where it starts and ends, and its members.
fn first_brace(atoms: &[WordAtom]) -> Option<BraceExpansion> {
    let opens = atoms
        .iter()
        .enumerate()
        .filter(|(_, atom)| **atom == WordAtom::Brace('{'));
    for (start, _) in opens {
        let mut depth = 0_usize;
        let mut commas = vec![start];
        for (at, atom) in atoms.iter().enumerate().skip(start) {
            match atom {
                WordAtom::Brace('{') => depth += 1,
                WordAtom::Brace(',') if depth == 1 => commas.push(at),
                WordAtom::Brace('}') => depth -= 1,
                WordAtom::Lit(_)
                | WordAtom::Brace(_)
                | WordAtom::Star
                | WordAtom::One
                | WordAtom::Unknown { .. } => {}
            }
            if depth > 0 {
                continue;
            }
            let inside = &atoms[start + 1..at];
            let dots = [WordAtom::Lit('.'); 2];
            if commas.len() > 1 {
                commas.push(at);
                let members = commas
                    .windows(2)
                    .map(|pair| atoms[pair[0] + 1..pair[1]].to_vec());
                return Some((start, at, members.collect()));
            } else if inside.windows(2).any(|pair| pair == dots) {
                return Some((start, at, vec![vec![WordAtom::Unknown { splits: true }]]));
            }
            break;
        }
    }
    None
}

/// The state while words are read.
#[derive(Clone, Debug, Default)]
pub(super) struct VariableScope {
    pub(super) home: String,
    /// Variables of the script; `None` when more than one value is possible.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// Whether inside a loop or a function, where a variable may have a later value.
    pub(super) uncertain: usize,
}

impl VariableScope {
    /// Remembers an assignment.
    pub(super) fn assign_value(&mut self, name: &str, value: Option<String>) {
        let known = self.variables.entry(name.to_owned());
        known
            .and_modify(|old| {
                // The order of execution is not followed, so a second, different value makes the variable
                // unknown.
                if *old != value {
                    *old = None;
                }
            })
            .or_insert(value);
    }

    fn value_of(&self, name: &str) -> Option<String> {
        match self.variables.get(name) {
            Some(_) if self.uncertain > 0 => None,
            Some(value) => value.clone(),
            None if name == "HOME" => Some(self.home.clone()),
            None => None,
        }
    }
}

/// What reading words revealed besides the words.
#[derive(Debug, Default)]
pub(super) struct FoundScripts {
    /// Scripts of command substitutions.
    pub(super) scripts: Vec<String>,
    /// Why the script cannot be decided.
    pub(super) doubts: Vec<&'static str>,
}

/// The options of the parser; tildes are read here.
pub(super) fn parser_options() -> ParserOptions {
    ParserOptions {
        tilde_expansion_at_word_start: false,
        ..ParserOptions::default()
    }
}

/// Reads a word as the parser gave it.
pub(super) fn read_word(raw: &str, scope: &VariableScope, found: &mut FoundScripts) -> ShellWord {
    let Ok(pieces) = word::parse(raw, &parser_options()) else {
        found.doubts.push("a word that cannot be parsed");
        return ShellWord::unknown_word(true);
    };
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let mut rest = piece.clone();
        if let (0, WordPiece::Text(text)) = (at, &piece.piece)
            && let Some((atoms, after)) = expand_tilde(text, pieces.len() == 1, scope)
        {
            out.extend(atoms);
            rest.piece = WordPiece::Text(after.to_owned());
        }
        read_piece(raw, &rest, false, scope, found, &mut out);
    }
    ShellWord(out)
}

/// Reads text in which quotes mean nothing and expansions do: here-documents, arithmetic, and the
/// insides of `${…}`.
pub(super) fn read_text(raw: &str, scope: &VariableScope, found: &mut FoundScripts) -> ShellWord {
    let mut out = Vec::new();
    match parse_heredoc(raw, &parser_options()) {
        Ok(pieces) => {
            for piece in &pieces {
                read_piece(raw, piece, true, scope, found, &mut out);
            }
        }
        Err(_) => found.doubts.push("an expansion that cannot be parsed"),
    }
    ShellWord(out)
}

fn expand_tilde<'a>(
    text: &'a str,
    alone: bool,
    scope: &VariableScope,
) -> Option<(Vec<WordAtom>, &'a str)> {
    let name = text.strip_prefix('~')?;
    let (name, rest) = match name.find('/') {
        Some(slash) => name.split_at(slash),
        None if alone => (name, ""),
        None => return None,
    };
    let folder = match name {
        "" => scope.value_of("HOME")?,
        "root" => "/root".to_owned(),
        _ if name.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("/home/{name}"),
        _ => return Some((vec![WordAtom::Unknown { splits: false }], rest)),
    };
    Some((ShellWord::from_literal(&folder).0, rest))
}

fn read_piece(
    raw: &str,
    piece: &WordPieceWithSource,
    quoted: bool,
    scope: &VariableScope,
    found: &mut FoundScripts,
    out: &mut Vec<WordAtom>,
) {
    match &piece.piece {
        WordPiece::Text(text) if quoted => {
            out.extend(text.replace("\\\n", "").chars().map(WordAtom::Lit));
        }
        WordPiece::Text(text) => push_unquoted(text, out),
        WordPiece::SingleQuotedText(text) => out.extend(text.chars().map(WordAtom::Lit)),
        WordPiece::AnsiCQuotedText(text) => {
            out.extend(escape::decode_ansi_c(text).chars().map(WordAtom::Lit));
        }
        WordPiece::DoubleQuotedSequence(pieces)
        | WordPiece::GettextDoubleQuotedSequence(pieces) => {
            for piece in pieces {
                read_piece(raw, piece, true, scope, found, out);
            }
        }
        WordPiece::TildeExpansion(_) => out.push(WordAtom::Unknown { splits: false }),
        WordPiece::EscapeSequence(text) => {
            out.extend(
                text.chars()
                    .skip(1)
                    .filter(|c| *c != '\n')
                    .map(WordAtom::Lit),
            );
        }
        WordPiece::CommandSubstitution(script) => {
            found.scripts.push(script.clone());
            out.push(WordAtom::Unknown { splits: !quoted });
        }
        WordPiece::BackquotedCommandSubstitution(script) => {
            // The shell removes some backslashes inside backquotes, so the text here is not the text that
            // runs.
            if script.contains('\\') {
                found.doubts.push("a backslash inside backquotes");
            }
            found.scripts.push(script.clone());
            out.push(WordAtom::Unknown { splits: !quoted });
        }
        WordPiece::ArithmeticExpression(expression) => {
            if !has_balanced_brackets(&expression.value) {
                found
                    .doubts
                    .push("`$((` that may be a command substitution");
            }
            read_text(&expression.value, scope, found);
            // A number is one word.
            out.push(WordAtom::Unknown { splits: false });
        }
        WordPiece::ParameterExpansion(expression) => {
            let source = raw.get(piece.start_index..piece.end_index);
            read_parameter(expression, source, quoted, scope, found, out);
        }
    }
}

fn read_parameter(
    expression: &ParameterExpr,
    source: Option<&str>,
    quoted: bool,
    scope: &VariableScope,
    found: &mut FoundScripts,
    out: &mut Vec<WordAtom>,
) {
    if let ParameterExpr::Parameter {
        parameter: Parameter::Named(name),
        indirect: false,
    } = expression
    {
        // Unquoted, a value is split at blanks and its patterns are expanded: only a plain value is one known
        // word.
        let plain = |c: char| !c.is_whitespace() && !"*?[".contains(c);
        if let Some(value) = scope.value_of(name)
            && (quoted || (!value.is_empty() && value.chars().all(plain)))
        {
            out.extend(value.chars().map(WordAtom::Lit));
            return;
        }
    }
    if let ParameterExpr::Transform { op, .. } = expression
        && matches!(op, ParameterTransformOp::PromptExpand)
    {
        found
            .doubts
            .push("`${…@P}` expands the value of a variable");
    }
    match source.and_then(|text| text.strip_prefix("${")) {
        Some(inside) => {
            read_text(inside.strip_suffix('}').unwrap_or(inside), scope, found);
        }
        None if source.is_some() => {}
        None => found.doubts.push("an expansion that cannot be located"),
    }
    out.push(WordAtom::Unknown { splits: !quoted });
}

/// Whether every `)` closes a `(`. What looks like arithmetic and is not so, a shell runs.
pub(super) fn has_balanced_brackets(text: &str) -> bool {
    let mut open = 0_usize;
    text.chars().all(|c| {
        open += usize::from(c == '(');
        let closes = c == ')';
        let fine = !closes || open > 0;
        open -= usize::from(closes && fine);
        fine
    }) && open == 0
}

fn push_unquoted(text: &str, out: &mut Vec<WordAtom>) {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            // Brackets belong to extended patterns such as `@(a|b)`, which can match any text.
            '*' | '(' | ')' => WordAtom::Star,
            '?' => WordAtom::One,
            '{' | '}' | ',' => WordAtom::Brace(c),
            '[' => match rest.as_str().get(1..).and_then(|inside| inside.find(']')) {
                Some(length) => {
                    rest = rest.as_str().get(length + 2..).unwrap_or_default().chars();
                    WordAtom::One
                }
                None => WordAtom::Lit(c),
            },
            _ => WordAtom::Lit(c),
        });
    }
}
