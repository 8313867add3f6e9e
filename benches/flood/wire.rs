//! As little of an HTTP client as attackers need.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// A connection from an address of its own.
pub(crate) struct Connection(pub(crate) BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn open(server: SocketAddr, own: [u8; 4]) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::from(own), 0)))?;
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(1_024, stream)))
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// Sends a request and gives the status of its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.send(request).await?;
        let (mut status, mut length) = (0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.0.read_line(&mut line).await?;
            anyhow::ensure!(read > 0, "the server closed");
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest.get(..3).context("no status")?.parse()?;
            } else if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(status)
    }
}

/// A bare call of a tool without arguments.
pub(crate) fn call(token: &str, tool: &str) -> Vec<u8> {
    let params = json!({ "name": tool, "arguments": {} });
    post(token, &rpc("tools/call", params))
}

/// The handshake of a client.
pub(crate) fn initialize(token: &str) -> Vec<u8> {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "flood", "version": "1" },
    });
    post(token, &rpc("initialize", params))
}

fn rpc(method: &str, params: serde_json::Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn post(token: &str, body: &str) -> Vec<u8> {
    let head = head(token, body.len());
    format!("{head}{body}").into_bytes()
}

/// What comes before a body.
pub(crate) fn head(token: &str, length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}
