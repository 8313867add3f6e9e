//! Prompts, and that all that the catalogue names is there.

use std::collections::BTreeMap;

use kasm_mcp::app::{self, ReachedBy};
use kasm_mcp::mcp;
use kasm_mcp::providers::kasm::CATALOGUE;
use kasm_mcp::tool::catalogue::GivenArguments;
use serde_json::{Value, json};

use super::{Asker, WAYS, texts};
use crate::support::{TestServer, config};

const PROMPTS: [&str; 6] = [
    "set_up_development_environment",
    "research_in_browser",
    "fill_in_web_form",
    "try_out_software",
    "find_out_why",
    "tidy_up_sessions",
];

#[tokio::test]
async fn prompts_get_fills_arguments_in() {
    let server = TestServer::start().await;
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let list = asker.result("prompts/list", json!({})).await;
        assert_eq!(texts(&list["prompts"], "name"), PROMPTS, "{way}");
        if asker.is_modern() {
            assert_eq!(list["cacheScope"], "private");
            assert!(list["ttlMs"].as_u64().unwrap() > 0);
        }
        for prompt in list["prompts"].as_array().unwrap() {
            let mut arguments = json!({});
            for argument in prompt["arguments"].as_array().into_iter().flatten() {
                let name = argument["name"].as_str().unwrap();
                arguments[name] = format!("<{name} of mine>").into();
            }
            let params = json!({ "name": prompt["name"], "arguments": arguments });
            let result = asker.result("prompts/get", params).await;
            let [message] = &result["messages"].as_array().unwrap()[..] else {
                panic!("{result}")
            };
            assert_eq!(message["role"], "user");
            let text = message["content"]["text"].as_str().unwrap();
            assert!(text.len() < 2_000, "terse: {text}");
            for argument in prompt["arguments"].as_array().into_iter().flatten() {
                let name = argument["name"].as_str().unwrap();
                // Who names a session needs no workspace.
                let said = text.contains(&format!("<{name} of mine>"));
                let has_session = arguments.get("kasm_id").is_some();
                assert!(
                    said || (name == "image_name" && has_session),
                    "{name}: {text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn prompts_get_with_bad_arguments_names_the_known() {
    let server = TestServer::start().await;
    let cases = [
        (json!({ "name": "nope" }), "research_in_browser"),
        (json!({ "name": "find_out_why" }), "`problem` is missing"),
        (
            json!({ "name": "find_out_why", "arguments": { "problem": " " } }),
            "`problem` is missing",
        ),
        (
            json!({ "name": "find_out_why", "arguments": { "problem": "x", "other": "y" } }),
            "unknown argument `other`. The arguments of `find_out_why` are problem, kasm_id?",
        ),
        (
            json!({ "name": "find_out_why", "arguments": { "problem": 1 } }),
            "`problem` must be text",
        ),
        (
            json!({ "name": "find_out_why", "arguments": { "problem": "x".repeat(20_000) } }),
            "more than 16384 characters",
        ),
    ];
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        for (params, words) in &cases {
            let (code, message) = asker.error("prompts/get", params.clone()).await;
            assert_eq!(code, -32602, "{way}: {message}");
            assert!(message.contains(words), "{way}: {message}");
        }
    }
}

#[tokio::test]
async fn prompts_without_their_tools_are_not_listed() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:read")]).await;
    let mut asker = Asker::connect(&server, "bare").await;
    let list = asker.result("prompts/list", json!({})).await;
    assert_eq!(texts(&list["prompts"], "name"), ["find_out_why"]);
    let arguments = json!({ "question": "x" });
    let params = json!({ "name": "research_in_browser", "arguments": arguments });
    let (code, message) = asker.error("prompts/get", params).await;
    assert_eq!(code, -32602);
    assert!(
        message.ends_with("the prompts are find_out_why"),
        "{message}"
    );
    // Reading is for readers.
    let read = asker
        .result("resources/read", json!({ "uri": "kasm://sessions" }))
        .await;
    assert!(read["contents"][0]["text"].is_string());
}

#[tokio::test]
async fn catalogue_names_only_existing_tools_and_arguments() {
    let emulator = kasm_emulator::Emulator::builder().start().await.unwrap();
    let config = config(&emulator, &[]);
    let registry = app::build_application(&config, ReachedBy::ByStdio)
        .unwrap()
        .registry;
    let tools = registry.current_tools();
    let argument = |tool: &str, name: &str| {
        let info = tools
            .tool_info(tool)
            .unwrap_or_else(|| panic!("no tool {tool}"));
        info.input_schema["properties"].get(name).is_some()
    };
    for resource in CATALOGUE.resources {
        tools.tool_info(resource.tool).unwrap();
        if let Some(variable) = resource.uri_variable() {
            assert!(argument(resource.tool, variable), "{}", resource.uri);
            assert!(CATALOGUE.values_of(variable).is_some(), "{}", resource.uri);
        }
        for tool in resource.changed_by {
            assert!(
                !tools.tool_info(tool).unwrap().effect.is_read_only(),
                "{tool}"
            );
        }
    }
    for values in CATALOGUE.values {
        let info = tools.tool_info(values.tool).unwrap();
        assert!(info.effect.is_read_only() && info.input_schema.get("required").is_none());
        let data = &info.output_schema["properties"]["data"];
        let entry = &data["properties"][values.list]["items"]["properties"];
        for name in values.names {
            assert!(entry.get(name).is_some(), "{name} in {entry}");
        }
    }
    for prompt in CATALOGUE.prompts {
        for tool in prompt.needs {
            tools.tool_info(tool).unwrap();
        }
        for given in [false, true] {
            let arguments = prompt
                .arguments
                .iter()
                .filter(|argument| given || argument.required);
            let arguments: BTreeMap<_, _> =
                arguments.map(|one| (one.name, "X".to_owned())).collect();
            let text = (prompt.text)(&GivenArguments(arguments));
            for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
                let other = ["kasm_id", "image_name", "frame_id"].contains(&word);
                assert!(
                    !word.contains('_') || other || tools.tool_info(word).is_some(),
                    "{word}"
                );
            }
        }
    }
    drop(mcp::McpServer::new(registry));
    assert_eq!(Value::from(CATALOGUE.prompts.len()), PROMPTS.len());
}
