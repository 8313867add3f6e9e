//! What all surfaces have in common, on each of them: what is wrong with a body or a token has one status
//! and one code.

mod bodies;
mod tokens;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::sse_client::Events;
use crate::support::{TestServer, handshake, rpc};

/// Where a call can be sent, and a good one.
pub struct Surface {
    pub name: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    pub body: String,
    /// Whether it takes JSON, and nothing else.
    pub is_json: bool,
    /// Keeps the stream of HTTP+SSE open, and with it the session.
    _stream: Option<Events>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The stable name of what went wrong, in each of the forms.
    pub fn code(&self) -> &str {
        let codes = [&self.body["code"], &self.body["error"]["data"]["code"]];
        codes.iter().find_map(|code| code.as_str()).unwrap_or("")
    }
}

impl Surface {
    fn new(name: &'static str, path: &str, body: &Value) -> Self {
        Self {
            name,
            method: "POST",
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.to_string(),
            is_json: true,
            _stream: None,
        }
    }

    fn with(mut self, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.headers.extend(headers);
        self
    }

    /// Whether its answers are JSON-RPC errors.
    pub fn is_json_rpc(&self) -> bool {
        self.is_json && !self.name.starts_with("rest")
    }

    /// The head of a request whose body has this many bytes.
    pub fn head(&self, token: Option<&str>, kind: &str, length: usize) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(token) = token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        head + "\r\n"
    }

    /// Sends a whole request.
    pub async fn send(&self, server: &TestServer, token: Option<&str>, body: &str) -> Answer {
        let head = self.head(token, "application/json", body.len());
        finish(begin(server, &(head + body)).await).await
    }
}

/// Sends the beginning of a request.
pub async fn begin(server: &TestServer, text: &str) -> TcpStream {
    let address = server.base.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may have closed before all is sent.
    let _closed = socket.write_all(text.as_bytes()).await;
    socket
}

/// Reads the answer.
pub async fn finish(mut socket: TcpStream) -> Answer {
    let mut text = Vec::new();
    let read = socket.read_to_end(&mut text);
    let _reset = tokio::time::timeout(crate::support::kasm::PATIENCE, read)
        .await
        .expect("the server answers and closes");
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}

/// The call that surfaces of tools make.
fn call(tool: &str) -> Value {
    json!({ "name": tool, "arguments": {} })
}

/// A session of Streamable HTTP.
async fn session(server: &TestServer, token: &str, revision: &str) -> String {
    let hello = rpc("initialize", handshake(revision));
    let request = server.http.post(server.mcp()).bearer_auth(token);
    let answer = request.json(&hello).send().await.unwrap();
    answer.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned()
}

/// All surfaces but the relay, with a call of `tool` on each that has tools.
pub async fn surfaces(server: &TestServer, token: &str, tool: &str, kasm_id: &str) -> Vec<Surface> {
    let message = rpc("tools/call", call(tool));
    let mut modern = message.clone();
    modern["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "integration", "version": "1" },
    });
    let modern_headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
        ("Accept", "application/json, text/event-stream"),
    ];
    let mut surfaces = vec![
        Surface::new("bare", "/mcp", &message),
        Surface::new("batch", "/mcp", &json!([message])),
        Surface::new("2026-07-28", "/mcp", &modern).with(&modern_headers),
        Surface::new("rest", "/tools/call", &call(tool)),
        Surface::new("rest by name", &format!("/api/v1/tools/{tool}"), &json!({})),
    ];
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let id = session(server, token, revision).await;
        let headers = [("MCP-Protocol-Version", revision), ("Mcp-Session-Id", &id)];
        surfaces.push(Surface::new(revision, "/mcp", &message).with(&headers));
    }
    let opened = server.http.get(format!("{}/sse", server.base));
    let opened = opened.bearer_auth(token).send().await.unwrap();
    let mut stream = Events::of(opened);
    let endpoint = stream.next().await.unwrap().data;
    surfaces.push(Surface {
        _stream: Some(stream),
        ..Surface::new("messages", &endpoint, &message)
    });
    surfaces.push(Surface {
        method: "PUT",
        is_json: false,
        body: "x".to_owned(),
        ..Surface::new(
            "files",
            &format!("/files/{kasm_id}/home/kasm-user/x"),
            &Value::Null,
        )
    });
    surfaces
}
