//! The clipboard: what is known of it is true, and a text that was set stays.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::until;

impl TestServer {
    async fn read_clipboard(&self, kasm_id: &str) -> Value {
        self.ok("desktop_clipboard", json!({ "kasm_id": kasm_id }))
            .await
    }

    async fn set_clipboard(&self, kasm_id: &str, text: &str) -> Value {
        let args = json!({ "kasm_id": kasm_id, "text": text });
        self.ok("desktop_clipboard", args).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_it_is_never_stale() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let unknown = server.read_clipboard(&id).await;
    assert_eq!(unknown["origin"], "unknown", "{unknown}");
    assert!(unknown["text"].is_null());

    server.emulator.copy_on_desktop(&id, "theirs\n");
    let theirs = server.read_clipboard(&id).await;
    assert_eq!(theirs["origin"], "desktop");
    assert_eq!(theirs["text"], "theirs\n", "with its line break");

    let png = ("image/png", &b"\x89PNG"[..]);
    for (kind, data) in [png, ("text/html", b"<b>bold</b>")] {
        server.emulator.copy_other_on_desktop(&id, kind, data);
        let other = server.read_clipboard(&id).await;
        assert!(other["text"].is_null(), "{other}");
        assert_eq!(other["kinds"], json!([kind]));
        assert_eq!(other["origin"], "desktop");
    }

    let set = server.set_clipboard(&id, "ours\n").await;
    assert_eq!(set["origin"], "this_server");
    let ours = server.read_clipboard(&id).await;
    assert_eq!(
        (&ours["origin"], &ours["text"]),
        (&json!("this_server"), &json!("ours\n"))
    );
    assert_eq!(server.desktop(&id).clipboard.as_deref(), Some("ours\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_set_outlives_its_connection() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.set_clipboard(&id, "kept").await;
    for _ in 0..2 {
        assert!(server.emulator.cut_desktop(&id));
        until("it left with its connection", || {
            server.desktop(&id).viewers == 0 || server.desktop(&id).connections > 1
        })
        .await;
        // Nobody calls.
        until("it is there again", || {
            server.desktop(&id).clipboard.as_deref() == Some("kept")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_copied_later_is_left_alone() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.set_clipboard(&id, "ours").await;
    server.emulator.copy_on_desktop(&id, "theirs");
    assert_eq!(server.read_clipboard(&id).await["text"], "theirs");
    assert!(server.emulator.cut_desktop(&id));
    server.screen(&id).await;
    assert_eq!(server.desktop(&id).clipboard.as_deref(), Some("theirs"));
}
