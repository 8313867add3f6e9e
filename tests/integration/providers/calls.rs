//! What a call of any provider has: its own time limit, several pictures, and the client's conversation.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use kasm_mcp::picture::Picture;
use kasm_mcp::tool::dynamic_tool::{DynamicHandler, DynamicTool};
use kasm_mcp::tool::{JsonObject, ToolCallContext, ToolError, ToolReply};
use serde_json::{Value, json};

use super::{SourceServer, definition};
use crate::resources::listener::Listener;
use crate::support::TOKEN;
use crate::support::sse_client::SseClient;

/// Never replies.
#[derive(Debug)]
struct Sleeper;

impl DynamicHandler for Sleeper {
    fn call<'a>(
        &'a self,
        _: ToolCallContext<'a, ()>,
        _: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        future::pending().boxed()
    }
}

/// Replies with two pictures and its conversation.
#[derive(Debug)]
struct Painter;

impl DynamicHandler for Painter {
    fn call<'a>(
        &'a self,
        cx: ToolCallContext<'a, ()>,
        _: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        let picture = |byte| Picture {
            bytes: vec![byte],
            media_type: "image/png",
            width: 1,
            height: 1,
        };
        let conversation = cx.conversation.map(|key| key.to_string());
        let reply = ToolReply::new(json!({ "conversation": conversation }), "painted");
        let reply = reply.with_picture(Some(picture(1)));
        future::ready(Ok(reply.with_picture(Some(picture(2))))).boxed()
    }
}

async fn server() -> SourceServer {
    let server = SourceServer::start().await;
    let mut brief = definition("brief");
    brief.time_limit = Some(Duration::from_millis(20));
    let brief = DynamicTool::new(brief, Arc::new(Sleeper)).unwrap();
    let paint = DynamicTool::new(definition("paint"), Arc::new(Painter)).unwrap();
    server.source.replace_tools([brief, paint]);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_with_a_time_limit_of_its_own_ends_at_it() {
    let server = server().await;
    // The server's own limit is 30 s.
    let call = server.call("brief", json!({}));
    let reply = tokio::time::timeout(Duration::from_secs(20), call).await;
    let reply = reply.expect("the limit of the tool comes first");
    assert_eq!(reply["error_type"], "timeout");
    assert_eq!(reply["code"], "tool_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_may_have_several_pictures() {
    let server = server().await;
    let params = json!({ "name": "paint", "arguments": {} });
    let answer = server.request("tools/call", params).await;
    let content = &answer["result"]["content"];
    let data = [1, 2].map(|place| content[place]["data"].as_str().unwrap().to_owned());
    assert_eq!(data, ["AQ==", "Ag=="], "{answer}");
    let post = server
        .http
        .post(format!("{}/api/v1/tools/paint", server.base));
    let answer = post
        .bearer_auth(TOKEN)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["image"]["data"], "AQ==", "{answer}");
    assert_eq!(answer["more_images"][0]["data"], "Ag==", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conversation_is_the_session_where_there_is_one() {
    let server = server().await;
    let listener = Listener::session(&server.base).await;
    let own = listener.call("paint", json!({})).await["conversation"].clone();
    assert_eq!(own.as_str(), listener.session.as_deref());
    let mut sse = SseClient::connect(&server.base, "/sse").await;
    let params = json!({ "name": "paint", "arguments": {} });
    let other = sse.request("tools/call", params).await;
    let other = &other["result"]["structuredContent"]["data"]["conversation"];
    assert!(other.is_string() && *other != own, "{other}");
    let bare = server.call("paint", json!({})).await;
    assert!(bare["data"]["conversation"].is_null(), "{bare}");
}
