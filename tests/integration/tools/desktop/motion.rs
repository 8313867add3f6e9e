//! What moves by itself is named, and is neither news nor unrest.

use kasm_emulator::{Area, Profile};
use serde_json::{Value, json};

use crate::support::TestServer;

/// A server whose desktop is like this, and its session.
async fn lively(change: impl FnOnce(&mut Profile)) -> (TestServer, String) {
    let server = TestServer::start().await;
    server.emulator.configure(change);
    let id = server.session().await;
    (server, id)
}

async fn control(server: &TestServer, id: &str, action: Value) -> (Value, bool) {
    let args = json!({ "kasm_id": id, "actions": [action], "screenshot": "on_change" });
    let (reply, shown) = server.shows("control_desktop", args).await;
    assert_eq!(reply["success"], true, "{reply}");
    (reply["data"].clone(), shown.is_some())
}

/// Each rectangle is inside the area.
fn inside(animated: &Value, area: Area) -> bool {
    let within = |rectangle: &Value| {
        let number = |name: &str| rectangle[name].as_u64().unwrap();
        let (x, y) = (u64::from(area.x), u64::from(area.y));
        number("x") >= x
            && number("y") >= y
            && number("x") + number("width") <= x + u64::from(area.width)
            && number("y") + number("height") <= y + u64::from(area.height)
    };
    animated.as_array().unwrap().iter().all(within)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinner_is_named_and_no_news() {
    let (server, id) = lively(|profile| profile.desktop_spinner = true).await;
    for _ in 0..3 {
        let waits = json!({ "type": "wait", "seconds": 0.05 });
        let (data, shown) = control(&server, &id, waits).await;
        assert_eq!((&data["changed"], shown), (&json!(false), false), "{data}");
        assert_eq!(data["settled"], true, "{data}");
        assert!(data["animated"].is_array(), "{data}");
        assert!(
            inside(&data["animated"], server.desktop(&id).spinner_area),
            "{data}"
        );
    }
    let (x, y) = server.desktop(&id).button_area.middle();
    let click = json!({ "type": "click", "x": x, "y": y });
    let (data, shown) = control(&server, &id, click).await;
    assert_eq!((&data["changed"], shown), (&json!(true), true), "{data}");
    assert_eq!(data["settled"], true, "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_and_a_block_that_blinks_are_no_news() {
    let (server, id) = lively(|profile| {
        profile.desktop_clock = true;
        profile.cursor_blinks = true;
        profile.cursor_is_block = true;
    })
    .await;
    for seconds in [0.05, 0.4, 0.75] {
        let waits = json!({ "type": "wait", "seconds": seconds });
        let (data, shown) = control(&server, &id, waits).await;
        assert_eq!((&data["changed"], shown), (&json!(false), false), "{data}");
        assert_eq!(data["settled"], true, "{data}");
    }
    // A letter is as small, and stays.
    let (data, shown) = control(&server, &id, json!({ "type": "type", "text": "i" })).await;
    assert_eq!((&data["changed"], shown), (&json!(true), true), "{data}");
}
