//! What a careless client makes of plain arguments.

use serde_json::{Map, Value, json};

/// The same arguments as a careless client sends them: everything that is no text is in a text,
/// whole numbers have a fraction, and what the tool does not need is there as `unset`.
pub fn careless(schema: &Map<String, Value>, args: &Value, unset: &Value) -> Value {
    let mut sent = Map::new();
    for (name, value) in args.as_object().unwrap() {
        sent.insert(name.clone(), in_text(value));
    }
    let properties = schema["properties"].as_object().unwrap();
    for name in properties.keys() {
        let is_value = name == "text" && unset == "";
        if !is_value && !sent.contains_key(name) {
            sent.insert(name.clone(), unset.clone());
        }
    }
    for key in ["toolCallId", "sessionId", "action", "chatInput", "tool"] {
        sent.insert(key.to_owned(), json!("x"));
    }
    if properties.is_empty() {
        sent.insert("random_string".to_owned(), json!("x"));
    }
    Value::Object(sent)
}

fn in_text(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(in_text).collect();
            Value::Array(items).to_string().into()
        }
        Value::Object(members) => {
            let mut members = members.clone();
            members.retain(|_, value| !value.is_null());
            for value in members.values_mut().filter(|value| !value.is_string()) {
                *value = in_text(value);
            }
            Value::Object(members).to_string().into()
        }
        Value::Number(number) if number.is_u64() => format!("{number}.0").into(),
        Value::Bool(true) => "True".into(),
        Value::Number(_) | Value::Bool(_) => value.to_string().into(),
        Value::String(_) | Value::Null => value.clone(),
    }
}
