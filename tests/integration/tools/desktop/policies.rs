//! What a Kasm group or an account may not do: refused, or said.

use serde_json::{Value, json};

use crate::support::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_is_left_out_and_said() {
    let server = TestServer::start().await;
    let plain = server.session().await;
    let without = server.screen(&plain).await;
    assert!(without.reply["data"]["frame"]["watermark_left_out"].is_null());
    server
        .emulator
        .configure(|profile| profile.desktop_watermark = true);
    let id = server.session().await;
    let shown = server.screen(&id).await;
    assert_eq!(shown.reply["data"]["possibly_stale"], false);
    assert_eq!(shown.reply["data"]["frame"]["watermark_left_out"], true);
    assert_eq!(shown.image(), without.image());
    let (x, y) = server.desktop(&id).button_area.middle();
    let click = json!([{ "type": "click", "x": x, "y": y }]);
    let clicked = server.hands(&id, &shown.frame_id(), click).await;
    assert_eq!(clicked.reply["data"]["frame"]["watermark_left_out"], true);
    assert!(server.desktop(&id).button_on);
    assert_eq!(server.desktop(&id).connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clipboard_that_kasm_forbids_is_refused() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let set = json!({ "kasm_id": id, "text": "in" });
    let read = json!({ "kasm_id": id });
    for up in [true, false] {
        server.emulator.configure(|profile| {
            profile.clipboard_up_allowed = up;
            profile.clipboard_down_allowed = !up;
        });
        let (allowed, forbidden) = if up { (&set, &read) } else { (&read, &set) };
        server.ok("desktop_clipboard", allowed.clone()).await;
        server
            .fails_as(
                "desktop_clipboard",
                forbidden.clone(),
                "permission",
                "clipboard_forbidden",
            )
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_only_watch_is_noticed() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.desktop_view_only = true);
    let id = server.session().await;
    server.screen(&id).await;
    let click = json!([{ "type": "click", "x": 750, "y": 60 }]);
    let text = json!([{ "type": "type", "text": "in vain" }]);
    let fails = async |actions: &Value, screenshot: &str| {
        let args = json!({ "kasm_id": id, "actions": actions, "screenshot": screenshot });
        let code = "pointer_does_not_follow";
        server
            .fails_as("control_desktop", args, "permission", code)
            .await;
    };
    fails(&click, "always").await;
    fails(&click, "never").await;
    fails(&text, "on_change").await;
    let waits = json!({ "kasm_id": id, "actions": [{ "type": "wait", "seconds": 0 }] });
    server.ok("control_desktop", waits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hands_without_effect_are_not_taken_for_a_watcher() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let (x, y) = server.desktop(&id).pointer;
    // A click where the pointer is already, on nothing; and a key that nothing heeds.
    for action in [
        json!({ "type": "click", "x": x, "y": y }),
        json!({ "type": "key", "text": "Escape" }),
    ] {
        server.emulator.cut_desktop(&id);
        let args = json!({ "kasm_id": id, "actions": [action] });
        let data = server.ok("control_desktop", args).await;
        assert_eq!(data["actions_done"], 1, "{data}");
    }
}
