//! The production stack with tools of a test: registry, MCP server, HTTP surface.

use std::sync::Arc;
use std::time::Duration;

use kasm_mcp::caller::{Caller, Level, Realm, Scope};
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::{ServeEnd, ServeLimits, serve_http};
use kasm_mcp::http::{HttpApp, HttpSettings, HttpState};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::mcp::approvals::ApprovalBook;
use kasm_mcp::tool::Toolset;
use kasm_mcp::tool::provider::{Provider, ProviderDescription};
use kasm_mcp::tool::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{TOKEN, rpc};

/// A server with the tools of a test on loopback, gone when dropped.
pub struct Toolbox<P> {
    pub provider: Arc<P>,
    /// Such as `http://127.0.0.1:4711`.
    pub base: String,
    pub http: reqwest::Client,
    served: JoinHandle<ServeEnd>,
}

/// What clients read of the tools of a test.
pub const DESCRIPTION: ProviderDescription = ProviderDescription {
    name: "test",
    realm: Realm::KASM,
    title: "Tools of a test",
    about: "Tools of a test",
    summary: "Tools of a test.",
    essence: "Tools of a test.",
    details: "",
};

/// Serves on loopback: the address, and the task that serves until it is aborted.
pub async fn serve_app(app: HttpApp) -> (String, JoinHandle<ServeEnd>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let limits = ServeLimits {
        header_timeout: Duration::from_secs(10),
        header_bytes_max: 1 << 16,
        connections_max: 100,
        drain: Duration::ZERO,
    };
    let served = tokio::spawn(serve_http(listener, app, limits, std::future::pending()));
    (base, served)
}

/// A client that does not wait for ever.
pub fn http_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(30));
    builder.build().unwrap()
}

/// A caller with all rights.
pub fn caller(name: &str) -> Caller {
    Caller::new(name, Scope::new(Realm::KASM, Level::Admin))
}

/// An MCP server with the tools of a test.
pub fn server<P: Send + Sync + 'static>(
    provider: &Arc<P>,
    toolset: Toolset<P>,
    consent: &ApprovalBook,
) -> McpServer {
    McpServer::new(registry(provider, std::slice::from_ref(&toolset))).with_consent(consent.clone())
}

fn registry<P: Send + Sync + 'static>(provider: &Arc<P>, toolsets: &[Toolset<P>]) -> Arc<Registry> {
    let provider = Provider::new(DESCRIPTION).with_toolsets(provider, toolsets);
    Arc::new(Registry::new(Duration::from_secs(30), 32).mount_provider(provider))
}

impl<P: Send + Sync + 'static> Toolbox<P> {
    /// Serves `toolsets` to the callers of `auth`.
    pub async fn serve(provider: Arc<P>, toolsets: &[Toolset<P>], auth: Authenticator) -> Self {
        let registry = registry(&provider, toolsets);
        let server = McpServer::new(registry.clone());
        Self::of_server(provider, server, registry, auth).await
    }

    /// Serves `toolset` to one caller.
    pub async fn start(
        provider: Arc<P>,
        toolset: Toolset<P>,
        caller: Caller,
        consent: &ApprovalBook,
    ) -> Self {
        let auth = Authenticator::new(Some(&TOKEN.into()), caller);
        let registry = registry(&provider, std::slice::from_ref(&toolset));
        let server = server(&provider, toolset, consent);
        Self::of_server(provider, server, registry, auth).await
    }

    async fn of_server(
        provider: Arc<P>,
        server: McpServer,
        registry: Arc<Registry>,
        auth: Authenticator,
    ) -> Self {
        let settings = HttpSettings::for_this_machine();
        let app = HttpApp::new(HttpState::new(server, registry, auth, settings));
        let (base, served) = serve_app(app).await;
        Self {
            provider,
            base,
            http: http_client(),
            served,
        }
    }

    /// A POST to `/mcp` with the token and nothing else that a transport asks for.
    pub fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        let url = format!("{}/mcp", self.base);
        self.http.post(url).bearer_auth(TOKEN).json(body)
    }

    /// A request of revision 2026-07-28 from a client with these capabilities.
    pub async fn modern(
        &self,
        method: &str,
        mut params: Value,
        name: &str,
        capabilities: Value,
    ) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities,
            "io.modelcontextprotocol/clientInfo": { "name": "integration", "version": "1" },
        });
        let request = self
            .post(&rpc(method, params))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name)
            .header("accept", "application/json, text/event-stream");
        request.send().await.unwrap().json().await.unwrap()
    }
}

impl<P> Drop for Toolbox<P> {
    fn drop(&mut self) {
        self.served.abort();
    }
}
