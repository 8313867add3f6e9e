//! Private arguments: typed text, file contents, passwords. Their type marks them, and the audit log then holds
//! only their size.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::JsonObject;

/// The schema member that marks a private argument. It is removed before clients see the schema.
const MARK: &str = "x-private";
/// The most characters of a text that are recorded.
const TEXT_CHARS_MAX: usize = 2_048;

/// An argument of which only the size is recorded.
#[derive(Clone, Default)]
pub struct PrivateArgument<T>(T);

impl<T> PrivateArgument<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for PrivateArgument<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for PrivateArgument<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PrivateArgument<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for PrivateArgument<T> {
    // A reference would hide the mark from `take_from`, which reads the properties only.
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Private_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.insert(MARK.to_owned(), true.into());
        schema
    }
}

/// How much of a value the audit log may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedArguments {
    /// The value, up to a length.
    All,
    /// Only its size.
    Size,
    /// Only these members; not even the names of others.
    Members(BTreeMap<String, Self>),
    /// This, for each item.
    Items(Box<Self>),
}

impl RecordedArguments {
    /// Reads the marks of a schema and removes them.
    #[must_use]
    pub fn take_from(schema: &mut JsonObject) -> Self {
        if schema.remove(MARK).is_some() {
            return Self::Size;
        }
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            let member = |(name, schema): (&String, &mut Value)| {
                let recorded = schema.as_object_mut().map_or(Self::All, Self::take_from);
                (name.clone(), recorded)
            };
            return Self::Members(properties.iter_mut().map(member).collect());
        }
        match schema.get_mut("items") {
            Some(Value::Object(items)) => Self::Items(Box::new(Self::take_from(items))),
            Some(_) | None => Self::All,
        }
    }

    /// `value` in the form that may be recorded.
    #[must_use]
    pub fn record_value(&self, value: &Value) -> Value {
        match (self, value) {
            (Self::All, Value::String(text)) if text.len() > TEXT_CHARS_MAX => {
                let begins: String = text.chars().take(TEXT_CHARS_MAX).collect();
                json!({ "begins": begins, "bytes": text.len() })
            }
            (Self::All, value) => value.clone(),
            (Self::Members(known), Value::Object(members)) => self.record_members(known, members),
            (Self::Items(each), Value::Array(items)) => {
                items.iter().map(|item| each.record_value(item)).collect()
            }
            (_, Value::Null) => Value::Null,
            (_, Value::String(text)) => json!({ "bytes": text.len() }),
            // A size if a text was expected, or another type was sent.
            (_, value) => json!({ "bytes": value.to_string().len() }),
        }
    }

    fn record_members(&self, known: &BTreeMap<String, Self>, members: &JsonObject) -> Value {
        let mut unknown = 0_u64;
        let mut recorded = JsonObject::new();
        for (name, value) in members {
            match known.get(name) {
                Some(each) => {
                    recorded.insert(name.clone(), each.record_value(value));
                }
                // Not even its name: a client that mixes up key and value would put a secret there.
                None => unknown += 1,
            }
        }
        if unknown > 0 {
            recorded.insert("unknown_arguments".to_owned(), unknown.into());
        }
        Value::Object(recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::schema;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Args {
        /// Who.
        name: String,
        /// What they type.
        text: Option<PrivateArgument<String>>,
        lines: Vec<Line>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Line {
        at: u32,
        words: PrivateArgument<String>,
    }

    #[test]
    fn private_arguments_are_recorded_by_size_only() {
        let mut schema = schema::arguments_schema::<Args>();
        let recorded = RecordedArguments::take_from(&mut schema);
        let public = Value::Object(schema).to_string();
        assert!(!public.contains(MARK), "{public}");
        assert!(public.contains("What they type"), "{public}");
        let args = json!({
            "name": "n", "text": "secret", "more": "secret",
            "lines": [{ "at": 1, "words": "secret" }, { "words": ["secret"] }],
        });
        let written = recorded.record_value(&args);
        let wanted = json!({
            "name": "n", "text": { "bytes": 6 }, "unknown_arguments": 1,
            "lines": [{ "at": 1, "words": { "bytes": 6 } }, { "words": { "bytes": 10 } }],
        });
        assert_eq!(written, wanted);
    }
}
