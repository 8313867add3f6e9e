//! JSON Schemas from elsewhere: bounded, without references to other documents, and cheap to check.
//!
//! A schema that refers to itself can make a check exponential in the depth of a value
//! (`anyOf: [{"$ref": "#"}, {"$ref": "#"}]`). So references may not form a circle, and the schema with all
//! references written out has a limit; then the cost of a check is at most that times the size of the value.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::tool::JsonObject;

/// The largest schema, in bytes of its JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// The deepest nesting of a schema.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// The most values in a schema whose references are written out.
const WRITTEN_OUT_MAX: usize = 20_000;
/// The largest compiled pattern, bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The most steps back in a pattern that looks around or refers back.
const BACKTRACKS_MAX: usize = 10_000;
/// The most characters of an error about a value.
const ERROR_CHARS_MAX: usize = 500;

/// Why a schema is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    /// It is not the schema of an object.
    #[error("its `type` must be `object`")]
    NotAnObject,
    /// It is too long, or too long with its references written out.
    #[error("it is larger than {SCHEMA_BYTES_MAX} bytes, or its references make it so")]
    TooLarge,
    /// It is nested too deep.
    #[error("it is nested deeper than {SCHEMA_DEPTH_MAX}")]
    TooDeep,
    /// A reference leads to another document, to nothing, or in a circle.
    #[error("`$ref` must name a part of this schema, and not in a circle: {0}")]
    Reference(String),
    /// It is no valid schema.
    #[error("{0}")]
    Invalid(String),
}

/// A compiled schema.
#[derive(Debug)]
pub(super) struct SchemaCheck(Validator);

impl SchemaCheck {
    /// The check of a tool's arguments.
    ///
    /// # Errors
    /// See [`SchemaProblem`].
    pub(super) fn of_arguments(schema: &JsonObject) -> Result<Self, SchemaProblem> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SchemaProblem::NotAnObject);
        }
        Self::of_reply(schema)
    }

    /// The check of any value.
    ///
    /// # Errors
    /// See [`SchemaProblem`].
    pub(super) fn of_reply(schema: &JsonObject) -> Result<Self, SchemaProblem> {
        let root = Value::Object(schema.clone());
        // The depth first: the other checks recurse.
        if depth_exceeds(&root, SCHEMA_DEPTH_MAX) {
            return Err(SchemaProblem::TooDeep);
        }
        if root.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(SchemaProblem::TooLarge);
        }
        let mut walk = ReferenceWalk {
            root: &root,
            left: WRITTEN_OUT_MAX,
            open: BTreeSet::new(),
        };
        walk.walk_value(&root)?;
        // Patterns without backtracking: their time is linear in the text.
        let linear = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options().with_pattern_options(linear).offline();
        if let Ok(compiled) = options.build(&root) {
            return Ok(Self(compiled));
        }
        // Patterns that look around or refer back need it, so their steps are counted.
        let counted = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS_MAX)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options()
            .with_pattern_options(counted)
            .offline();
        let compiled = options.build(&root);
        compiled
            .map(Self)
            .map_err(|error| SchemaProblem::Invalid(cut_text(error.masked().to_string())))
    }

    /// Checks a value. A pattern that takes too many steps counts as matched: that says nothing against the value.
    ///
    /// # Errors
    /// Where it differs from the schema, without the value itself, which may be a secret.
    pub(super) fn check_value(&self, value: &Value) -> Result<(), String> {
        let Err(error) = self.0.validate(value) else {
            return Ok(());
        };
        if matches!(
            error.kind(),
            ValidationErrorKind::BacktrackLimitExceeded { .. }
        ) {
            return Ok(());
        }
        Err({
            let place = error.instance_path().to_string();
            let what = error.masked().to_string();
            let text = if place.is_empty() {
                what
            } else {
                format!("at `{place}`: {what}")
            };
            cut_text(text)
        })
    }
}

fn cut_text(text: String) -> String {
    if text.len() <= ERROR_CHARS_MAX {
        return text;
    }
    text.chars().take(ERROR_CHARS_MAX).collect()
}

fn depth_exceeds(value: &Value, max: usize) -> bool {
    let Some(inside) = max.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| depth_exceeds(item, inside)),
        Value::Object(members) => members.values().any(|member| depth_exceeds(member, inside)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Follows all references of a schema as if they were written out.
struct ReferenceWalk<'a> {
    root: &'a Value,
    /// Values that may still come.
    left: usize,
    /// The references that are being followed.
    open: BTreeSet<&'a str>,
}

impl<'a> ReferenceWalk<'a> {
    fn walk_value(&mut self, value: &'a Value) -> Result<(), SchemaProblem> {
        self.left = self.left.checked_sub(1).ok_or(SchemaProblem::TooLarge)?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.walk_value(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("$ref", Value::String(reference)) => self.follow_reference(reference)?,
                        // Their targets depend on the path of the check, so no bound can be given. An anchor and
                        // an id would give a part of the schema a second name.
                        (
                            "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor",
                            Value::String(name),
                        ) => {
                            return Err(SchemaProblem::Reference(cut_text(name.clone())));
                        }
                        _ => self.walk_value(member)?,
                    }
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn follow_reference(&mut self, reference: &'a str) -> Result<(), SchemaProblem> {
        let bad = || SchemaProblem::Reference(cut_text(reference.to_owned()));
        let target = reference.strip_prefix('#').ok_or_else(bad)?;
        let target = self.root.pointer(target).ok_or_else(bad)?;
        if !self.open.insert(reference) {
            return Err(bad());
        }
        self.walk_value(target)?;
        self.open.remove(reference);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem_of(schema: Value) -> Option<SchemaProblem> {
        SchemaCheck::of_arguments(schema.as_object().unwrap()).err()
    }

    #[test]
    fn schema_that_could_cost_too_much_is_refused() {
        let is_reference =
            |problem: Option<SchemaProblem>| matches!(problem, Some(SchemaProblem::Reference(_)));
        for reference in [
            "https://example.com/s",
            "other.json",
            "#/nowhere",
            "file:///etc/passwd",
        ] {
            let schema = json!({"type": "object", "properties": {"a": {"$ref": reference}}});
            assert!(is_reference(problem_of(schema)), "{reference}");
        }
        let circle = json!({"type": "object", "properties": {"a": {
            "anyOf": [{"$ref": "#"}, {"$ref": "#"}],
        }}});
        assert!(is_reference(problem_of(circle)));
        let dynamic = json!({"type": "object", "properties": {"a": {"$dynamicRef": "#meta"}}});
        assert!(is_reference(problem_of(dynamic)));
        let named = json!({"type": "object", "$id": "https://example.com/", "properties": {}});
        assert!(is_reference(problem_of(named)));
        // Each level doubles the one below it.
        let mut levels = serde_json::Map::new();
        for level in 0..20 {
            let below = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            levels.insert(format!("l{level}"), json!({"anyOf": [below, below]}));
        }
        levels.insert("l20".to_owned(), json!({"type": "string"}));
        let doubling =
            json!({"type": "object", "$defs": levels, "properties": {"a": {"$ref": "#/$defs/l0"}}});
        assert_eq!(problem_of(doubling), Some(SchemaProblem::TooLarge));
        let mut deep = json!({"type": "string"});
        for _ in 0..SCHEMA_DEPTH_MAX {
            deep = json!({ "not": deep });
        }
        let deep = json!({"type": "object", "properties": {"a": deep}});
        assert_eq!(problem_of(deep), Some(SchemaProblem::TooDeep));
        let long = json!({"type": "object", "description": "a".repeat(SCHEMA_BYTES_MAX)});
        assert_eq!(problem_of(long), Some(SchemaProblem::TooLarge));
        assert_eq!(
            problem_of(json!({"type": "array"})),
            Some(SchemaProblem::NotAnObject)
        );
        let invalid = json!({"type": "object", "properties": {"a": {"type": "nothing"}}});
        assert!(matches!(
            problem_of(invalid),
            Some(SchemaProblem::Invalid(_))
        ));
    }

    #[test]
    fn value_is_checked_and_never_repeated() {
        let schema = json!({"type": "object", "properties": {
            "count": {"type": "integer", "maximum": 3},
            "word": {"$ref": "#/$defs/word"},
        }, "required": ["count"], "$defs": {"word": {"type": "string", "pattern": "^(a+)+$"}}});
        let check = SchemaCheck::of_arguments(schema.as_object().unwrap()).unwrap();
        assert_eq!(
            check.check_value(&json!({"count": 3, "word": "aaa"})),
            Ok(())
        );
        let refused = check
            .check_value(&json!({"count": 1, "word": "s3cret"}))
            .unwrap_err();
        assert!(
            refused.contains("/word") && !refused.contains("s3cret"),
            "{refused}"
        );
        assert!(
            check
                .check_value(&json!({"word": "a"}))
                .unwrap_err()
                .contains("count")
        );
        // This pattern takes exponential time where patterns are tried by backtracking.
        let word = "a".repeat(50_000) + "!";
        assert!(
            check
                .check_value(&json!({"count": 1, "word": word}))
                .is_err()
        );
    }

    #[test]
    fn pattern_that_refers_back_has_a_limit_of_steps() {
        let schema = json!({"type": "object", "properties": {
            "word": {"type": "string", "pattern": r"^(a*)(a*)\1\2b$"},
        }});
        let check = SchemaCheck::of_arguments(schema.as_object().unwrap()).unwrap();
        assert_eq!(check.check_value(&json!({"word": "aab"})), Ok(()));
        assert!(check.check_value(&json!({"word": "x"})).is_err());
        let word = "a".repeat(5_000) + "!";
        assert_eq!(check.check_value(&json!({"word": word})), Ok(()));
    }
}
