//! Which scripts are judged at all: limits that keep the parser's work small, and scripts that bash
//! itself would refuse.

use brush_parser::{ParseError, SourcePosition, TokenizerError};

use super::finding::{PolicyFinding, Verdict};

/// Longer scripts are refused.
pub const SCRIPT_BYTES_MAX: usize = 64 * 1024;

/// Brackets open at a time, counted without regard to quotes.
const BRACKETS_MAX: usize = 200;

/// Words that open a construct, counted without regard to quotes.
const OPENERS_MAX: usize = 500;

/// The rule id of a script that is beyond a limit.
const LIMITS_RULE: &str = "limits";
/// The rule id of a script that ends too early.
pub const INCOMPLETE_RULE: &str = "incomplete";

/// Why a script is refused before it is parsed.
pub(super) fn outside_limits(script: &str) -> Option<PolicyFinding> {
    let (what, instead) = limit_passed(script)?;
    Some(PolicyFinding {
        verdict: Verdict::Invalid,
        rule: LIMITS_RULE.to_owned(),
        what,
        why: "this server cannot judge such a script".to_owned(),
        instead: instead.to_owned(),
    })
}

/// The finding for a script that bash would refuse because it ends too early. `problem` says what is
/// missing, and where.
pub(super) fn incomplete_script(problem: &str) -> PolicyFinding {
    PolicyFinding {
        verdict: Verdict::Invalid,
        rule: INCOMPLETE_RULE.to_owned(),
        what: problem.to_owned(),
        why: "bash would stop there with a syntax error".to_owned(),
        instead: "complete the script and send it again".to_owned(),
    }
}

fn limit_passed(script: &str) -> Option<(String, &'static str)> {
    let simpler = "send a shorter or simpler script";
    if script.len() > SCRIPT_BYTES_MAX {
        let bytes = script.len();
        let what =
            format!("the script has {bytes} bytes, but at most {SCRIPT_BYTES_MAX} are allowed");
        return Some((what, simpler));
    }
    if let Some(what) = control_character(script) {
        let instead =
            "write it as an escape, such as $'\\x1b', or put the data into `stdin` or a file";
        return Some((what, instead));
    }
    if script.trim().is_empty() {
        return Some(("the script is empty".to_owned(), "send a command"));
    }
    // Each of these words can nest one level deeper in the recursive parser. Words in quotes are counted too,
    // so the count refuses too much but never too little.
    let opens = |word: &&str| {
        matches!(
            *word,
            "!" | "case"
                | "coproc"
                | "for"
                | "function"
                | "if"
                | "select"
                | "time"
                | "until"
                | "while"
        )
    };
    if script.split_whitespace().filter(opens).count() > OPENERS_MAX {
        let what = format!("the script has more than {OPENERS_MAX} conditions and loops");
        return Some((what, simpler));
    }
    // A closing bracket without an opening one must not make room for another: the count stays at zero.
    let mut open = 0_usize;
    for c in script.chars() {
        match c {
            '(' | '{' | '[' => open += 1,
            ')' | '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS_MAX {
            let what = format!("the script has more than {BRACKETS_MAX} open brackets");
            return Some((what, simpler));
        }
    }
    None
}

/// The first control character but tab and line feed, and where it is.
fn control_character(script: &str) -> Option<String> {
    for (index, line) in script.split('\n').enumerate() {
        let found = line.chars().position(|c| c.is_control() && c != '\t');
        if let Some(column) = found {
            let code = line.chars().nth(column).map_or(0, u32::from);
            return Some(format!(
                "the script has the control character U+{code:04X} in line {}, column {}",
                index + 1,
                column + 1
            ));
        }
    }
    None
}

/// What a script lacks that ends too early, and where. `None`: the parser failed for another reason, and
/// bash may still understand the script. A here-document without its end is none of these: bash warns
/// and runs it.
pub(super) fn missing_end(script: &str, error: &ParseError) -> Option<String> {
    match error {
        ParseError::ParsingAtEndOfInput => surely_ends_early(script).then(|| {
            "the script ends inside a construct (unexpected end of file): something like `fi`, `done`, `esac`, `}` \
             or a command is missing"
                .to_owned()
        }),
        ParseError::ParsingNear(_) => None,
        ParseError::Tokenizing { inner, position } => {
            let (what, place) = unclosed_construct(inner)?;
            Some(match place.or(position.as_ref()) {
                Some(place) => format!("line {}, column {}: {what}", place.line, place.column),
                None => what.to_owned(),
            })
        }
    }
}

/// The parser also reports the end of input for a few scripts that bash accepts: some that nest `case`,
/// `<(` or `$(` in parentheses. Those must stay a matter of judgement, so its word counts only where a
/// plain count agrees.
fn surely_ends_early(script: &str) -> bool {
    if !script.contains('(') {
        return true;
    }
    // Brackets in quotes, comments and patterns of `case` need not match, so a count of them proves nothing.
    let quotes = script.contains(['\'', '"', '\\', '#', '`']) || script.contains("case");
    let more =
        |open: char, close: char| script.matches(open).count() > script.matches(close).count();
    !quotes && (more('(', ')') || more('{', '}'))
}

/// Names the construct that is not closed, and its beginning if the tokenizer knows that.
fn unclosed_construct(error: &TokenizerError) -> Option<(&'static str, Option<&SourcePosition>)> {
    use TokenizerError as E;
    match error {
        E::UnterminatedSingleQuote(place) | E::UnterminatedAnsiCQuote(place) => Some((
            "a single quote is not closed (unexpected EOF while looking for matching `'')",
            Some(place),
        )),
        E::UnterminatedDoubleQuote(place) => Some((
            "a double quote is not closed (unexpected EOF while looking for matching `\"')",
            Some(place),
        )),
        E::UnterminatedBackquote(place) => Some(("a backquote is not closed", Some(place))),
        E::UnterminatedCommandSubstitution => Some(("a `$(` is not closed", None)),
        E::UnterminatedExpansion | E::UnterminatedVariable => {
            Some(("a `${` or `$((` is not closed", None))
        }
        // bash runs a here-document without its end after a warning; the others do not prove that bash
        // refuses it.
        E::UnterminatedEscapeSequence
        | E::UnterminatedExtendedGlob(_)
        | E::FailedDecoding
        | E::MissingHereTagForDocumentBody
        | E::MissingHereTag(_)
        | E::UnterminatedHereDocuments(..)
        | E::ReadError(_) => None,
    }
}
