//! Connections that are cut, and desktops that change their size, in the middle of things.

use kasm_emulator::DesktopSecurity;
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::until;

fn click_on_the_button(server: &TestServer, id: &str) -> Value {
    let (x, y) = server.desktop(id).button_area.middle();
    json!({ "kasm_id": id, "actions": [{ "type": "click", "x": x, "y": y }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_fails_only_the_call_whose_action_it_meets() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let args = click_on_the_button(&server, &id);
    let mut failed = 0;
    for requests in 0..9 {
        let before = server.desktop(&id).clicks.len();
        assert!(server.emulator.cut_desktop_after(&id, requests));
        let (reply, shown) = server.shows("control_desktop", args.clone()).await;
        let arrived = server.desktop(&id).clicks.len() - before;
        if reply["success"] == true {
            assert_eq!(arrived, 1, "cut after {requests}: {reply}");
            assert!(shown.is_some(), "cut after {requests}: {reply}");
        } else {
            assert_eq!(reply["error_type"], "unavailable", "{reply}");
            assert!(arrived <= 1, "cut after {requests}: {reply}");
            failed += 1;
            // A button that was left down comes up, which makes a click of it.
            until("nothing is down", || server.desktop(&id).buttons == 0).await;
        }
    }
    assert_eq!(
        failed, 1,
        "before the action is confirmed nothing is certain"
    );
    assert!(server.desktop(&id).connections > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_where_nobody_can_look_any_more() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let args = click_on_the_button(&server, &id);
    // Those who come from now on are not let in.
    server
        .emulator
        .configure(|profile| profile.desktop_security = DesktopSecurity::OtherPassword);
    let mut blind = 0;
    for requests in 5..8 {
        server.emulator.cut_desktop_after(&id, requests);
        let (reply, shown) = server.shows("control_desktop", args.clone()).await;
        if reply["data"]["look_failed"].is_string() {
            assert_eq!(reply["data"]["actions_done"], 1, "{reply}");
            assert!(reply["data"]["changed"].is_null() && shown.is_none());
            assert_eq!(server.desktop(&id).clicks.len(), 1);
            blind += 1;
            break;
        }
    }
    assert_eq!(blind, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_that_a_cut_leaves_down_is_released_at_once() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let (x, y) = server.desktop(&id).box_area.middle();
    let drag = json!([{ "type": "drag", "x": x, "y": y, "to_x": 600, "to_y": 550 }]);
    let args = json!({ "kasm_id": id, "actions": drag });
    let cut = async {
        until("the button is down", || server.desktop(&id).buttons == 1).await;
        assert!(server.emulator.cut_desktop(&id));
    };
    let (reply, ()) = tokio::join!(server.call("control_desktop", args), cut);
    assert_eq!(reply["error_type"], "unavailable", "{reply}");
    // Nobody calls.
    until("the button is up", || server.desktop(&id).buttons == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_in_the_middle_stops_the_rest() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let actions = json!([
        { "type": "click", "x": 750, "y": 60 },
        { "type": "wait", "seconds": 0.5 },
        { "type": "click", "x": 1000, "y": 700 },
    ]);
    let args = json!({ "kasm_id": id, "actions": actions });
    let visit = async {
        until("the first click", || server.desktop(&id).clicks.len() == 1).await;
        assert!(server.emulator.resize_desktop(&id, (800, 600)));
    };
    let stopped = server.fails_as("control_desktop", args, "conflict", "desktop_resized");
    let (_, ()) = tokio::join!(stopped, visit);
    assert_eq!(server.desktop(&id).clicks.len(), 1, "the rest is not done");
    assert_eq!(server.screen(&id).await.image().dimensions(), (800, 600));
    assert_eq!(server.desktop(&id).connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_at_the_end_is_said() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let args = json!({ "kasm_id": id, "actions": [{ "type": "type", "text": "last" }] });
    let visit = async {
        until("the text", || server.desktop(&id).typed == "last").await;
        assert!(server.emulator.resize_desktop(&id, (900, 600)));
    };
    let (data, ()) = tokio::join!(server.ok("control_desktop", args), visit);
    assert_eq!(
        (&data["actions_done"], &data["resized"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(data["frame"]["width"], 900, "{data}");
}
