//! Clients that keep a stream open and listen.

use serde_json::{Value, json};

use crate::support::kasm::PATIENCE;
use crate::support::sse_client::Events;
use crate::support::{TOKEN, handshake, rpc};

/// A client with one open stream that hears what belongs to no request.
pub struct Listener {
    base: String,
    pub http: reqwest::Client,
    pub session: Option<String>,
    pub events: Events,
}

impl Listener {
    /// A session of Streamable HTTP and its stream.
    pub async fn session(base: &str) -> Self {
        Self::session_of(base, "2025-11-25").await
    }

    /// The same of another revision.
    pub async fn session_of(base: &str, revision: &str) -> Self {
        let http = reqwest::Client::builder().build().unwrap();
        let opened = http.post(format!("{base}/mcp")).bearer_auth(TOKEN);
        let opened = opened.json(&rpc("initialize", handshake(revision)));
        let opened = opened.send().await.unwrap();
        let session = opened.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let events = stream(&http, base, &session).await;
        Self {
            base: base.to_owned(),
            http,
            session: Some(session),
            events,
        }
    }

    /// A `subscriptions/listen`, acknowledged.
    pub async fn modern(base: &str, notifications: Value) -> (Self, Value) {
        let http = reqwest::Client::builder().build().unwrap();
        let response = listen(&http, base, notifications).send().await.unwrap();
        let mut listener = Self {
            base: base.to_owned(),
            http,
            session: None,
            events: Events::of(response),
        };
        let first = listener.next().await;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        (listener, first["params"]["notifications"].clone())
    }

    /// The next message of the stream.
    pub async fn next(&mut self) -> Value {
        let event = tokio::time::timeout(PATIENCE, self.events.next());
        let event = event.await.expect("a message comes in time");
        let event = event.expect("the stream stays open");
        serde_json::from_str(&event.data).unwrap()
    }

    /// The methods and URIs of the next messages.
    pub async fn hears(&mut self, count: usize) -> Vec<(String, Option<String>)> {
        let mut heard = Vec::new();
        for _ in 0..count {
            let message = self.next().await;
            let method = message["method"].as_str().unwrap().to_owned();
            let id = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            assert_eq!(id.is_null(), self.session.is_some(), "{message}");
            let uri = message["params"]["uri"].as_str().map(str::to_owned);
            heard.push((method, uri));
        }
        heard
    }

    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let request = self
            .http
            .post(format!("{}/mcp", self.base))
            .bearer_auth(TOKEN);
        let request = request.json(&rpc(method, params));
        let request = match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        };
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn subscribe(&self, uri: &str) {
        let answer = self.ask("resources/subscribe", json!({ "uri": uri })).await;
        assert_eq!(answer["result"], json!({}), "{uri}: {answer}");
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.ask("tools/call", params).await;
        let reply = &answer["result"]["structuredContent"];
        assert_eq!(reply["success"], true, "{tool}: {answer}");
        reply["data"].clone()
    }

    pub async fn create(&self) -> String {
        let data = self
            .call("create_kasm_session", json!({ "image_name": "Terminal" }))
            .await;
        data["kasm_id"].as_str().unwrap().to_owned()
    }
}

pub async fn stream(http: &reqwest::Client, base: &str, session: &str) -> Events {
    let request = http.get(format!("{base}/mcp")).bearer_auth(TOKEN);
    let request = request.header("accept", "text/event-stream");
    Events::of(
        request
            .header("mcp-session-id", session)
            .send()
            .await
            .unwrap(),
    )
}

fn listen(http: &reqwest::Client, base: &str, notifications: Value) -> reqwest::RequestBuilder {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "notifications": notifications, "_meta": meta });
    let request = http.post(format!("{base}/mcp")).bearer_auth(TOKEN);
    request
        .json(&rpc("subscriptions/listen", params))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .header("accept", "application/json, text/event-stream")
}
