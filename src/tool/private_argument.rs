//! Private arguments: typed text, file contents, passwords. Their type marks them, and the audit log then holds
//! only their size.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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

    /// Arguments in the form that may be recorded. Nothing is copied: the form exists only as it is written.
    #[must_use]
    pub fn recorded_object<'a>(&'a self, members: &'a JsonObject) -> RecordedObject<'a> {
        RecordedObject {
            rule: self,
            members,
        }
    }
}

/// Arguments that are written as they may be recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordedObject<'a> {
    rule: &'a RecordedArguments,
    members: &'a JsonObject,
}

impl Serialize for RecordedObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.rule {
            RecordedArguments::Members(known) => {
                let mut unknown = 0_u64;
                let mut recorded = serializer.serialize_map(None)?;
                for (name, value) in self.members {
                    match known.get(name) {
                        Some(rule) => {
                            recorded.serialize_entry(name, &RecordedValue { rule, value })?;
                        }
                        // Not even its name: a client that mixes up key and value would put a secret there.
                        None => unknown += 1,
                    }
                }
                if unknown > 0 {
                    recorded.serialize_entry("unknown_arguments", &unknown)?;
                }
                recorded.end()
            }
            RecordedArguments::All => self.members.serialize(serializer),
            RecordedArguments::Size | RecordedArguments::Items(_) => {
                serialize_size(serializer, json_length(self.members))
            }
        }
    }
}

/// A value that is written as it may be recorded.
struct RecordedValue<'a> {
    rule: &'a RecordedArguments,
    value: &'a Value,
}

impl Serialize for RecordedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.rule, self.value) {
            (RecordedArguments::All, Value::String(text)) if text.len() > TEXT_CHARS_MAX => {
                let end = text.char_indices().nth(TEXT_CHARS_MAX);
                let begins = end.map_or(text.as_str(), |(end, _)| &text[..end]);
                let mut recorded = serializer.serialize_map(Some(2))?;
                recorded.serialize_entry("begins", begins)?;
                recorded.serialize_entry("bytes", &text.len())?;
                recorded.end()
            }
            (RecordedArguments::All, value) => value.serialize(serializer),
            (rule @ RecordedArguments::Members(_), Value::Object(members)) => {
                rule.recorded_object(members).serialize(serializer)
            }
            (RecordedArguments::Items(rule), Value::Array(items)) => {
                serializer.collect_seq(items.iter().map(|value| RecordedValue { rule, value }))
            }
            (_, Value::Null) => serializer.serialize_unit(),
            (_, Value::String(text)) => serialize_size(serializer, text.len()),
            // A size if a text was expected, or another type was sent.
            (_, value) => serialize_size(serializer, json_length(value)),
        }
    }
}

fn serialize_size<S: Serializer>(serializer: S, bytes: usize) -> Result<S::Ok, S::Error> {
    let mut recorded = serializer.serialize_map(Some(1))?;
    recorded.serialize_entry("bytes", &bytes)?;
    recorded.end()
}

/// How long a value is as JSON. It is counted while it is written to nowhere.
fn json_length(value: &impl Serialize) -> usize {
    let mut counted = CountedBytes(0);
    // The counter takes all bytes, so this cannot fail.
    let _written = serde_json::to_writer(&mut counted, value);
    counted.0
}

struct CountedBytes(usize);

impl io::Write for CountedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let written = recorded.recorded_object(args.as_object().unwrap());
        let written = serde_json::to_value(written).unwrap();
        let wanted = json!({
            "name": "n", "text": { "bytes": 6 }, "unknown_arguments": 1,
            "lines": [{ "at": 1, "words": { "bytes": 6 } }, { "words": { "bytes": 10 } }],
        });
        assert_eq!(written, wanted);
    }
}
