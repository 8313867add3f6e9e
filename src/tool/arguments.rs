//! Converts arguments from the forms that clients send.
//!
//! Some clients fill every field of a form, some send JSON as text, some add their own keys. The tool's
//! schema decides here, in one place, what such arguments mean: the registry calls
//! [`ArgumentForms::mend_arguments`] before any other code sees the arguments. A value is changed only if the
//! schema allows one meaning; other values stay as sent, and are refused by name.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::JsonObject;
use super::sent_arguments::{json_in_text, object_in};

/// The schema member that marks an optional text whose empty value differs from its absence. It is removed
/// before clients see the schema.
const KEEPS_EMPTY: &str = "x-keeps-empty";
/// Keys that clients add to the arguments of each call.
const CLIENT_KEYS: [&str; 5] = ["toolCallId", "sessionId", "action", "chatInput", "tool"];
/// A key that some clients add to calls of tools without arguments.
const PLACEHOLDER_KEY: &str = "random_string";
/// Whole floating-point numbers below this are exact (2^53).
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// The accepted forms of a tool's arguments, derived once from its schema.
#[derive(Clone, Debug)]
pub struct ArgumentForms(MemberForms);

type MemberForms = BTreeMap<String, MemberForm>;

#[derive(Clone, Debug)]
struct MemberForm {
    form: ValueForm,
    is_required: bool,
    keeps_empty: bool,
}

/// The form that a schema requires in one place.
#[derive(Clone, Debug)]
enum ValueForm {
    Text,
    WholeNumber,
    Number,
    Boolean,
    List(Box<Self>),
    Object(MemberForms),
    /// Any keys, with values of one form.
    Map(Box<Self>),
    Unknown,
}

impl ArgumentForms {
    /// Derives the forms from the schema of a tool's arguments, and removes the marks that only this needs.
    #[must_use]
    pub fn take_from(schema: &mut JsonObject) -> Self {
        Self(take_members(schema))
    }

    /// The forms of a schema from elsewhere. What an empty text means there is not known, so it stays.
    #[must_use]
    pub fn of_foreign(schema: &JsonObject) -> Self {
        let mut members = take_members(&mut schema.clone());
        keep_empty_texts(&mut members);
        Self(members)
    }

    /// Converts arguments to the form of the schema. `null` and an empty optional text count as absent. JSON in
    /// a text is parsed if an array or an object is required; so are exact numbers and booleans in a text, and
    /// whole numbers such as `30.0`. Keys that clients add themselves are removed.
    #[must_use]
    pub fn mend_arguments(&self, mut args: JsonObject) -> JsonObject {
        // An argument of the tool that has such a name stays.
        args.retain(|name, _| self.0.contains_key(name) || !self.is_client_key(name));
        mend_members(&self.0, &mut args);
        args
    }

    fn is_client_key(&self, name: &str) -> bool {
        CLIENT_KEYS.contains(&name) || (self.0.is_empty() && name == PLACEHOLDER_KEY)
    }
}

fn keep_empty_texts(members: &mut MemberForms) {
    for member in members.values_mut() {
        member.keeps_empty = true;
        if let ValueForm::Object(inside) = &mut member.form {
            keep_empty_texts(inside);
        }
    }
}

fn take_members(schema: &mut JsonObject) -> MemberForms {
    let required = match schema.get("required") {
        Some(Value::Array(names)) => names.clone(),
        Some(_) | None => Vec::new(),
    };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return MemberForms::new();
    };
    let members = properties.iter_mut().map(|(name, schema)| {
        let keeps_empty = schema
            .as_object_mut()
            .is_some_and(|schema| schema.remove(KEEPS_EMPTY).is_some());
        let member = MemberForm {
            form: ValueForm::take_from(schema),
            is_required: required.iter().any(|required| required == name),
            keeps_empty,
        };
        (name.clone(), member)
    });
    members.collect()
}

impl ValueForm {
    fn take_from(schema: &mut Value) -> Self {
        let Some(schema) = schema.as_object_mut() else {
            return Self::Unknown;
        };
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("integer") => Self::WholeNumber,
            Some("number") => Self::Number,
            Some("boolean") => Self::Boolean,
            Some("array") => {
                let items = schema.get_mut("items").map(Self::take_from);
                Self::List(Box::new(items.unwrap_or(Self::Unknown)))
            }
            Some("object") if schema.contains_key("properties") => {
                Self::Object(take_members(schema))
            }
            Some("object") => {
                let values = schema.get_mut("additionalProperties").map(Self::take_from);
                Self::Map(Box::new(values.unwrap_or(Self::Unknown)))
            }
            // Several types, or none: the schema does not say what a text stands for, so it stays a text.
            Some(_) | None => Self::Unknown,
        }
    }

    fn mend_value(&self, value: &mut Value) {
        match self {
            Self::Text | Self::Unknown => {}
            Self::WholeNumber => replace_value(value, whole_number(value)),
            Self::Number => replace_value(value, number_in_text(value).map(Value::Number)),
            Self::Boolean => replace_value(value, boolean_in_text(value)),
            Self::List(item) => {
                replace_value(value, json_in_text(value).filter(Value::is_array));
                if let Value::Array(items) = value {
                    items.iter_mut().for_each(|each| item.mend_value(each));
                }
            }
            Self::Object(members) => {
                replace_value(value, object_in(value).map(Value::Object));
                if let Value::Object(object) = value {
                    mend_members(members, object);
                }
            }
            Self::Map(each) => {
                replace_value(value, object_in(value).map(Value::Object));
                if let Value::Object(object) = value {
                    object
                        .values_mut()
                        .for_each(|value| each.mend_in_map(value));
                }
            }
        }
    }

    /// Converts a value of a map. The keys are the caller's, so a client cannot see in the schema that
    /// `{"PORT": 8080}` needs a text.
    fn mend_in_map(&self, value: &mut Value) {
        // No fractions: `1.10` has already become 1.1, and its text would not be what was meant.
        if matches!(self, Self::Text) && (value.is_boolean() || value.is_i64() || value.is_u64()) {
            *value = Value::String(value.to_string());
        }
        self.mend_value(value);
    }
}

fn mend_members(members: &MemberForms, object: &mut JsonObject) {
    object.retain(|name, value| {
        let Some(member) = members.get(name) else {
            return true;
        };
        // Forms send null or an empty text for a field that was left blank.
        let is_empty_text = value.as_str() == Some("");
        if value.is_null() || (is_empty_text && !member.is_required && !member.keeps_empty) {
            return false;
        }
        member.form.mend_value(value);
        true
    });
}

fn replace_value(value: &mut Value, mended: Option<Value>) {
    if let Some(mended) = mended {
        *value = mended;
    }
}

fn number_in_text(value: &Value) -> Option<Number> {
    match json_in_text(value)? {
        Value::Number(number) => Some(number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn whole_number(value: &Value) -> Option<Value> {
    if value.is_i64() || value.is_u64() {
        return None;
    }
    let number = match value {
        Value::Number(number) => number.clone(),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            number_in_text(value)?
        }
    };
    if number.is_i64() || number.is_u64() {
        return Some(Value::Number(number));
    }
    let float = number.as_f64()?;
    // From 2^53 on a float may be another whole number than the one that was written.
    if float.fract() != 0.0 || float.abs() >= EXACT_BELOW {
        return None;
    }
    // Without fraction and exponent, the text of the float is that of the whole number.
    format!("{float:.0}").parse::<i64>().ok().map(Value::from)
}

fn boolean_in_text(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match (is("true"), is("false")) {
        (true, _) => Some(Value::Bool(true)),
        (_, true) => Some(Value::Bool(false)),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::tool::schema;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Args {
        kasm_id: String,
        count: Option<u32>,
        seconds: Option<f64>,
        wait: Option<bool>,
        note: Option<String>,
        #[schemars(extend("x-keeps-empty" = true))]
        text: Option<String>,
        environment: Option<BTreeMap<String, String>>,
        steps: Option<Vec<Step>>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Step {
        kind: String,
        x: Option<u16>,
        button: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    struct NoArgs {}

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct OwnAction {
        action: Option<u32>,
    }

    fn mend<T: JsonSchema>(args: Value) -> Value {
        let mut schema = schema::arguments_schema::<T>();
        let forms = ArgumentForms::take_from(&mut schema);
        assert!(!Value::Object(schema).to_string().contains(KEEPS_EMPTY));
        Value::Object(forms.mend_arguments(args.as_object().cloned().unwrap()))
    }

    #[test]
    fn argument_values_with_one_meaning_are_converted() {
        let steps = json!([{ "kind": "a", "x": 1 }]);
        for (sent, read) in [
            (json!({ "count": "30" }), json!({ "count": 30 })),
            (json!({ "count": 30.0 }), json!({ "count": 30 })),
            (json!({ "count": "30.0" }), json!({ "count": 30 })),
            (json!({ "count": "1e2" }), json!({ "count": 100 })),
            (json!({ "count": -0.0 }), json!({ "count": 0 })),
            (json!({ "seconds": "1.5" }), json!({ "seconds": 1.5 })),
            (json!({ "wait": "true" }), json!({ "wait": true })),
            (json!({ "wait": "False" }), json!({ "wait": false })),
            (
                json!({ "note": "", "count": "", "environment": "" }),
                json!({}),
            ),
            (json!({ "text": "" }), json!({ "text": "" })),
            (json!({ "kasm_id": "" }), json!({ "kasm_id": "" })),
            (
                json!({ "note": null, "kasm_id": null, "text": null }),
                json!({}),
            ),
            (
                json!({ "steps": steps.to_string() }),
                json!({ "steps": steps }),
            ),
            (
                json!({ "steps": ["{\"kind\":\"a\",\"x\":\"1\",\"button\":\"\"}"] }),
                json!({ "steps": steps }),
            ),
            (
                json!({ "environment": "{\"A\":\"1\",\"B\":\"\"}" }),
                json!({ "environment": { "A": "1", "B": "" } }),
            ),
            (
                json!({ "environment": { "PORT": 8080, "DEBUG": true } }),
                json!({ "environment": { "PORT": "8080", "DEBUG": "true" } }),
            ),
            (json!({ "environment": [] }), json!({ "environment": {} })),
            (
                json!({ "toolCallId": "1", "sessionId": "2", "action": 3, "chatInput": {}, "tool": "x" }),
                json!({}),
            ),
        ] {
            assert_eq!(mend::<Args>(sent.clone()), read, "{sent}");
        }
        assert_eq!(mend::<NoArgs>(json!({ "random_string": "x" })), json!({}));
        assert_eq!(
            mend::<OwnAction>(json!({ "action": "3" })),
            json!({ "action": 3 })
        );
    }

    #[test]
    fn argument_values_without_one_meaning_are_unchanged() {
        for sent in [
            json!({ "count": 30.5 }),
            json!({ "count": "30.5" }),
            json!({ "count": "030" }),
            json!({ "count": "many" }),
            json!({ "count": 1e300 }),
            json!({ "count": true }),
            json!({ "count": [] }),
            json!({ "seconds": "NaN" }),
            json!({ "wait": 1 }),
            json!({ "wait": "yes" }),
            json!({ "kasm_id": 5 }),
            json!({ "kasm_id": "30", "note": "[1]", "text": "true" }),
            json!({ "steps": "{}" }),
            json!({ "steps": "[" }),
            json!({ "environment": [1] }),
            json!({ "environment": { "A": 1.5 } }),
            json!({ "wait_secs": "1", "random_string": "x" }),
        ] {
            assert_eq!(mend::<Args>(sent.clone()), sent);
        }
    }
}
