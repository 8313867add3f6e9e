//! Kasm from behind: what a test looks up or arranges there without the server in between.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::TestServer;

/// A well-formed id that nothing has.
pub const NO_SUCH_ID: &str = "00000000000000000000000000000000";
/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl TestServer {
    /// Calls Kasm with the default key, as another program would.
    pub async fn kasm(&self, endpoint: &str, mut body: Value) -> Value {
        let (key, secret) = self.emulator.key();
        body["api_key"] = key.into();
        body["api_key_secret"] = secret.into();
        let url = format!("{}/api/public/{endpoint}", self.emulator.url());
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{endpoint}");
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["error_message"].is_null(), "{endpoint}: {answer}");
        answer
    }

    /// A running session of another user.
    pub async fn foreign_session(&self) -> String {
        let (user, image) = (self.emulator.other_user_id(), self.emulator.image_id());
        let answer = self
            .kasm(
                "request_kasm",
                json!({ "user_id": user, "image_id": image }),
            )
            .await;
        let kasm_id = answer["kasm_id"].as_str().unwrap().to_owned();
        self.becomes(&kasm_id, Some("running")).await;
        kasm_id
    }

    /// Kasm's own word for the state of a session.
    pub fn word_of(&self, kasm_id: &str) -> Option<String> {
        let sessions = self.emulator.sessions();
        let session = sessions.into_iter().find(|s| s.kasm_id == kasm_id)?;
        Some(session.status)
    }

    /// Waits until a session is in that state, or gone.
    pub async fn becomes(&self, kasm_id: &str, word: Option<&str>) {
        until(&format!("{kasm_id} is {word:?}"), || {
            self.word_of(kasm_id).as_deref() == word
        })
        .await;
    }

    /// The bodies that came to an endpoint of Kasm, without the credentials.
    pub fn bodies(&self, endpoint: &str) -> Vec<Value> {
        let requests = self.emulator.requests().into_iter();
        requests
            .filter(|request| request.endpoint == endpoint)
            .map(|request| request.body)
            .collect()
    }

    /// The paths asked for since `from` requests ago.
    pub fn paths_since(&self, from: usize) -> Vec<String> {
        let requests = self.emulator.requests().into_iter().skip(from);
        requests.map(|request| request.path).collect()
    }

    /// The id of a workspace by its Docker name.
    pub fn image(&self, name: &str) -> String {
        let images = self.emulator.images();
        let image = images.into_iter().find(|image| image.name == name);
        image.unwrap().image_id
    }
}

/// Looks again and again until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The words of a reply's error and hint.
pub fn words(reply: &Value) -> (&str, &str) {
    (
        reply["error"].as_str().unwrap(),
        reply["hint"].as_str().unwrap(),
    )
}
