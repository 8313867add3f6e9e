//! The MCP clients: one for each HTTP transport, each with its own session and connections.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::wire::{Connection, data_of, find};

const SESSIONS_REVISION: &str = "2025-06-18";
const STATELESS_REVISION: &str = "2026-07-28";
/// Ids have the same number of digits, so that only they differ between two requests.
const FIRST_ID: u64 = 1_000_000;
/// The id is near the beginning of an answer.
const ID_WITHIN: usize = 64;

/// How a client talks over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP with a session.
    Sessions,
    /// Streamable HTTP of 2026-07-28.
    Stateless,
    /// JSON-RPC without a handshake.
    Bare,
    /// HTTP+SSE of 2024-11-05.
    HttpSse,
}

/// Whom it talks to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<&'static str>,
}

/// What it asks, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    /// What a right answer contains.
    pub(crate) expected: &'static str,
}

impl Question {
    pub(crate) fn call(tool: &str, arguments: &Value, expected: &'static str) -> Self {
        let params = json!({ "name": tool, "arguments": arguments });
        Self {
            method: "tools/call",
            params,
            expected,
        }
    }

    pub(crate) fn list(expected: &'static str) -> Self {
        let params = json!({});
        Self {
            method: "tools/list",
            params,
            expected,
        }
    }

    /// The message, with the first id.
    pub(crate) fn message(&self) -> String {
        let (method, params) = (self.method, &self.params);
        format!(r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"method":"{method}","params":{params}}}"#)
    }
}

/// A request whose id counts up.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    id_at: usize,
    id: u64,
}

impl Template {
    /// `request` contains the first id once.
    pub(crate) fn new(request: String) -> anyhow::Result<Self> {
        let id_at = request.find(&FIRST_ID.to_string()).context("no id")?;
        Ok(Self {
            bytes: request.into_bytes(),
            id_at,
            id: FIRST_ID,
        })
    }

    pub(crate) fn next(&mut self) -> &[u8] {
        self.id += 1;
        let digits = self.id.to_string();
        self.bytes[self.id_at..self.id_at + digits.len()].copy_from_slice(digits.as_bytes());
        &self.bytes
    }

    fn digits(&self) -> &[u8] {
        &self.bytes[self.id_at..self.id_at + 7]
    }
}

/// Tells right answers from wrong ones. The first is read as a whole; the others must be as long
/// as it and carry their id.
#[derive(Debug)]
pub(crate) struct Examiner {
    expected: &'static str,
    length: Option<usize>,
}

impl Examiner {
    pub(crate) fn new(question: &Question) -> Self {
        Self {
            expected: question.expected,
            length: None,
        }
    }

    pub(crate) fn check(&mut self, template: &Template, answer: &[u8]) -> anyhow::Result<usize> {
        let Some(length) = self.length else {
            let text = std::str::from_utf8(answer)?;
            let value: Value = serde_json::from_str(text)?;
            let right = value.get("result").is_some_and(|r| r["isError"] != true);
            ensure!(
                right && text.contains(self.expected),
                "answered {text:.300}"
            );
            self.length = Some(answer.len());
            return Ok(answer.len());
        };
        let start = &answer[..answer.len().min(ID_WITHIN)];
        let right = answer.len() == length && find(start, template.digits()).is_some();
        ensure!(right, "answered {:.300}", String::from_utf8_lossy(answer));
        Ok(length)
    }
}

/// A client with an open session.
#[derive(Debug)]
pub(crate) struct Client {
    post: Connection,
    /// Where the answers of HTTP+SSE come.
    stream: Option<Connection>,
    template: Template,
    examiner: Examiner,
}

impl Client {
    /// Connects, shakes hands if the transport does, and gets ready to ask.
    pub(crate) async fn open(
        target: Target,
        transport: Transport,
        question: &Question,
    ) -> anyhow::Result<Self> {
        let mut post = Connection::open(target.address).await?;
        let mut stream = None;
        let request = match transport {
            Transport::Sessions => {
                let session = handshake(&mut post, target).await?;
                in_session(target, &session, &question.message())
            }
            Transport::Stateless => stateless(target, question),
            Transport::Bare => request(target, "POST", "/mcp", &[], &question.message()),
            Transport::HttpSse => {
                let (events, path) = open_stream(&mut post, target).await?;
                stream = Some(events);
                request(target, "POST", &path, &[], &question.message())
            }
        };
        Ok(Self {
            post,
            stream,
            template: Template::new(request)?,
            examiner: Examiner::new(question),
        })
    }

    /// Asks once and checks the answer. Gives its length.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<usize> {
        self.post.send(self.template.next()).await?;
        let head = self.post.response().await?;
        let refused = |body: &[u8]| {
            let text = String::from_utf8_lossy(body).into_owned();
            anyhow::anyhow!("HTTP {}: {text:.300}", head.status)
        };
        let answer = match &mut self.stream {
            Some(stream) if head.status == 202 => {
                stream.event().await?;
                data_of(stream.body())
            }
            None if head.status == 200 && head.events => data_of(self.post.body()),
            None if head.status == 200 => Some(self.post.body()),
            Some(_) | None => return Err(refused(self.post.body())),
        };
        let answer = answer.context("an event without data")?;
        self.examiner.check(&self.template, answer)
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(
    target: Target,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", target.address);
    if let Some(token) = target.token {
        let _ = write!(out, "authorization: Bearer {token}\r\n");
    }
    let accept = if method == "GET" {
        "text/event-stream"
    } else {
        "application/json, text/event-stream"
    };
    let _ = write!(out, "accept: {accept}\r\n");
    for (name, value) in headers {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(out, "content-type: application/json\r\n");
        let _ = write!(out, "content-length: {}\r\n", body.len());
    }
    out + "\r\n" + body
}

/// A request in a session of Streamable HTTP.
pub(crate) fn in_session(target: Target, session: &str, body: &str) -> String {
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", SESSIONS_REVISION),
    ];
    request(target, "POST", "/mcp", &headers, body)
}

fn stateless(target: Target, question: &Question) -> String {
    let mut question = question.clone();
    question.params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS_REVISION,
        "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut headers = vec![
        ("mcp-protocol-version", STATELESS_REVISION),
        ("mcp-method", question.method),
    ];
    let name = question.params["name"].as_str();
    headers.extend(name.map(|name| ("mcp-name", name)));
    request(target, "POST", "/mcp", &headers, &question.message())
}

/// The `initialize` of a client that can do what most can.
pub(crate) fn initialize(revision: &str) -> String {
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": revision,
        "capabilities": { "roots": { "listChanged": true }, "sampling": {}, "elicitation": {} },
        "clientInfo": { "name": "bench", "title": "Benchmark", "version": "1" },
    }});
    message.to_string()
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Opens a session of Streamable HTTP and gives its name.
pub(crate) async fn handshake(post: &mut Connection, target: Target) -> anyhow::Result<String> {
    let body = initialize(SESSIONS_REVISION);
    let hello = request(target, "POST", "/mcp", &[], &body);
    post.send(hello.as_bytes()).await?;
    let head = post.response().await?;
    let Some(session) = head.session.filter(|_| head.status == 200) else {
        let text = String::from_utf8_lossy(post.body());
        bail!("initialize answered HTTP {}: {text:.300}", head.status);
    };
    let done = in_session(target, &session, INITIALIZED);
    post.send(done.as_bytes()).await?;
    let status = post.response().await?.status;
    ensure!(status == 202, "initialized answered HTTP {status}");
    Ok(session)
}

/// Opens a session of HTTP+SSE: its stream, and the path to post to.
async fn open_stream(
    post: &mut Connection,
    target: Target,
) -> anyhow::Result<(Connection, String)> {
    let mut stream = Connection::open(target.address).await?;
    let get = request(target, "GET", "/sse", &[], "");
    stream.send(get.as_bytes()).await?;
    let status = stream.head().await?.status;
    ensure!(status == 200, "/sse answered HTTP {status}");
    stream.event().await?;
    let path = data_of(stream.body()).context("no endpoint event")?;
    let path = std::str::from_utf8(path)?.to_owned();
    let hello = initialize("2024-11-05");
    for body in [hello.as_str(), INITIALIZED] {
        let message = request(target, "POST", &path, &[], body);
        post.send(message.as_bytes()).await?;
        let status = post.response().await?.status;
        ensure!(status == 202, "{path} answered HTTP {status}");
        if body == hello {
            stream.event().await?;
        }
    }
    Ok((stream, path))
}
