//! The keyboard: what programs receive is what was asked for, and no lock or modifier is different afterwards.

mod corpus;
mod keys;

use std::time::Duration;

use kasm_emulator::{KeyboardLayout, ModifierMask};
use serde_json::{Value, json};

use crate::support::kasm::until;
use crate::support::{TOKEN, TestServer, rpc};
use corpus::LINES;

/// A session whose desktop is known to the emulator.
pub async fn seen_session(server: &TestServer) -> String {
    let id = server.session().await;
    server.screen(&id).await;
    id
}

impl TestServer {
    /// Does something on a desktop without looking at it.
    pub async fn acts(&self, kasm_id: &str, actions: Value) {
        let args = json!({ "kasm_id": kasm_id, "actions": actions, "screenshot": "never" });
        self.ok("control_desktop", args).await;
    }

    async fn types(&self, kasm_id: &str, text: &str) {
        self.acts(kasm_id, json!([{ "type": "type", "text": text }]))
            .await;
    }

    /// What a program receives of a text, after what it received before.
    async fn receives(&self, kasm_id: &str, text: &str) -> String {
        let before = self.desktop(kasm_id).typed.len();
        self.types(kasm_id, text).await;
        self.desktop(kasm_id).typed.split_off(before)
    }

    /// A call that its caller gives up on.
    pub async fn abandons(&self, kasm_id: &str, actions: Value, after: Duration) {
        let arguments = json!({ "kasm_id": kasm_id, "actions": actions });
        let params = json!({ "name": "control_desktop", "arguments": arguments });
        let call = self
            .http
            .post(self.mcp())
            .bearer_auth(TOKEN)
            .json(&rpc("tools/call", params))
            .timeout(after);
        assert!(call.send().await.is_err(), "it takes longer than that");
    }
}

async fn all_lines_arrive(layout: KeyboardLayout, caps_lock: bool) {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.keyboard_layout = layout);
    let id = seen_session(&server).await;
    server.emulator.set_caps_lock(&id, caps_lock);
    server.emulator.set_num_lock(&id, true);
    let before = server.desktop(&id).keyboard_state;
    assert_eq!(before.has(ModifierMask::LOCK), caps_lock);
    let mut received = 0;
    for lines in LINES.chunks(8) {
        let typing = lines
            .iter()
            .map(|line| json!({ "type": "type", "text": line }));
        server.acts(&id, typing.collect()).await;
        let desktop = server.desktop(&id);
        assert_eq!(
            desktop.typed[received..],
            lines.concat(),
            "{layout:?}, Caps Lock {caps_lock}"
        );
        received = desktop.typed.len();
        assert_eq!(desktop.keyboard_state, before, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_all_kinds_arrive_exactly_on_each_layout_under_each_lock() {
    assert_eq!(LINES.len(), 40);
    tokio::join!(
        all_lines_arrive(KeyboardLayout::Us, false),
        all_lines_arrive(KeyboardLayout::Us, true),
        all_lines_arrive(KeyboardLayout::De, false),
        all_lines_arrive(KeyboardLayout::De, true),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_character_that_the_keyboard_lacks_arrives() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    for text in ["été", "ôté", "漢字", "Ελλάδα", "è", "^`"] {
        assert_eq!(server.receives(&id, text).await, text);
        // Another keyboard makes the server forget what it gave keys to.
        assert!(server.emulator.type_by_program(&id, "x"));
        assert_eq!(server.receives(&id, text).await, text);
        server.emulator.type_by_program(&id, "x");
    }
    server
        .acts(&id, json!([{ "type": "key", "text": "é" }]))
        .await;
    assert!(server.desktop(&id).typed.ends_with('é'));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_arrives_while_a_program_types_as_well() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    server
        .emulator
        .configure(|profile| profile.other_keyboard_busy = true);
    let text = "Příliš žluťoučký kůň, 漢字かな交じり文";
    assert_eq!(server.receives(&id, text).await, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_characters_that_the_keyboard_lacks_come_at_a_pace_that_programs_follow() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    server
        .emulator
        .configure(|profile| profile.key_pace = Some(Duration::from_millis(2)));
    let text: String = ('一'..).take(60).collect();
    assert_eq!(server.receives(&id, &text).await, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_given_up_leaves_locks_and_modifiers_as_they_were() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    server.emulator.set_caps_lock(&id, true);
    let text = "Ä漢".repeat(500);
    let actions = json!([{ "type": "type", "text": text }]);
    server
        .abandons(&id, actions, Duration::from_millis(300))
        .await;
    until("only Caps Lock is on again", || {
        server.desktop(&id).keyboard_state == ModifierMask::LOCK
    })
    .await;
    let typed = server.desktop(&id).typed;
    assert!(text.starts_with(&typed) && typed.len() < text.len());
    // It was off meanwhile, or the letter would have come in another case; and the next text is right too.
    assert_eq!(server.receives(&id, "яß").await, "яß");
    assert_eq!(server.desktop(&id).keyboard_state, ModifierMask::LOCK);
}
