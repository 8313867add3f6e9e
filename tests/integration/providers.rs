//! Providers as values: tools that come and go, several providers in one server, and calls inside calls.

mod calls;
mod changing;
mod definitions;
mod inner;
mod transfers;
mod without_kasm;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kasm_mcp::caller::{Level, Realm, Scope};
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::ServeEnd;
use kasm_mcp::http::{HttpApp, HttpSettings, HttpState};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::tool::dynamic_tool::{DynamicHandler, DynamicTool, DynamicToolDefinition};
use kasm_mcp::tool::provider::Provider;
use kasm_mcp::tool::registry::Registry;
use kasm_mcp::tool::tool_table::DynamicToolSource;
use kasm_mcp::tool::{Effect, JsonObject, ToolCallContext, ToolError, ToolReply};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::toolbox::{DESCRIPTION, caller, http_client, serve_app};
use crate::support::{TOKEN, rpc};

/// Replies with its arguments and a word.
#[derive(Debug)]
pub struct Echo(pub &'static str);

impl DynamicHandler for Echo {
    fn call<'a>(
        &'a self,
        _: ToolCallContext<'a, ()>,
        args: JsonObject,
    ) -> BoxFuture<'a, Result<ToolReply<Value>, ToolError>> {
        async move {
            Ok(ToolReply::new(
                json!({ "word": self.0, "args": args }),
                "echoed",
            ))
        }
        .boxed()
    }
}

/// A definition that takes an optional text.
pub fn definition(name: &str) -> DynamicToolDefinition {
    let schema = json!({
        "type": "object",
        "properties": { "text": { "type": "string" }, "count": { "type": "integer", "maximum": 3 } },
        "additionalProperties": false,
    });
    DynamicToolDefinition {
        name: name.to_owned(),
        title: format!("The tool {name}"),
        about: format!("Is {name}."),
        toolset: "things",
        effect: Effect::Read,
        open_world: false,
        asks: false,
        scope: Scope::new(Realm::KASM, Level::Read),
        time_limit: None,
        input_schema: schema.as_object().cloned().unwrap(),
        output_schema: None,
    }
}

pub fn echo(name: &str, word: &'static str) -> DynamicTool {
    DynamicTool::new(definition(name), Arc::new(Echo(word))).unwrap()
}

/// A server whose only tools are those of a source.
pub struct SourceServer {
    pub base: String,
    pub source: DynamicToolSource,
    pub registry: Arc<Registry>,
    pub mcp: McpServer,
    pub http: reqwest::Client,
    served: JoinHandle<ServeEnd>,
}

impl SourceServer {
    pub async fn start() -> Self {
        let source = DynamicToolSource::default();
        let provider = Provider::new(DESCRIPTION).with_tool_source("things", source.clone());
        Self::with_provider(provider, source).await
    }

    pub async fn with_provider(provider: Provider, source: DynamicToolSource) -> Self {
        let registry = Registry::new(Duration::from_secs(30), 32).mount_provider(provider);
        Self::of_registry(registry, source).await
    }

    pub async fn of_registry(registry: Registry, source: DynamicToolSource) -> Self {
        let registry = Arc::new(registry);
        let mcp = McpServer::new(registry.clone());
        let auth = Authenticator::new(Some(&TOKEN.into()), caller("someone"));
        let settings = HttpSettings::for_this_machine();
        let state = HttpState::new(mcp.clone(), registry.clone(), auth, settings);
        let app = HttpApp::new(state.with_notices(mcp.change_notices()));
        let (base, served) = serve_app(app).await;
        Self {
            base,
            source,
            registry,
            mcp,
            http: http_client(),
            served,
        }
    }

    /// A bare JSON-RPC request.
    pub async fn request(&self, method: &str, params: Value) -> Value {
        let post = self.http.post(format!("{}/mcp", self.base));
        let post = post.bearer_auth(TOKEN).json(&rpc(method, params));
        post.send().await.unwrap().json().await.unwrap()
    }

    /// The reply form of a call.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.request("tools/call", params).await;
        answer["result"]["structuredContent"].clone()
    }

    /// A GET with the token.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http
            .get(format!("{}{path}", self.base))
            .bearer_auth(TOKEN)
    }
}

impl Drop for SourceServer {
    fn drop(&mut self) {
        self.served.abort();
    }
}
