//! A client of HTTP+SSE (2024-11-05), as small as those in the wild.

use std::time::Duration;

use serde_json::Value;

use super::{TOKEN, handshake, rpc};

/// Reads the events of a response.
pub struct Events {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
}

impl Events {
    pub fn of(response: reqwest::Response) -> Self {
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/event-stream")
        );
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// The next event that is no comment; None at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field = |name: &str| {
                    let lines = block
                        .lines()
                        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
                };
                let event = Event {
                    name: field("event"),
                    data: field("data"),
                };
                if !event.data.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let chunk = chunk.expect("an event comes in time").ok()??;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// A connected client.
pub struct SseClient {
    pub endpoint: String,
    pub events: Events,
    http: reqwest::Client,
    next_id: i64,
}

impl SseClient {
    /// Opens the stream at `base` + `path` and shakes hands.
    pub async fn connect(base: &str, path: &str) -> Self {
        let http = reqwest::Client::builder().build().unwrap();
        let opened = http
            .get(format!("{base}{path}"))
            .bearer_auth(TOKEN)
            .header("accept", "text/event-stream");
        let mut events = Events::of(opened.send().await.unwrap());
        let first = events.next().await.unwrap();
        assert_eq!(first.name, "endpoint");
        let mut client = Self {
            endpoint: format!("{base}{}", first.data),
            events,
            http,
            next_id: 0,
        };
        let result = client.request("initialize", handshake("2024-11-05")).await;
        assert_eq!(result["result"]["protocolVersion"], "2024-11-05");
        client
            .send(&serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        client
    }

    /// Posts a message; its answer comes on the stream.
    pub async fn send(&self, message: &Value) {
        let answer = self
            .http
            .post(&self.endpoint)
            .bearer_auth(TOKEN)
            .json(message)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
    }

    /// Posts a request and waits for its answer.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let mut message = rpc(method, params);
        message["id"] = self.next_id.into();
        self.send(&message).await;
        loop {
            let event = self.events.next().await.expect("the stream stays open");
            assert_eq!(event.name, "message");
            let message: Value = serde_json::from_str(&event.data).unwrap();
            if message["id"] == self.next_id {
                return message;
            }
        }
    }
}
