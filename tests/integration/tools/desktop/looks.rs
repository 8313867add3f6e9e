//! Pictures: true, small enough, and only where there is something to see.

use kasm_emulator::{DesktopFault, ScreenshotMode};
use serde_json::{Value, json};

use super::super::files::{HOME, sha256};
use crate::support::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn screenshot_matches_the_screen_and_names_its_size() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.screenshot = ScreenshotMode::Fresh);
    let id = server.session().await;
    let shown = server.screen(&id).await;
    let data = &shown.reply["data"];
    assert_eq!(data["possibly_stale"], false);
    assert_eq!(data["media_type"], shown.media_type.as_str());
    assert_eq!(data["frame"]["width"], 1280);
    assert_eq!(data["frame"]["image_width"], shown.image().width());
    assert_eq!(shown.media_type, "image/png");
    let again = server.screen(&id).await;
    assert_eq!(shown.image(), again.image(), "an idle screen");
    assert_eq!(server.desktop(&id).connections, 1, "one connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn screenshot_keeps_to_byte_and_size_limits() {
    let server = TestServer::with(&[("KASM_SCREENSHOT_BYTES", "20000")]).await;
    server
        .emulator
        .configure(|profile| profile.desktop_size = (1600, 900));
    let id = server.session().await;
    let shown = server.screen(&id).await;
    assert_eq!(shown.media_type, "image/jpeg");
    assert!(shown.bytes.len() <= 40_000, "{}", shown.bytes.len());
    for (args, size) in [
        (json!({ "width": 640 }), (640, 360)),
        (json!({ "height": 100 }), (178, 100)),
        (json!({ "width": 640, "height": 100 }), (178, 100)),
        (json!({ "width": 5000 }), (1600, 900)),
    ] {
        let mut args = args;
        args["kasm_id"] = id.as_str().into();
        let (_, shown) = server.shows("get_session_screenshot", args.clone()).await;
        assert_eq!(shown.unwrap().image().dimensions(), size, "{args}");
    }
    let args = json!({ "kasm_id": id, "width": 0 });
    server
        .fails("get_session_screenshot", args, "validation")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn screenshot_is_saved_inside_the_allowed_roots_only() {
    let Some(server) = super::super::files::server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/shots/now.png");
    let args = json!({ "kasm_id": id, "save_to_file": path });
    let (reply, shown) = server.shows("get_session_screenshot", args).await;
    assert_eq!(reply["data"]["saved_to"], path, "{reply}");
    let saved = server.read_whole(&id, &path).await;
    assert_eq!(sha256(&saved), sha256(&shown.unwrap().bytes));
    let args = json!({ "kasm_id": id, "save_to_file": "/etc/now.png" });
    server
        .fails("get_session_screenshot", args, "security")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn screenshot_without_desktop_is_kasms_and_possibly_stale() {
    let server = TestServer::start().await;
    server.emulator.configure(|profile| {
        profile.desktop_fault = Some(DesktopFault::UnknownMessage);
        profile.screenshot = ScreenshotMode::Fresh;
    });
    let id = server.session().await;
    let shown = server.screen(&id).await;
    assert_eq!(
        shown.reply["data"]["possibly_stale"], true,
        "{}",
        shown.reply
    );
    assert!(
        shown.reply["data"]["frame"].is_null(),
        "nobody clicks by it"
    );
    assert_eq!(shown.media_type, "image/jpeg");
    assert!(shown.image().width() <= 1280);
    server
        .emulator
        .configure(|profile| profile.screenshot = ScreenshotMode::None);
    let args = json!({ "kasm_id": id });
    server.fails("get_session_screenshot", args, "api").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_desktop_without_change_returns_no_picture() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.cursor_blinks = true);
    let id = server.session().await;
    let control = async |actions: Value, screenshot: &str| {
        let args = json!({ "kasm_id": id, "actions": actions, "screenshot": screenshot });
        server.shows("control_desktop", args).await
    };
    let nothing = json!([{ "type": "wait", "seconds": 0.7 }]);
    let (reply, shown) = control(nothing.clone(), "on_change").await;
    assert_eq!(
        reply["data"]["changed"], false,
        "a cursor that blinks: {reply}"
    );
    assert!(shown.is_none() && reply["data"]["frame"].is_null());
    let (x, y) = server.desktop(&id).button_area.middle();
    let (reply, shown) = control(json!([{ "type": "click", "x": x, "y": y }]), "on_change").await;
    assert_eq!(reply["data"]["changed"], true);
    assert_eq!(reply["data"]["settled"], true);
    assert!(shown.is_some());
    // A single letter is small, and news all the same.
    let (reply, shown) = control(json!([{ "type": "type", "text": "i" }]), "on_change").await;
    assert_eq!(reply["data"]["changed"], true, "{reply}");
    assert!(shown.is_some());
    let (_, shown) = control(nothing, "always").await;
    assert!(shown.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_until_stable_on_animated_screen_is_not_settled() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.desktop_animated = true);
    let id = server.session().await;
    let args =
        json!({ "kasm_id": id, "actions": [{ "type": "wait_until_stable", "seconds": 0.5 }] });
    let (reply, shown) = server.shows("control_desktop", args).await;
    assert_eq!(reply["data"]["settled"], false, "{reply}");
    assert!(shown.is_some());
}
