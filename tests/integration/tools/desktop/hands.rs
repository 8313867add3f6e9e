//! Mouse and keyboard: every effect is seen in the next picture.

use serde_json::json;

use super::pixel;
use crate::support::TestServer;
use crate::support::kasm::words;

#[tokio::test(flavor = "multi_thread")]
async fn control_desktop_actions_show_in_the_next_picture() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let first = server.screen(&id).await;
    let frame = first.frame_id();
    let scene = server.desktop(&id);

    // The button, at the place where it is seen.
    let place = (scene.button_area.x + 5, scene.button_area.y + 5);
    let off = pixel(&first.image(), place);
    let click = json!([{ "type": "click", "x": place.0, "y": place.1 }]);
    let shown = server.hands(&id, &frame, click).await;
    assert!(server.desktop(&id).button_on);
    assert_ne!(pixel(&shown.image(), place), off);
    assert_eq!(shown.reply["data"]["changed"], true);

    // Text.
    let (x, y) = scene.field_area.middle();
    let text = "Grüße, 漢字かな 🦀 {[!~\"'";
    let typing = json!([{ "type": "click", "x": x, "y": y }, { "type": "type", "text": text }]);
    let typed = server.hands(&id, &frame, typing).await;
    assert_eq!(server.desktop(&id).field, text);
    assert_ne!(typed.image(), shown.image());

    // A key with a modifier.
    let cleared = server
        .hands(&id, &frame, json!([{ "type": "key", "text": "ctrl+l" }]))
        .await;
    assert_eq!(server.desktop(&id).field, "");
    assert_ne!(cleared.image(), typed.image());

    // The wheel.
    let (x, y) = scene.list_area.middle();
    let down = json!([{ "type": "scroll", "x": x, "y": y, "dy": 3 }]);
    let scrolled = server.hands(&id, &frame, down).await;
    let rows = server.desktop(&id).scrolled;
    assert!(rows > 0);
    assert_ne!(scrolled.image(), cleared.image());
    let up = json!([{ "type": "scroll", "x": x, "y": y, "dy": -3 }]);
    server.hands(&id, &frame, up).await;
    assert_eq!(server.desktop(&id).scrolled, 0);

    // The box.
    let (x, y) = scene.box_area.middle();
    let drag = json!([{ "type": "drag", "x": x, "y": y, "to_x": x + 300, "to_y": y - 10 }]);
    let dragged = server.hands(&id, &frame, drag).await;
    let moved = server.desktop(&id).box_area;
    assert_eq!(moved.middle(), (x + 300, y - 10));
    let there = (moved.x + 10, moved.y + 10);
    assert_eq!(
        pixel(&dragged.image(), there),
        pixel(
            &first.image(),
            (scene.box_area.x + 10, scene.box_area.y + 10)
        )
    );
    assert_eq!(server.desktop(&id).buttons, 0, "nothing stays pressed");
}

#[tokio::test(flavor = "multi_thread")]
async fn click_on_scaled_picture_hits_the_right_pixel() {
    buttons_arrive((1600, 900), (1280, 720)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: pictures of up to 8 megapixels"]
async fn slow_click_on_each_screen_size_hits_the_right_pixel() {
    buttons_arrive((1280, 720), (1280, 720)).await;
    buttons_arrive((1920, 1080), (1280, 720)).await;
    buttons_arrive((3840, 2008), (1280, 669)).await;
}

async fn buttons_arrive(size: (u16, u16), shown_size: (u32, u32)) {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.desktop_size = size);
    let id = server.session().await;
    let shown = server.screen(&id).await;
    let image = shown.image();
    assert_eq!((image.width(), image.height()), shown_size, "{size:?}");
    // Where the button is in the picture, as somebody sees it who knows the picture only.
    let (x, y) = server.desktop(&id).button_area.middle();
    let scale = |at: u16, true_size: u16, shown: u32| u32::from(at) * shown / u32::from(true_size);
    let (x, y) = (
        scale(x, size.0, shown_size.0),
        scale(y, size.1, shown_size.1),
    );
    for (kind, button) in [
        ("click", "left"),
        ("click", "right"),
        ("double_click", "left"),
    ] {
        let action = json!([{ "type": kind, "x": x, "y": y, "button": button }]);
        server.hands(&id, &shown.frame_id(), action).await;
    }
    let scene = server.desktop(&id);
    assert_eq!(scene.clicks.len(), 4, "{size:?}");
    assert!(
        scene.button_on,
        "three clicks of the left button on {size:?}: {:?}",
        scene.clicks
    );
    // Each pixel of the picture stands for these of the desktop.
    let per_pixel = u32::from(size.0).div_ceil(shown_size.0);
    let off = u32::from(scene.pointer.0).abs_diff(x * u32::from(size.0) / shown_size.0);
    assert!(off <= per_pixel, "{size:?}: {:?}", scene.pointer);
}

#[tokio::test(flavor = "multi_thread")]
async fn click_with_old_frame_after_resize_is_conflict() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let old = server.screen(&id).await.frame_id();
    assert!(server.emulator.resize_desktop(&id, (1000, 800)));
    let click = json!([{ "type": "click", "x": 750, "y": 60 }]);
    let args = json!({ "kasm_id": id, "frame_id": old, "actions": click });
    let tool = "control_desktop";
    let reply = server
        .fails_as(tool, args, "conflict", "frame_outdated")
        .await;
    assert!(words(&reply).0.contains("1000 by 800"), "{reply}");
    assert!(server.desktop(&id).clicks.is_empty(), "no action was done");
    let new = server.screen(&id).await;
    assert_eq!(new.image().dimensions(), (1000, 800));
    server.hands(&id, &new.frame_id(), click).await;
    assert!(server.desktop(&id).button_on);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_desktop_with_one_bad_action_does_nothing() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let good = json!({ "type": "click", "x": 750, "y": 60 });
    for bad in [
        json!({ "type": "click" }),
        json!({ "type": "click", "x": 1280, "y": 0 }),
        json!({ "type": "drag", "x": 1, "y": 1 }),
        json!({ "type": "scroll", "x": 1, "y": 1 }),
        json!({ "type": "type" }),
        json!({ "type": "key", "text": "ctrl+nonsense" }),
        json!({ "type": "zoom" }),
        json!({ "type": "click", "x": -1, "y": 0 }),
        json!({ "type": "wait", "time": 1 }),
    ] {
        let args = json!({ "kasm_id": id, "actions": [good, bad] });
        server.fails("control_desktop", args, "validation").await;
    }
    for frame in ["x", "1280x720", "0x0-0x0"] {
        let args = json!({ "kasm_id": id, "frame_id": frame, "actions": [good] });
        server
            .fails_as("control_desktop", args, "validation", "frame_invalid")
            .await;
    }
    let many: Vec<_> = (0..25).map(|_| good.clone()).collect();
    let args = json!({ "kasm_id": id, "actions": many });
    let tool = "control_desktop";
    let reply = server
        .fails_as(tool, args, "validation", "too_many_actions")
        .await;
    assert!(words(&reply).0.contains("24"), "{reply}");
    assert!(server.desktop(&id).clicks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn type_action_with_long_text_arrives_in_order() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.input_time = std::time::Duration::from_millis(30));
    let id = server.session().await;
    let text: String = (0..200).map(|n| format!("line {n} é漢\n")).collect();
    let args = json!({
        "kasm_id": id, "actions": [{ "type": "type", "text": text }], "screenshot": "never",
    });
    let (reply, shown) = server.shows("control_desktop", args).await;
    assert_eq!(reply["success"], true, "{reply}");
    assert!(shown.is_none());
    assert_eq!(server.desktop(&id).typed, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn desktop_clipboard_is_written_and_read() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let clipboard = async |text: Option<&str>| {
        let mut args = json!({ "kasm_id": id });
        if let Some(text) = text {
            args["text"] = text.into();
        }
        server.ok("desktop_clipboard", args).await["text"].clone()
    };
    assert!(clipboard(None).await.is_null());
    let args = json!({ "kasm_id": id, "text": "x".repeat((1 << 20) + 1) });
    server.fails("desktop_clipboard", args, "validation").await;
    let text = "paste: ü 漢 🦀\n".repeat(5_000);
    clipboard(Some(&text)).await;
    assert_eq!(
        server.desktop(&id).clipboard.as_deref(),
        Some(text.as_str())
    );
    clipboard(Some("short")).await;
    let frame = server.screen(&id).await.frame_id();
    let (x, y) = server.desktop(&id).field_area.middle();
    let paste = json!([{ "type": "click", "x": x, "y": y }, { "type": "key", "text": "ctrl+v" }]);
    server.hands(&id, &frame, paste).await;
    assert_eq!(server.desktop(&id).field, "short");
    assert!(server.emulator.copy_on_desktop(&id, "from the desktop"));
    assert_eq!(clipboard(None).await, "from the desktop");
}
