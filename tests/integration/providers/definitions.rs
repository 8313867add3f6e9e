//! Definitions from elsewhere, and arguments against their schemas.

use std::sync::Arc;

use kasm_mcp::tool::dynamic_tool::{BadToolDefinition, DynamicTool};
use serde_json::{Value, json};

use super::{Echo, SourceServer, definition, echo};

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_checked_against_the_schema() {
    let server = SourceServer::start().await;
    server.source.replace_tools([echo("one", "1")]);
    let reply = server
        .call("one", json!({ "text": "", "count": "2" }))
        .await;
    let args = json!({ "text": "", "count": 2 });
    assert_eq!(
        reply["data"]["args"], args,
        "an empty text stays, a number in a text is one"
    );
    for args in [
        json!({ "count": 4 }),
        json!({ "other": 1 }),
        json!({ "text": [1] }),
    ] {
        let reply = server.call("one", args.clone()).await;
        assert_eq!(reply["error_type"], "validation", "{args}: {reply}");
        assert_eq!(reply["code"], "argument_invalid", "{args}: {reply}");
    }
    let secret = server.call("one", json!({ "count": "s3cret" })).await;
    assert!(!secret.to_string().contains("s3cret"), "{secret}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_arguments_are_checked_too() {
    let mut large = definition("large");
    large.input_schema["properties"]["list"] =
        json!({ "type": "array", "items": { "type": "integer" } });
    let server = SourceServer::start().await;
    let tool = DynamicTool::new(large, Arc::new(Echo("1"))).unwrap();
    server.source.replace_tools([tool]);
    let mut list: Vec<Value> = (0..10_000).map(Value::from).collect();
    let reply = server.call("large", json!({ "list": list })).await;
    assert_eq!(reply["data"]["args"]["list"], Value::from(list.clone()));
    list.push("no number".into());
    let reply = server.call("large", json!({ "list": list })).await;
    assert_eq!(reply["code"], "argument_invalid", "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_that_breaks_its_schema_is_a_failure_that_may_have_acted() {
    let mut wrong = definition("wrong");
    let schema = json!({ "type": "object", "properties": { "word": { "type": "integer" } } });
    wrong.output_schema = schema.as_object().cloned();
    let server = SourceServer::start().await;
    let tool = DynamicTool::new(wrong, Arc::new(Echo("1"))).unwrap();
    server.source.replace_tools([tool]);
    let reply = server.call("wrong", json!({})).await;
    assert_eq!(reply["error_type"], "api");
    assert_eq!(reply["code"], "schema_violation");
}

#[tokio::test]
async fn definition_with_a_bad_name_or_schema_is_refused() {
    let refused = |definition| DynamicTool::new(definition, Arc::new(Echo("1"))).unwrap_err();
    assert_eq!(refused(definition("no spaces")), BadToolDefinition::Name);
    let mut remote = definition("remote");
    remote.input_schema["properties"] = json!({ "a": { "$ref": "https://example.com/schema" } });
    assert!(matches!(refused(remote), BadToolDefinition::InputSchema(_)));
    let mut circle = definition("circle");
    let schema = json!({ "$defs": { "a": { "$ref": "#/$defs/a" } } });
    circle.output_schema = schema.as_object().cloned();
    assert!(matches!(
        refused(circle),
        BadToolDefinition::OutputSchema(_)
    ));
}

#[tokio::test]
async fn text_of_a_definition_is_bounded_and_shows_what_it_says() {
    let mut long = definition("long");
    long.about = format!("\u{202e}hidden{}", "a".repeat(5_000));
    long.input_schema["properties"]["text"]["x-mcp-header"] = "Authorization".into();
    let tool = DynamicTool::new(long, Arc::new(Echo("1"))).unwrap();
    let info = tool.tool_info();
    assert_eq!(info.about.chars().count(), 1_024);
    assert!(info.about.starts_with("hidden"));
    let schema = Value::Object((*info.input_schema).clone());
    assert!(!schema.to_string().contains("x-mcp-header"), "{schema}");
}

#[tokio::test]
async fn name_of_an_earlier_source_stays_and_comes_free_with_it() {
    use kasm_mcp::tool::provider::Provider;
    use kasm_mcp::tool::registry::Registry;
    use kasm_mcp::tool::tool_table::DynamicToolSource;

    use crate::support::toolbox::DESCRIPTION;

    let (one, two) = (DynamicToolSource::default(), DynamicToolSource::default());
    let provider = |source: &DynamicToolSource| {
        Provider::new(DESCRIPTION).with_tool_source("things", source.clone())
    };
    let registry = Registry::new(std::time::Duration::from_secs(1), 1)
        .mount_provider(provider(&one))
        .mount_provider(provider(&two));
    let (first, second) = (echo("same", "1"), echo("same", "2"));
    assert!(one.replace_tools([first]).is_empty());
    let taken = two.replace_tools([second, echo("own", "2")]);
    assert_eq!(taken, ["same".into()]);
    let names = |registry: &Registry| {
        let tools = registry.current_tools();
        let names = tools.all_tools().map(|info| info.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&registry), ["same", "own"]);
    one.replace_tools([]);
    assert_eq!(names(&registry), ["same", "own"], "now it is the other's");
}
