//! A server whose only provider is another one: it says nothing of Kasm.

use kasm_emulator::Emulator;
use kasm_mcp::app::{self, ReachedBy};
use kasm_mcp::tool::provider::Provider;
use kasm_mcp::tool::tool_table::DynamicToolSource;
use serde_json::{Value, json};

use super::echo;
use crate::support::toolbox::{DESCRIPTION, http_client, serve_app};
use crate::support::{TOKEN, config, handshake, rpc};

#[tokio::test(flavor = "multi_thread")]
async fn server_with_another_provider_serves_and_says_nothing_of_kasm() {
    let emulator = Emulator::builder().start().await.unwrap();
    let mut config = config(&emulator, &[]);
    // No settings lead here yet: Kasm is the only provider that they can turn on.
    config.kasm = None;
    let source = DynamicToolSource::default();
    source.replace_tools([echo("one", "1")]);
    let provider = Provider::new(DESCRIPTION).with_tool_source("things", source);
    let built = app::build_with_providers(&config, ReachedBy::ByHttp, vec![provider]).unwrap();
    let (base, served) = serve_app(built.into_http().unwrap()).await;
    let http = http_client();
    let get = async |path: &str| -> Value {
        let answer = http.get(format!("{base}{path}")).bearer_auth(TOKEN);
        answer.send().await.unwrap().json().await.unwrap()
    };
    let ask = async |method: &str, params: Value| -> Value {
        let post = http.post(format!("{base}/mcp")).bearer_auth(TOKEN);
        let answer = post.json(&rpc(method, params)).send().await.unwrap();
        answer.json().await.unwrap()
    };
    let call = ask("tools/call", json!({ "name": "one", "arguments": {} })).await;
    assert_eq!(call["result"]["structuredContent"]["data"]["word"], "1");
    let opened = ask("initialize", handshake("2025-11-25")).await;
    let instructions = opened["result"]["instructions"].as_str().unwrap();
    assert!(
        instructions.starts_with("Tools of a test."),
        "{instructions}"
    );
    let health = get("/health").await;
    assert_eq!(health["status"], "ok");
    let texts = [
        opened,
        ask("tools/list", json!({})).await,
        ask("resources/list", json!({})).await,
        get("/openapi.json").await,
        get("/tools/list").await,
        health,
    ];
    for text in texts {
        // The name of the program is no word about Kasm.
        let text = text.to_string().replace("kasm-mcp", "");
        assert!(!text.to_lowercase().contains("kasm"), "{text}");
    }
    assert_eq!(emulator.requests().len(), 0, "Kasm was asked nothing");
    served.abort();
}
