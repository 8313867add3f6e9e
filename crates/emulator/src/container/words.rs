//! A command line into words, the way a shell quotes but without anything a
//! shell would expand.

/// The words, or nothing if a quote or an escape is left open or there is none.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!words.is_empty()).then_some(words)
}

/// Up to the closing quote. A backslash escapes itself and the quote only.
fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' => return Some(()),
            '\\' => match chars.next()? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// A word that a shell reads back as it is.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{quote, split};

    #[test]
    fn split_joins_quotes_and_expands_nothing() {
        let words = split(r#"bash -c 'a "$b"' x"y \"z\" $HOME"'' \  '' #c *"#).unwrap();
        let expected = [
            "bash",
            "-c",
            r#"a "$b""#,
            r#"xy "z" $HOME"#,
            " ",
            "",
            "#c",
            "*",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn split_refuses_open_quotes_and_empty_lines() {
        for line in ["", "  ", "'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    #[test]
    fn quoted_word_splits_to_itself() {
        let word = r#"it's "$HOME" \ "#;
        assert_eq!(split(&quote(word)).unwrap(), [word]);
    }
}
