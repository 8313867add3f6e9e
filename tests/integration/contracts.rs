//! What others depend on: schemas, help texts, and documents made from the code.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use kasm_mcp::commands::{connect, tools};
use kasm_mcp::config::{VariableTable, all_variables};
use kasm_mcp::tool::ErrorType;
use serde_json::{Value, json};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The part of a document between two markers.
fn generated<'a>(document: &'a str, name: &str) -> &'a str {
    let (start, end) = (
        format!("<!-- {name}: generated -->\n"),
        format!("<!-- {name}: end -->"),
    );
    let rest = document
        .split_once(&start)
        .unwrap_or_else(|| panic!("no marker {start}"))
        .1;
    rest.split_once(&end).unwrap().0
}

#[test]
fn generated_documents_match_the_code() {
    assert_eq!(
        read(".env.example"),
        VariableTable.env_example(),
        "run `just docs`"
    );
    let readme = read("README.md");
    assert_eq!(
        generated(&readme, "settings"),
        VariableTable.markdown(),
        "run `just docs`"
    );
    assert_eq!(
        generated(&readme, "tools"),
        tools::tools_markdown(),
        "run `just docs`"
    );
}

#[test]
fn tool_reference_matches_the_code() {
    let document = read("docs/tools.md");
    let part = generated(&document, "tools --full");
    assert_eq!(
        part,
        tools::reference::reference_markdown(),
        "run `just docs`"
    );
    // The kinds of failures, each with a row.
    let schema = serde_json::to_value(schemars::schema_for!(ErrorType)).unwrap();
    let kinds = schema["oneOf"].as_array().unwrap();
    assert_eq!(kinds.len(), 11, "{schema}");
    for kind in kinds {
        let row = format!("| `{}` |", kind["const"].as_str().unwrap());
        assert!(document.contains(&row), "{row} is missing");
    }
}

#[test]
fn client_configurations_in_documents_match_the_code() {
    for name in ["README.md", "docs/clients.md"] {
        let document = read(name);
        let starts = document.lines().filter_map(|line| {
            let words = line
                .strip_prefix("<!-- ")?
                .strip_suffix(": generated -->")?;
            (words.split(' ').next() == Some("connect")).then_some(words)
        });
        let starts: Vec<_> = starts.collect();
        assert_eq!(starts.len(), 1, "{name}");
        let ids: Vec<_> = starts[0].split(' ').skip(1).collect();
        let part = connect::documented_clients(&ids).unwrap();
        assert_eq!(
            generated(&document, starts[0]),
            part,
            "{name}: run `just docs`"
        );
    }
}

#[test]
fn every_setting_is_documented_once() {
    for variable in all_variables() {
        assert!(variable.about.ends_with('.'), "{}", variable.name);
        let same = all_variables().filter(|other| other.name == variable.name);
        assert_eq!(same.count(), 1, "{}", variable.name);
    }
}

#[test]
fn every_tool_keeps_the_naming_and_schema_rules() {
    let mut names = Vec::new();
    for (_, tool) in tools::listed_tools() {
        assert!(!names.contains(&tool.name), "{} is there twice", tool.name);
        names.push(tool.name.clone());
        assert!(
            tool.name.len() <= 40
                && tool
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
        );
        assert!(
            tool.about.ends_with('.') && tool.about.len() <= 200,
            "{}: {}",
            tool.name,
            tool.about.len()
        );
        assert!(!tool.title.is_empty() && !tool.title.ends_with('.'));
        for key in ["anyOf", "oneOf", "allOf", "$ref"] {
            assert!(
                !tool.input_schema.contains_key(key),
                "{}: {key} at the top",
                tool.name
            );
        }
        assert_eq!(tool.input_schema["type"], "object");
        let text = Value::Object((*tool.input_schema).clone()).to_string();
        assert!(
            !text.contains("\"null\"") && !text.contains("$ref"),
            "{}: {text}",
            tool.name
        );
        for (argument, schema) in tool.input_schema["properties"].as_object().unwrap() {
            let plain =
                ["first_name", "last_name", "organization", "phone"].contains(&argument.as_str());
            assert!(
                plain || schema["description"].is_string(),
                "{}: {argument} is not described",
                tool.name
            );
        }
    }
    assert!(names.len() < 40, "{} tools", names.len());
}

/// The words that the schema languages of Anthropic, OpenAI (strict), Gemini and Mistral all have.
const SCHEMA_WORDS: [&str; 10] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "items",
    "maximum",
    "minimum",
    "properties",
    "required",
    "type",
];

/// Finds the words of a schema that are not in [`SCHEMA_WORDS`].
fn strange_words(schema: &Value, found: &mut Vec<String>) {
    let Value::Object(schema) = schema else {
        return;
    };
    for (word, inside) in schema {
        match word.as_str() {
            "properties" => {
                let properties = inside.as_object().unwrap();
                properties
                    .values()
                    .for_each(|schema| strange_words(schema, found));
            }
            "items" | "additionalProperties" => strange_words(inside, found),
            known if SCHEMA_WORDS.contains(&known) => {}
            strange => found.push(strange.to_owned()),
        }
    }
}

#[test]
fn input_schemas_have_only_keywords_that_model_apis_accept() {
    for (_, tool) in tools::listed_tools() {
        let schema = Value::Object((*tool.input_schema).clone());
        let mut found = Vec::new();
        strange_words(&schema, &mut found);
        assert!(found.is_empty(), "{}: {found:?}", tool.name);
    }
    let mut found = Vec::new();
    let schema = json!({ "items": { "properties": { "const": { "const": 1, "oneOf": [] } } } });
    strange_words(&schema, &mut found);
    assert_eq!(found, ["const", "oneOf"]);
}

#[test]
fn tools_that_continue_name_poll_and_stop_tools() {
    let all: Vec<_> = tools::listed_tools().map(|(_, info)| info).collect();
    let named = |name: &str| all.iter().find(|info| *info.name == *name).unwrap();
    let required = |schema: &Value| schema["required"].as_array().cloned().unwrap_or_default();
    for tool in &all {
        let Some(continues) = tool.continues else {
            continue;
        };
        let poll = named(continues.poll);
        let stop = named(continues.stop);
        let data =
            |tool: &kasm_mcp::tool::ToolInfo| tool.output_schema["properties"]["data"].clone();
        assert!(
            data(tool)["properties"]["running"].is_object(),
            "{}",
            tool.name
        );
        for key in continues.keys {
            assert_eq!(
                data(tool)["properties"][key]["type"],
                "string",
                "{}: {key}",
                tool.name
            );
            for follower in [poll, stop] {
                let argument = &follower.input_schema["properties"][key]["type"];
                assert_eq!(*argument, "string", "{}: {key}", follower.name);
            }
        }
        for argument in ["offset", "wait_seconds"] {
            assert_eq!(poll.input_schema["properties"][argument]["type"], "integer");
        }
        // Clients check the result of a task against the schema of the tool that began it.
        for member in required(&data(tool)) {
            assert!(
                required(&data(poll)).contains(&member),
                "{}: {member}",
                poll.name
            );
        }
    }
}

#[test]
fn tool_schemas_match_the_snapshots() {
    for (toolset, tool) in tools::listed_tools() {
        let contract = json!({
            "name": tool.name, "title": tool.title, "description": tool.about, "toolset": toolset.name,
            "scope": tool.scope.to_string(), "effect": format!("{:?}", tool.effect),
            "inputSchema": *tool.input_schema, "outputSchema": *tool.output_schema,
        });
        insta::assert_json_snapshot!(&*tool.name, contract);
    }
}

#[test]
fn help_matches_the_snapshots() {
    let mut command = kasm_mcp::cli::Cli::command();
    insta::assert_snapshot!("help", command.render_long_help().to_string());
    let check = command.find_subcommand_mut("check").unwrap();
    insta::assert_snapshot!("help_check", check.render_long_help().to_string());
}
