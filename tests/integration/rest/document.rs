//! The OpenAPI document.

use kasm_mcp::caller::{Level, Realm, Scope};
use kasm_mcp::commands::{openapi, tools};
use serde_json::{Value, json};

use super::send;
use crate::support::TestServer;

/// How many operations ChatGPT takes.
const CHATGPT_OPERATIONS_MAX: usize = 30;

/// The place of the schema in an operation that is a contract of its own.
const REQUEST: &str = "/post/requestBody/content/application~1json/schema";
const DATA: &str = "/post/responses/200/content/application~1json/schema/properties/data";

#[test]
fn openapi_document_matches_the_snapshot() {
    let mut document = openapi::openapi_document(
        "https://kasm.example.com",
        Scope::new(Realm::KASM, Level::Admin),
    );
    document["info"]["version"] = "(this one)".into();
    let paths = document["paths"].as_object_mut().unwrap();
    let mut of_all = Value::Null;
    for (_, tool) in tools::listed_tools() {
        let operation = &mut paths[&format!("/api/v1/tools/{}", tool.name)];
        let mut take = |pointer: &str| {
            let place = operation.pointer_mut(pointer).unwrap();
            std::mem::replace(place, "(of the tool)".into())
        };
        assert_eq!(take(REQUEST), Value::Object((*tool.input_schema).clone()));
        assert_eq!(take(DATA), tool.output_schema["properties"]["data"]);
        let responses = take("/post/responses");
        assert!(of_all.is_null() || of_all == responses, "{}", tool.name);
        of_all = responses;
    }
    document["the responses of each"] = of_all;
    insta::assert_json_snapshot!("openapi", document);
}

#[test]
fn openapi_document_keeps_to_chatgpts_limits() {
    let document = openapi::openapi_document(
        "https://kasm.example.com",
        Scope::new(Realm::KASM, Level::Use),
    );
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() <= CHATGPT_OPERATIONS_MAX, "{}", paths.len());
    for (path, item) in paths {
        let about = item["post"]["description"].as_str().unwrap();
        assert!(about.chars().count() <= 300, "{path}");
        let arguments = item.pointer(REQUEST).unwrap();
        for (name, argument) in arguments["properties"].as_object().unwrap() {
            let about = argument["description"].as_str().unwrap_or_default();
            assert!(about.chars().count() <= 700, "{path} {name}");
        }
    }
}

#[test]
fn openapi_references_have_targets() {
    fn walk(value: &Value, document: &Value) {
        if let Some(reference) = value["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let inside: Vec<&Value> = match value {
            Value::Object(map) => map.values().collect(),
            Value::Array(list) => list.iter().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
        };
        inside.into_iter().for_each(|value| walk(value, document));
    }
    let document = openapi::openapi_document(
        "https://kasm.example.com",
        Scope::new(Realm::KASM, Level::Admin),
    );
    walk(&document, &document);
}

#[tokio::test]
async fn openapi_of_a_server_has_its_address_and_tools() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:use")]).await;
    let served = send(server.get("/openapi.json")).await;
    assert_eq!(served.status, 200);
    assert_eq!(
        served.body,
        openapi::openapi_document(&server.base, Scope::new(Realm::KASM, Level::Use))
    );
    let behind = server
        .get("/openapi.json")
        .header("x-forwarded-proto", "https");
    let url = &send(behind).await.body["servers"][0]["url"];
    assert_eq!(*url, server.base.replace("http:", "https:"));
}

#[tokio::test]
async fn openapi_with_public_url_has_that_address() {
    let settings = [
        ("MCP_PUBLIC_URL", "https://kasm.example.com/desk/mcp"),
        ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
    ];
    let server = TestServer::with(&settings).await;
    let served = send(server.get("/openapi.json")).await.body;
    let servers = json!([{ "url": "https://kasm.example.com/desk" }]);
    assert_eq!(served["servers"], servers);
}
