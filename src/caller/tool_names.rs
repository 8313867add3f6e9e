//! Allow-lists of tool names with `*` for any characters, such as `get_*`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most patterns in one list.
const PATTERNS_MAX: usize = 64;
/// The longest pattern. A tool's name has at most 128 characters.
const PATTERN_CHARS_MAX: usize = 128;

/// One pattern: a tool's name, in which each `*` stands for any characters or none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolNamePattern(Box<str>);

/// The text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use 1 to {PATTERN_CHARS_MAX} letters, digits and . _ / - of a tool's name, and * for any others"
)]
pub struct MalformedPattern;

impl FromStr for ToolNamePattern {
    type Err = MalformedPattern;

    fn from_str(text: &str) -> Result<Self, MalformedPattern> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-*".contains(&byte);
        let fits = (1..=PATTERN_CHARS_MAX).contains(&text.len()) && text.bytes().all(known);
        fits.then(|| Self(text.into())).ok_or(MalformedPattern)
    }
}

impl ToolNamePattern {
    /// The text of the pattern.
    #[must_use]
    pub fn pattern_text(&self) -> &str {
        &self.0
    }

    /// Whether a tool's name matches.
    #[must_use]
    pub fn matches_name(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else {
            return &*self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(start) else {
            return false;
        };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The first place of each part leaves the most for the parts behind it, so no other place has to be
        // tried, and the work grows with the lengths alone.
        for part in middle.split('*') {
            match name.find(part) {
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(end)
    }
}

/// A list of patterns. A name that matches one of them is on the list. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolNameList(Arc<[ToolNamePattern]>);

/// The patterns are no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToolNames {
    /// An empty list would offer nothing, which no operator wants.
    #[error("give 1 to {PATTERNS_MAX} names of tools, such as [\"get_*\", \"list_*\"]")]
    Count,
    /// One of them is malformed.
    #[error("`{0}` is not a name of tools: {MalformedPattern}")]
    Pattern(String),
}

impl ToolNameList {
    /// Reads patterns.
    ///
    /// # Errors
    /// One is malformed, or there are none or too many.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, MalformedToolNames> {
        let mut list = Vec::new();
        for text in patterns {
            let malformed = |MalformedPattern| {
                MalformedToolNames::Pattern(text.chars().take(PATTERN_CHARS_MAX).collect())
            };
            list.push(text.parse().map_err(malformed)?);
            if list.len() > PATTERNS_MAX {
                return Err(MalformedToolNames::Count);
            }
        }
        if list.is_empty() {
            return Err(MalformedToolNames::Count);
        }
        // Equal lists compare as equal in whatever order they are written.
        list.sort();
        list.dedup();
        Ok(Self(list.into()))
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[ToolNamePattern] {
        &self.0
    }

    /// Whether a name is on the list.
    #[must_use]
    pub fn includes_name(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches_name(name))
    }
}

/// The patterns, separated by commas.
impl fmt::Display for ToolNameList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(ToolNamePattern::pattern_text).collect();
        f.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern
            .parse::<ToolNamePattern>()
            .unwrap()
            .matches_name(name)
    }

    #[test]
    fn star_stands_for_any_characters_or_none() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("get_x", &["get_x"], &["get_", "get_xy", "aget_x", ""]),
            ("get_*", &["get_", "get_x"], &["get", "forget_x", "GET_x"]),
            ("*_file", &["_file", "read_file"], &["file", "read_files"]),
            (
                "a*c*e",
                &["ace", "abcde", "accee"],
                &["ae", "aec", "abcdef"],
            ),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("*", &["", "x"], &[]),
            ("**", &["", "x"], &[]),
            ("*ab*ab*", &["abab", "xabyabz"], &["ab", "aab"]),
        ];
        for (pattern, good, bad) in cases {
            for name in *good {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in *bad {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    /// The meaning of a pattern, word for word. Its work grows exponentially.
    fn matches_by_definition(pattern: &str, name: &str) -> bool {
        match pattern.split_at_checked(1) {
            None => name.is_empty(),
            Some(("*", rest)) => {
                (0..=name.len()).any(|at| matches_by_definition(rest, &name[at..]))
            }
            Some((byte, rest)) => name
                .strip_prefix(byte)
                .is_some_and(|name| matches_by_definition(rest, name)),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*]{1,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &name), matches_by_definition(&pattern, &name));
        }
    }

    #[test]
    fn list_is_bounded_and_each_pattern_is_checked() {
        let list = |patterns: &[&str]| ToolNameList::from_patterns(patterns.iter().copied());
        assert_eq!(list(&[]), Err(MalformedToolNames::Count));
        let long = "a".repeat(PATTERN_CHARS_MAX + 1);
        for wrong in ["", "get x", "get_\u{e9}", "get_?", "\n", long.as_str()] {
            assert!(
                matches!(list(&["a", wrong]), Err(MalformedToolNames::Pattern(_))),
                "{wrong}"
            );
        }
        let many = vec!["a*"; PATTERNS_MAX + 1];
        assert_eq!(list(&many), Err(MalformedToolNames::Count));
        assert_eq!(list(&["b", "a*", "b"]), list(&["a*", "b"]));
        assert_eq!(list(&["b", "a*"]).unwrap().to_string(), "a*,b");
    }
}
