//! One way to call a tool for each transport.

use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{RoleClient, ServiceExt};
use serde_json::{Value, json};

use super::sse_client::SseClient;
use super::{TOKEN, TestServer, rpc};

/// A connected client of some transport.
pub enum Client {
    /// The Rust SDK's own client, over Streamable HTTP or stdio.
    Sdk(RunningService<RoleClient, ()>),
    Sse(Box<SseClient>),
    /// Revision 2026-07-28, by hand: a POST with its headers.
    Modern,
    /// A POST with nothing but a content type.
    Bare,
}

/// All transports.
pub const TRANSPORTS: [&str; 7] = [
    "streamable",
    "stdio",
    "sse /sse",
    "sse /mcp",
    "sse /",
    "modern",
    "bare",
];

impl Client {
    pub async fn connect(server: &TestServer, transport: &str) -> Self {
        match transport {
            "streamable" => {
                let config =
                    StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
                Self::Sdk(
                    ().serve(StreamableHttpClientTransport::from_config(config))
                        .await
                        .unwrap(),
                )
            }
            "stdio" => {
                let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"));
                let sources = super::sources(&server.emulator, &[]);
                command
                    .arg("stdio")
                    .env_clear()
                    .envs(sources.environment)
                    .kill_on_drop(true);
                Self::Sdk(
                    ().serve(TokioChildProcess::new(command).unwrap())
                        .await
                        .unwrap(),
                )
            }
            "modern" => Self::Modern,
            "bare" => Self::Bare,
            sse => {
                let path = sse.strip_prefix("sse ").unwrap();
                Self::Sse(Box::new(SseClient::connect(&server.base, path).await))
            }
        }
    }

    /// Calls a tool and returns the reply form.
    pub async fn call(&mut self, server: &TestServer, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        match self {
            Self::Sdk(client) => {
                let arguments = arguments.as_object().cloned().unwrap();
                let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
                client.call_tool(params).await.unwrap().structured_content.unwrap()
            }
            Self::Sse(client) => client.request("tools/call", params).await["result"]["structuredContent"].clone(),
            Self::Modern => modern(server, "tools/call", params, Some(tool)).await["result"]["structuredContent"].clone(),
            Self::Bare => server.call(tool, arguments).await,
        }
    }

    /// The names of the tools it lists.
    pub async fn tools(&mut self, server: &TestServer) -> Vec<String> {
        let list = match self {
            Self::Sdk(client) => {
                let tools = client.list_all_tools().await.unwrap();
                return tools
                    .into_iter()
                    .map(|tool| tool.name.into_owned())
                    .collect();
            }
            Self::Sse(client) => client.request("tools/list", json!({})).await,
            Self::Modern => modern(server, "tools/list", json!({}), None).await,
            Self::Bare => server
                .post(&rpc("tools/list", json!({})))
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap(),
        };
        let tools = list["result"]["tools"].as_array().unwrap();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A request of revision 2026-07-28.
pub async fn modern(server: &TestServer, method: &str, params: Value, name: Option<&str>) -> Value {
    let answer = modern_request(server, method, params, name)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

pub fn modern_request(
    server: &TestServer,
    method: &str,
    mut params: Value,
    name: Option<&str>,
) -> reqwest::RequestBuilder {
    let own = [
        ("protocolVersion", json!("2026-07-28")),
        ("clientCapabilities", json!({})),
        (
            "clientInfo",
            json!({ "name": "integration", "version": "1" }),
        ),
    ];
    for (key, value) in own {
        params["_meta"][format!("io.modelcontextprotocol/{key}")] = value;
    }
    let request = server
        .post(&rpc(method, params))
        .header("mcp-protocol-version", "2026-07-28");
    let request = request
        .header("mcp-method", method)
        .header("accept", "application/json, text/event-stream");
    match name {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}
