//! JSON Schemas that every client and model API accepts, and parsing of arguments.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::JsonObject;
use super::error::ToolError;

/// The schema of a tool's arguments: one flat object without unknown members.
#[must_use]
pub fn arguments_schema<T: JsonSchema>() -> JsonObject {
    let mut schema = plain_schema::<T>(NullHandling::Absent);
    // A type without fields has a schema without these members, but MCP requires an object.
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// The schema of a tool's reply: the success form with its `data`, or the failure form.
#[must_use]
pub fn reply_schema<T: JsonSchema>() -> JsonObject {
    reply_form(plain_schema::<T>(NullHandling::Said).into())
}

/// The reply form around a schema of `data`.
#[must_use]
pub fn reply_form(data: Value) -> JsonObject {
    let form = json!({
        "type": "object",
        "properties": {
            "success": { "type": "boolean" },
            "data": data,
            "message": { "type": "string" },
            "error": { "type": "string" },
            "error_type": { "type": "string" },
            "code": { "type": "string" },
            "hint": { "type": "string" },
        },
        "required": ["success"],
    });
    match form {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            JsonObject::new()
        }
    }
}

/// Parses arguments. The error names the argument and the expected type.
///
/// # Errors
/// `validation`: an unknown, missing or mistyped argument.
pub fn read_arguments<T: DeserializeOwned + JsonSchema>(args: JsonObject) -> Result<T, ToolError> {
    serde_path_to_error::deserialize(Value::Object(args)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        let message = if path == "." {
            cause.to_string()
        } else {
            format!("argument `{path}`: {cause}")
        };
        ToolError::validation(message, arguments_hint(&arguments_schema::<T>()))
            .with_code("argument_invalid")
    })
}

/// Refuses arguments that are not in the schema, so that a misspelt option is not ignored.
///
/// # Errors
/// `validation`, with the name of the argument and the existing ones.
pub fn refuse_unknown(schema: &JsonObject, args: &JsonObject) -> Result<(), ToolError> {
    let known = schema.get("properties").and_then(Value::as_object);
    let unknown = args
        .keys()
        .find(|name| known.is_none_or(|known| !known.contains_key(*name)));
    match unknown {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(64).collect();
            Err(
                ToolError::validation(format!("unknown argument `{name}`"), arguments_hint(schema))
                    .with_code("argument_unknown"),
            )
        }
    }
}

fn arguments_hint(schema: &JsonObject) -> String {
    let names = |key: &str| -> Vec<String> {
        match schema.get(key) {
            Some(Value::Object(map)) => map.keys().cloned().collect(),
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                Vec::new()
            }
        }
    };
    let required = names("required");
    let all = names("properties").into_iter();
    let all: Vec<_> = all
        .map(|n| {
            if required.contains(&n) {
                n
            } else {
                format!("{n}?")
            }
        })
        .collect();
    if all.is_empty() {
        return "call it without arguments".to_owned();
    }
    format!(
        "the arguments are: {} (`?` marks optional ones)",
        all.join(", ")
    )
}

/// The meaning of null.
#[derive(Clone, Copy)]
enum NullHandling {
    /// In arguments: absent. An argument is optional if it is not required.
    Absent,
    /// In replies: a value, which clients that validate a reply must find in the schema.
    Said,
}

/// A schema without `$ref`, titles and number formats, and for arguments without unions with null: some model
/// APIs refuse these.
fn plain_schema<T: JsonSchema>(null: NullHandling) -> JsonObject {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut value = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    simplify_schema(&mut value, null);
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            JsonObject::new()
        }
    }
}

fn simplify_schema(schema: &mut Value, null: NullHandling) {
    match schema {
        Value::Object(map) => {
            // A property may be called `title` or `format`. Its schema is an object, and the annotation is a
            // text.
            if map.get("title").is_some_and(Value::is_string) {
                map.remove("title");
            }
            if map.get("format").is_some_and(Value::is_string) {
                map.remove("format");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                // Line breaks of the source are irrelevant to a model.
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            if matches!(null, NullHandling::Absent) {
                drop_null(map);
            }
            // After null is gone, an optional choice of words is a plain one and can be merged.
            join_words(map);
            map.values_mut()
                .for_each(|inside| simplify_schema(inside, null));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|inside| simplify_schema(inside, null)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Merges a choice of words into one `enum`; documented variants are a choice of constants.
fn join_words(map: &mut JsonObject) {
    let Some(Value::Array(options)) = map.get("oneOf") else {
        return;
    };
    let words = options.iter().map(|option| match option.get("enum") {
        Some(Value::Array(words)) => Some(words.clone()),
        _ => option.get("const").map(|word| vec![word.clone()]),
    });
    let words: Option<Vec<_>> = words.collect();
    if let Some(words) = words.map(|words| words.concat())
        && words.iter().all(Value::is_string)
    {
        map.remove("oneOf");
        map.insert("type".to_owned(), "string".into());
        map.insert("enum".to_owned(), words.into());
    }
}

fn drop_null(map: &mut JsonObject) {
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|t| t != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            map.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(mut options)) = map.remove("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|t| t != "null"));
        match (options.len(), options.pop()) {
            (1, Some(Value::Object(only))) => {
                for (key, value) in only {
                    // The description of the member wins over that of its type.
                    map.entry(key).or_insert(value);
                }
            }
            (_, Some(last)) => {
                options.push(last);
                map.insert("anyOf".to_owned(), Value::Array(options));
            }
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema and its reading matter")]
    struct Args {
        /// What to look at.
        name: String,
        /// How many.
        count: Option<u32>,
    }

    fn args(value: Value) -> JsonObject {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn argument_schema_of_optional_field_has_one_type() {
        let schema = arguments_schema::<Args>();
        assert_eq!(schema["properties"]["count"]["type"], "integer");
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn reply_schema_of_optional_field_allows_null() {
        let schema = reply_schema::<Args>();
        let count = &schema["properties"]["data"]["properties"]["count"];
        assert_eq!(count["type"], json!(["integer", "null"]));
    }

    #[test]
    fn bad_argument_is_named_in_error_and_hint() {
        let error = read_arguments::<Args>(args(json!({"name": "x", "count": "many"})))
            .err()
            .unwrap();
        assert!(error.message.contains("`count`"), "{}", error.message);
        assert!(
            error.hint.contains("name, ") || error.hint.contains("count?, name"),
            "{}",
            error.hint
        );
        let error = read_arguments::<Args>(args(json!({}))).err().unwrap();
        assert!(
            error.message.contains("missing field `name`"),
            "{}",
            error.message
        );
        let error =
            refuse_unknown(&arguments_schema::<Args>(), &args(json!({"nmae": 1}))).unwrap_err();
        assert!(error.message.contains("`nmae`"));
    }
}
