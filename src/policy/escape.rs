//! The escapes of `$'…'`.

/// The text that `$'text'` stands for. A NUL ends it, as in bash.
pub(super) fn decode_ansi_c(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(kind) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        rest = &rest[kind.len_utf8()..];
        let simple = match kind {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'e' | 'E' => Some('\u{1b}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '\'' | '"' | '?' => Some(kind),
            _ => None,
        };
        if let Some(c) = simple {
            out.push(c);
            continue;
        }
        let (digits, radix) = match kind {
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (3, 8),
            // `\cx` is control-x: the low five bits of the character.
            'c' => {
                let c = rest.chars().next().unwrap_or('@');
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                out.push(char::from(c as u8 & 0x1f));
                continue;
            }
            _ => {
                out.extend(['\\', kind]);
                continue;
            }
        };
        if radix == 8 {
            // The first digit is the kind itself.
            rest = &text[text.len() - rest.len() - 1..];
        }
        let length = rest
            .chars()
            .take(digits)
            .take_while(|c| c.is_digit(radix))
            .count();
        match u32::from_str_radix(&rest[..length], radix) {
            Ok(0) => return out,
            // Surrogates and numbers above U+10FFFF are no characters.
            Ok(code) => out.push(char::from_u32(code).unwrap_or('\u{fffd}')),
            // No digit follows: bash leaves such an escape as it is.
            Err(_) => out.extend(['\\', kind]),
        }
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::decode_ansi_c;

    #[test]
    fn ansi_c_escapes_are_read_as_by_bash() {
        assert_eq!(decode_ansi_c(r"\x73u\144o"), "sudo");
        assert_eq!(decode_ansi_c(r"a\tb\'c\\"), "a\tb'c\\");
        assert_eq!(decode_ansi_c(r"\u0073udo\0ignored"), "sudo");
        assert_eq!(decode_ansi_c(r"\q"), r"\q");
    }
}
