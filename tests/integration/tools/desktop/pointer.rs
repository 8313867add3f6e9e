//! Pointer actions with keys held, by large amounts, and with fields that they have no use for.

use kasm_emulator::ModifierMask;
use serde_json::{Value, json};

use super::keyboard::seen_session;
use crate::support::TestServer;
use crate::support::kasm::{until, words};

const CONTROL: ModifierMask = ModifierMask::CONTROL;

#[tokio::test(flavor = "multi_thread")]
async fn modifiers_are_held_around_pointer_actions() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let both = CONTROL.with(ModifierMask::SHIFT);
    for (held, state) in [
        (json!({ "modifiers": ["ctrl"] }), CONTROL),
        (json!({ "modifiers": ["Control", "shift"] }), both),
        (json!({ "modifiers": ["ctrl+shift"] }), both),
        (json!({ "modifiers": ["alt"] }), ModifierMask::ALT),
        (json!({ "modifiers": ["super"] }), ModifierMask::SUPER),
        (json!({ "text": "shift" }), ModifierMask::SHIFT),
        (json!({ "modifiers": [] }), ModifierMask::NONE),
    ] {
        for (mut action, clicks) in [
            (json!({ "type": "click" }), 1),
            (json!({ "type": "double_click", "button": "right" }), 2),
            (json!({ "type": "scroll", "dy": 3 }), 3),
        ] {
            let (x, y) = (300, 600);
            action["x"] = x.into();
            action["y"] = y.into();
            for (name, value) in held.as_object().unwrap() {
                action[name] = value.clone();
            }
            let before = server.desktop(&id).clicks.len();
            server.acts(&id, json!([action])).await;
            let desktop = server.desktop(&id);
            let states: Vec<_> = desktop.clicks[before..].iter().map(|c| c.state).collect();
            assert_eq!(states, vec![state; clicks], "{action}");
            assert_eq!(desktop.keyboard_state, ModifierMask::NONE, "{action}");
        }
    }
    let bad = json!({ "type": "click", "x": 1, "y": 1, "modifiers": ["Tab"] });
    let args = json!({ "kasm_id": id, "actions": [bad] });
    server
        .fails_as("control_desktop", args, "validation", "modifier_unknown")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modifiers_are_let_go_when_a_drag_is_given_up() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let (x, y) = server.desktop(&id).box_area.middle();
    let actions = json!([
        { "type": "drag", "x": x, "y": y, "to_x": 600, "to_y": 550, "modifiers": ["ctrl"] },
    ]);
    server
        .abandons(&id, actions, |desktop| desktop.buttons == 1)
        .await;
    until("nothing is held", || {
        let desktop = server.desktop(&id);
        (desktop.buttons, desktop.keyboard_state) == (0, ModifierMask::NONE)
    })
    .await;
    let clicks = server.desktop(&id).clicks;
    assert_eq!(clicks[0].state, CONTROL, "it was held until then");
}

#[tokio::test(flavor = "multi_thread")]
async fn scrolls_are_done_whole_or_not_at_all() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let (x, y) = (300, 600);
    let mut before = 0;
    for (dx, dy) in [(0, 24), (0, 25), (0, -100), (30, -45), (0, 1_000)] {
        let scroll = json!({ "type": "scroll", "x": x, "y": y, "dx": dx, "dy": dy });
        server.acts(&id, json!([scroll])).await;
        let clicks = server.desktop(&id).clicks;
        let count = |button| {
            let new = clicks[before..].iter();
            new.filter(|click| click.button == button).count()
        };
        let wheel = |notches: i32, less, more| {
            let button = if notches < 0 { less } else { more };
            (count(button), notches.unsigned_abs() as usize)
        };
        for (seen, wanted) in [wheel(dy, 4, 5), wheel(dx, 6, 7)] {
            assert_eq!(seen, wanted, "{scroll}");
        }
        before = clicks.len();
    }
    for (action, code) in [
        (
            json!({ "type": "scroll", "x": x, "y": y, "dy": 1_001 }),
            "scroll_too_far",
        ),
        (
            json!({ "type": "scroll", "x": x, "y": y, "dx": i32::MIN }),
            "scroll_too_far",
        ),
        (json!({ "type": "wait", "seconds": 31 }), "wait_too_long"),
        (
            json!({ "type": "wait_until_stable", "seconds": 31 }),
            "wait_too_long",
        ),
        (json!({ "type": "wait", "seconds": -1 }), "wait_invalid"),
    ] {
        let click = json!({ "type": "click", "x": x, "y": y });
        let args = json!({ "kasm_id": id, "actions": [click, action] });
        server
            .fails_as("control_desktop", args, "validation", code)
            .await;
    }
    assert_eq!(
        server.desktop(&id).clicks.len(),
        before,
        "no action was done"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_an_action_does_not_use_are_refused_by_name() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let refused = async |action: Value, field: &str| {
        let args = json!({ "kasm_id": id, "actions": [action] });
        let reply = server
            .fails_as("control_desktop", args, "validation", "field_unused")
            .await;
        assert!(words(&reply).0.contains(&format!("`{field}`")), "{reply}");
    };
    refused(
        json!({ "type": "wait", "seconds": 0.01, "text": "x" }),
        "text",
    )
    .await;
    refused(json!({ "type": "wait", "x": 1 }), "x").await;
    refused(
        json!({ "type": "move", "x": 1, "y": 1, "button": "left" }),
        "button",
    )
    .await;
    refused(
        json!({ "type": "click", "x": 1, "y": 1, "seconds": 1 }),
        "seconds",
    )
    .await;
    refused(
        json!({ "type": "click", "x": 1, "y": 1, "to_x": 1 }),
        "to_x",
    )
    .await;
    refused(json!({ "type": "click", "x": 1, "y": 1, "dy": 1 }), "dy").await;
    refused(json!({ "type": "type", "text": "x", "y": 5 }), "y").await;
    refused(
        json!({ "type": "type", "text": "x", "modifiers": ["ctrl"] }),
        "modifiers",
    )
    .await;
    refused(
        json!({ "type": "key", "text": "x", "seconds": 1 }),
        "seconds",
    )
    .await;
    refused(
        json!({ "type": "scroll", "x": 1, "y": 1, "dy": 1, "button": "left" }),
        "button",
    )
    .await;
    assert_eq!(server.desktop(&id).keys, []);
    // What forms fill in where nothing is meant.
    let click =
        json!({ "type": "click", "x": 1, "y": 1, "text": "", "modifiers": null, "dx": null });
    server.acts(&id, json!([click])).await;
}
