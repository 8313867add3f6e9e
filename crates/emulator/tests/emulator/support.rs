//! A server and a caller for one test.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use kasm_emulator::{Builder, Emulator};
use reqwest::{Client, RequestBuilder};
use serde_json::{Map, Value, json};

use super::confinement;

/// Commands are confined unless the developer accepts that they are not.
fn builder() -> Builder {
    Emulator::builder().unconfined(confinement::is_missing())
}

/// A server, its default key, and a client.
pub(super) struct Server {
    emulator: Emulator,
    http: Client,
}

/// An answer, read to its end.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn error(&self) -> String {
        let body = self.json();
        body["error_message"].as_str().unwrap().to_owned()
    }

    pub(super) fn is_html_crash(&self) -> bool {
        self.status == 500 && self.kind.starts_with("text/html")
    }
}

impl Deref for Server {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}

impl Server {
    /// Sessions that are where they are going at once.
    pub(super) async fn start() -> Self {
        Self::with(|builder| {
            builder
                .start_time(Duration::ZERO)
                .transition_time(Duration::ZERO)
        })
        .await
    }

    pub(super) async fn with(options: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of_builder(options(builder())).await
    }

    pub(super) async fn of_builder(builder: Builder) -> Self {
        let emulator = builder.start().await.unwrap();
        let mut http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10));
        if let Some(pem) = emulator.ca_pem() {
            let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
            http = http.tls_certs_only([authority]);
        }
        let http = http.build().unwrap();
        Self { emulator, http }
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// A call with the default key.
    pub(super) async fn call(&self, endpoint: &str, fields: Value) -> Reply {
        let (key, secret) = self.key();
        self.call_as(key, secret, endpoint, fields).await
    }

    pub(super) async fn call_as(
        &self,
        key: &str,
        secret: &str,
        endpoint: &str,
        fields: Value,
    ) -> Reply {
        let mut body = fields.as_object().cloned().unwrap();
        body.insert("api_key".into(), key.into());
        body.insert("api_key_secret".into(), secret.into());
        self.post(&format!("/api/public/{endpoint}"), body).await
    }

    pub(super) async fn post(&self, path: &str, body: Map<String, Value>) -> Reply {
        self.try_post(path, body).await.unwrap()
    }

    pub(super) async fn try_post(
        &self,
        path: &str,
        body: Map<String, Value>,
    ) -> Result<Reply, reqwest::Error> {
        let request = self.http.post(self.at(path)).json(&body);
        read(request.send().await?).await
    }

    /// A call that must go well.
    pub(super) async fn get(&self, endpoint: &str, fields: Value) -> Value {
        let reply = self.call(endpoint, fields).await;
        assert_eq!(reply.status, 200, "{endpoint}");
        let body = reply.json();
        assert_eq!(body["error_message"], Value::Null, "{endpoint}");
        body
    }

    /// A call that must fail in the ordinary way.
    pub(super) async fn fails(&self, endpoint: &str, fields: Value) -> String {
        let reply = self.call(endpoint, fields).await;
        assert_eq!(reply.status, 200, "{endpoint}");
        reply.error()
    }

    /// A session of the default user, and what starting it answered.
    pub(super) async fn request(&self) -> (String, Value) {
        let fields = json!({"image_id": self.image_id(), "user_id": self.user_id()});
        let answer = self.get("request_kasm", fields).await;
        (answer["kasm_id"].as_str().unwrap().to_owned(), answer)
    }

    /// The fields that name a session of the default user.
    pub(super) fn of(&self, kasm_id: &str) -> Value {
        json!({"kasm_id": kasm_id, "user_id": self.user_id()})
    }

    /// A session of the default user, its token, and its home.
    pub(super) async fn session(&self) -> (String, String, PathBuf) {
        let (kasm_id, answer) = self.request().await;
        let token = answer["session_token"].as_str().unwrap().to_owned();
        let home = self.session_dir(&kasm_id).unwrap();
        (kasm_id, token, home)
    }

    /// The address of a service of a session.
    pub(super) fn service(&self, kasm_id: &str, service: &str) -> String {
        let id = kasm_id;
        let dashed = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
        self.at(&format!("/desktop/{dashed}/{service}"))
    }

    /// A request with the default user's cookies, of which it redirects none.
    pub(super) fn visit(&self, method: &str, url: &str, token: &str) -> RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let cookies = format!("username=demo@kasm.local; session_token={token}");
        self.http.request(method, url).header("cookie", cookies)
    }

    /// The status word of a session, as the handle sees it.
    pub(super) fn word(&self, kasm_id: &str) -> Option<String> {
        let mut sessions = self.sessions().into_iter();
        sessions.find(|s| s.kasm_id == kasm_id).map(|s| s.status)
    }
}

pub(super) async fn read(response: reqwest::Response) -> Result<Reply, reqwest::Error> {
    let kind = response.headers().get("content-type");
    let kind = kind.map_or("", |k| k.to_str().unwrap()).to_owned();
    Ok(Reply {
        status: response.status().as_u16(),
        kind,
        body: response.bytes().await?.to_vec(),
    })
}
