//! Resources, prompts, completion, and what is told of them, over every transport.

mod completion;
pub mod listener;
mod notices;
mod people;

mod prompts;
mod reading;
mod slow;
mod tenants;

use http::header::HeaderValue;
use serde_json::{Value, json};

use crate::support::clients::modern;
use crate::support::sse_client::SseClient;
use crate::support::{TestServer, handshake, rpc};

/// The ways to ask.
pub const WAYS: [&str; 4] = ["session", "sse", "modern", "bare"];

/// A client that asks in one of these ways.
pub enum Asker<'a> {
    Session(&'a TestServer, HeaderValue),
    Sse(Box<SseClient>),
    Modern(&'a TestServer),
    Bare(&'a TestServer),
}

impl<'a> Asker<'a> {
    pub async fn connect(server: &'a TestServer, way: &str) -> Self {
        match way {
            "session" => {
                let opened = server.post(&rpc("initialize", handshake("2025-11-25")));
                let opened = opened.send().await.unwrap();
                Self::Session(server, opened.headers()["mcp-session-id"].clone())
            }
            "sse" => Self::Sse(Box::new(SseClient::connect(&server.base, "/sse").await)),
            "modern" => Self::Modern(server),
            _ => Self::Bare(server),
        }
    }

    /// The answer, with its result or error.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let message = rpc(method, params.clone());
        let request = match self {
            Self::Sse(client) => return client.request(method, params).await,
            Self::Modern(server) => {
                let name = match method {
                    "resources/read" => params["uri"].as_str(),
                    "prompts/get" | "tools/call" => params["name"].as_str(),
                    _ => None,
                };
                let name = name.map(str::to_owned);
                return modern(server, method, params, name.as_deref()).await;
            }
            Self::Session(server, id) => server.post(&message).header("mcp-session-id", &*id),
            Self::Bare(server) => server.post(&message),
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{method}");
        answer.json().await.unwrap()
    }

    pub async fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        assert!(answer["error"].is_null(), "{method}: {answer}");
        let result = answer["result"].clone();
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
        let expected = match self {
            Self::Modern(_) => json!("kasm-mcp"),
            Self::Session(..) | Self::Sse(_) | Self::Bare(_) => Value::Null,
        };
        assert_eq!(*server, expected, "{method}: {result}");
        result
    }

    /// The code and the message of an error.
    pub async fn error(&mut self, method: &str, params: Value) -> (i64, String) {
        let answer = self.ask(method, params).await;
        let error = &answer["error"];
        let code = error["code"].as_i64();
        let code = code.unwrap_or_else(|| panic!("{method} did not fail: {answer}"));
        (code, error["message"].as_str().unwrap().to_owned())
    }

    pub fn is_modern(&self) -> bool {
        matches!(self, Self::Modern(_))
    }
}

/// The texts of a member of each entry.
pub fn texts(list: &Value, member: &str) -> Vec<String> {
    let entries = list.as_array().unwrap().iter();
    let texts = entries.map(|entry| entry[member].as_str().unwrap().to_owned());
    texts.collect()
}
