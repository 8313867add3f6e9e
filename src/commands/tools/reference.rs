//! Every tool with its arguments and reply members, for docs/tools.md.

use std::fmt::Write as _;

use serde_json::Value;

use crate::providers::kasm::TOOLSETS;
use crate::tool::{Effect, JsonObject, ToolInfo};

/// One section per toolset, with one section per tool.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = String::new();
    for toolset in TOOLSETS {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _infallible = writeln!(out, "{gap}## {}\n\n{}.", toolset.name, toolset.about);
        for tool in toolset.tools {
            write_section(&mut out, &tool.info(toolset));
        }
    }
    out
}

fn write_section(out: &mut String, tool: &ToolInfo) {
    let effect = effect_text(tool.effect);
    let _infallible = write!(
        out,
        "\n### {}\n\n{} Scope `{}`; {effect}.\n",
        tool.name, tool.about, tool.scope
    );
    let mut rows = Vec::new();
    describe_object(&tool.input_schema, "", true, &mut rows);
    write_table(out, "Argument", &rows);
    rows.clear();
    if let Some(data) = data_of(&tool.output_schema) {
        describe_object(data, "", false, &mut rows);
    }
    write_table(out, "In `data` of the reply", &rows);
}

const fn effect_text(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "changes nothing",
        Effect::Write => "adds or changes something",
        Effect::Destroy => "ends or removes something; a repeated call has no further effect",
    }
}

fn data_of(schema: &JsonObject) -> Option<&JsonObject> {
    schema.get("properties")?.get("data")?.as_object()
}

/// One argument or member: its path, its type, and its meaning.
struct ArgumentRow {
    path: String,
    kind: String,
    about: String,
}

fn write_table(out: &mut String, title: &str, rows: &[ArgumentRow]) {
    if rows.is_empty() {
        return;
    }
    let _infallible = write!(out, "\n| {title} | Type | Meaning |\n| --- | --- | --- |\n");
    for row in rows {
        let _infallible = writeln!(
            out,
            "| `{}` | {} | {} |",
            row.path,
            row.kind,
            row.about.replace('|', "\\|")
        );
    }
}

/// The members of an object, with nested members.
fn describe_object(
    object: &JsonObject,
    path: &str,
    marks_required: bool,
    rows: &mut Vec<ArgumentRow>,
) {
    let required = object.get("required").and_then(Value::as_array);
    let members = object.get("properties").and_then(Value::as_object);
    for (name, member) in members.into_iter().flatten() {
        let Some(schema) = member.as_object() else {
            continue;
        };
        let needed = required.is_some_and(|list| list.iter().any(|entry| entry == name));
        let mark = if needed && marks_required {
            ", required"
        } else {
            ""
        };
        let about = schema.get("description").and_then(Value::as_str);
        let path = format!("{path}{name}");
        rows.push(ArgumentRow {
            path: path.clone(),
            kind: format!("{}{mark}", kind_of_value(schema)),
            about: about.unwrap_or_default().to_owned(),
        });
        match schema.get("items").and_then(Value::as_object) {
            Some(items) => describe_object(items, &format!("{path}[]."), marks_required, rows),
            None => describe_object(schema, &format!("{path}."), marks_required, rows),
        }
    }
}

/// A type in words: `integer, 0 to 10`, `array of string`, `left or right`.
fn kind_of_value(schema: &JsonObject) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter_map(Value::as_str);
        let values: Vec<String> = values.map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let name = match schema.get("type") {
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        Some(Value::String(name)) => name.clone(),
        _ => "any".to_owned(),
    };
    let name = match schema.get("items").and_then(Value::as_object) {
        Some(items) => format!("{name} of {}", kind_of_value(items)),
        None => name,
    };
    // A bound that is only the range of the number type does not help a reader.
    let bound = |key| schema.get(key).and_then(Value::as_u64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("{name}, {least} to {most}"),
        (Some(least), None) if least > 0 => format!("{name}, {least} or more"),
        _ => name,
    }
}
