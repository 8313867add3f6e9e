//! Keys that are pressed together, by all the names that they have.

use kasm_emulator::{KeyboardLayout, ModifierMask};
use serde_json::json;

use super::seen_session;
use crate::support::TestServer;
use crate::support::kasm::words;

const SHIFT: ModifierMask = ModifierMask::SHIFT;
const CONTROL: ModifierMask = ModifierMask::CONTROL;

/// The key that a program received last, and what was held.
async fn received(server: &TestServer, id: &str, keys: &str) -> (u32, ModifierMask) {
    server
        .acts(id, json!([{ "type": "key", "text": keys }]))
        .await;
    let stroke = *server.desktop(id).strokes.last().unwrap();
    (stroke.keysym, stroke.state)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_with_what_is_held_and_leave_every_lock_alone() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let both = CONTROL.with(SHIFT);
    for (layout, caps_lock) in [
        (KeyboardLayout::Us, false),
        (KeyboardLayout::Us, true),
        (KeyboardLayout::De, true),
    ] {
        server
            .emulator
            .configure(|profile| profile.keyboard_layout = layout);
        server.emulator.set_caps_lock(&id, caps_lock);
        let before = server.desktop(&id).keyboard_state;
        for (keys, keysym, state) in [
            ("ctrl+c", 'c', CONTROL),
            ("ctrl+C", 'c', CONTROL),
            ("ctrl+shift+t", 'T', both),
            ("ctrl+shift+T", 'T', both),
            ("ctrl+shift+1", '!', both),
            ("ctrl+shift+!", '!', both),
            ("ctrl++", '+', ModifierMask::NONE),
            ("alt+f", 'f', ModifierMask::ALT),
            ("shift+a", 'A', SHIFT),
            ("A", 'A', SHIFT),
            ("a", 'a', ModifierMask::NONE),
        ] {
            let (seen, held) = received(&server, &id, keys).await;
            assert_eq!(char::from_u32(seen), Some(keysym), "{keys} on {layout:?}");
            // The plus has its own key on one layout and a Shift on the other.
            if keys != "ctrl++" {
                assert_eq!(held, state, "{keys} on {layout:?}");
            }
            let after = server.desktop(&id).keyboard_state;
            assert_eq!(after, before, "{keys} on {layout:?}");
        }
    }
    server
        .emulator
        .configure(|profile| profile.keyboard_layout = KeyboardLayout::Us);
    for (keys, sign) in [("ctrl+shift+/", '?'), ("ctrl+shift+=", '+')] {
        let seen = received(&server, &id, keys).await;
        assert_eq!(seen, (u32::from(sign), both), "{keys}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_pressed_on_purpose_stays() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    for expected in [ModifierMask::LOCK, ModifierMask::NONE] {
        let actions = json!([
            { "type": "key", "text": "CapsLock" },
            { "type": "type", "text": "Straße" },
        ]);
        server.acts(&id, actions).await;
        assert_eq!(server.desktop(&id).keyboard_state, expected);
    }
    assert_eq!(server.desktop(&id).typed, "StraßeStraße");
    received(&server, &id, "Num_Lock").await;
    let state = server.desktop(&id).keyboard_state;
    assert_eq!(state, ModifierMask::NUM_LOCK);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_known_by_all_their_names() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    let names = [
        ("KP_Enter", 0xff8d),
        ("pgup", 0xff55),
        ("PgDn", 0xff56),
        ("Ins", 0xff63),
        ("PrintScreen", 0xff61),
        ("Control_L", 0xffe3),
        ("Shift_L", 0xffe1),
        ("Super_L", 0xffeb),
        ("KP_0", 0xffb0),
        ("NumpadAdd", 0xffab),
        ("comma", 0x2c),
        ("slash", 0x2f),
        ("bracketleft", 0x5b),
        ("plus", 0x2b),
        ("Windows", 0xffeb),
        ("Command", 0xffeb),
        ("KeyA", 0x61),
        ("Digit7", 0x37),
        ("ArrowLeft", 0xff51),
        ("ContextMenu", 0xff67),
        ("XF86AudioMute", 0x1008_ff12),
        ("AltGraph", 0xfe03),
    ];
    let press = |(name, _): &(&str, u32)| json!({ "type": "key", "text": name });
    let actions = names.iter().map(press).collect();
    server.acts(&id, actions).await;
    let strokes = server.desktop(&id).strokes.into_iter();
    // A sign that needs it comes with a Shift of its own.
    let seen: Vec<u32> = strokes
        .map(|stroke| stroke.keysym)
        .filter(|keysym| *keysym != 0xffe1)
        .collect();
    let expected: Vec<u32> = names.iter().map(|(_, keysym)| *keysym).collect();
    let expected: Vec<u32> = expected.into_iter().filter(|key| *key != 0xffe1).collect();
    assert_eq!(seen, expected);
    assert_eq!(server.desktop(&id).keyboard_state, ModifierMask::NONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_there_are_not_are_refused_with_names_that_are_like_them() {
    let server = TestServer::start().await;
    let id = seen_session(&server).await;
    for (keys, code) in [
        ("ctrl+", "key_incomplete"),
        ("ctrl+shift+", "key_incomplete"),
        ("+ctrl", "key_incomplete"),
        ("ctrl+Pagedwon", "key_unknown"),
        ("hyperspace", "key_unknown"),
    ] {
        let actions = json!([{ "type": "key", "text": "a" }, { "type": "key", "text": keys }]);
        let args = json!({ "kasm_id": id, "actions": actions });
        let reply = server
            .fails_as("control_desktop", args, "validation", code)
            .await;
        if keys.ends_with("dwon") {
            assert!(words(&reply).0.contains("`PageDown`"), "{reply}");
        }
    }
    assert_eq!(server.desktop(&id).keys, []);
}
