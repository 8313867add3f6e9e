//! The connection to a desktop: kept, shared, made anew, and left in order.

use std::time::Duration;

use kasm_emulator::DesktopSecurity;
use serde_json::json;

use crate::support::kasm::until;
use crate::support::{TOKEN, TestServer, rpc};

#[tokio::test(flavor = "multi_thread")]
async fn desktop_connection_after_cut_is_opened_again() {
    let server = TestServer::start().await;
    let id = server.session().await;
    for round in 1..=3 {
        server.screen(&id).await;
        assert_eq!(server.desktop(&id).connections, round);
        assert!(server.emulator.cut_desktop(&id));
        if round == 2 {
            // Noticed before the next use, and once in the middle of it.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn desktop_with_other_viewers_and_requests_keeps_its_connection() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    for _ in 0..3 {
        server.emulator.attach_viewer(&id);
        server.emulator.copy_on_desktop(&id, "copied by a person");
        server
            .call(
                "get_session_frame_stats",
                json!({ "kasm_id": id, "client": "all" }),
            )
            .await;
        server.emulator.detach_viewers(&id);
        server.screen(&id).await;
    }
    assert_eq!(server.desktop(&id).connections, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_share_one_desktop_connection() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let looks = (0..8).map(|_| server.screen(&id));
    let pictures = futures::future::join_all(looks).await;
    assert!(
        pictures
            .windows(2)
            .all(|pair| pair[0].image() == pair[1].image())
    );
    until("those that lost the race have left", || {
        server.desktop(&id).viewers == 1
    })
    .await;
    let made = server.desktop(&id).connections;
    let again = futures::future::join_all((0..8).map(|_| server.screen(&id))).await;
    assert_eq!(again.len(), 8);
    assert_eq!(server.desktop(&id).connections, made, "one is shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn desktop_security_none_works_and_other_password_is_unsupported() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.desktop_security = DesktopSecurity::None);
    let id = server.session().await;
    server.screen(&id).await;
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.desktop_security = DesktopSecurity::OtherPassword);
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "actions": [] });
    let reply = server.fails("control_desktop", args, "unsupported").await;
    assert!(
        reply["error"].as_str().unwrap().contains("Authentication"),
        "{reply}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn control_desktop_after_hang_up_releases_buttons_and_keys() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let (x, y) = server.desktop(&id).box_area.middle();
    let actions = json!([
        { "type": "drag", "x": x, "y": y, "to_x": 600, "to_y": 550 },
        { "type": "click", "x": 750, "y": 60 },
    ]);
    let params =
        json!({ "name": "control_desktop", "arguments": { "kasm_id": id, "actions": actions } });
    let call = server
        .http
        .post(server.mcp())
        .bearer_auth(TOKEN)
        .json(&rpc("tools/call", params))
        .timeout(Duration::from_millis(300));
    assert!(call.send().await.is_err(), "it takes longer than that");
    until("nothing is pressed", || server.desktop(&id).buttons == 0).await;
    let scene = server.desktop(&id);
    assert!(!scene.button_on, "the rest is not done");
    server.screen(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn desktop_tools_on_paused_session_are_conflict() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server
        .ok("pause_kasm_session", json!({ "kasm_id": id }))
        .await;
    for (tool, args) in [
        ("get_session_screenshot", json!({ "kasm_id": id })),
        ("control_desktop", json!({ "kasm_id": id, "actions": [] })),
        ("desktop_clipboard", json!({ "kasm_id": id })),
    ] {
        server.fails(tool, args, "conflict").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_desktop_while_viewer_resizes_types_whole_text() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let pair = [
        json!({ "type": "type", "text": "word " }),
        json!({ "type": "wait", "seconds": 0.1 }),
    ];
    let actions: Vec<_> = pair.iter().cycle().take(24).collect();
    let args = json!({ "kasm_id": id, "actions": actions });
    let visit = async {
        let pause = || tokio::time::sleep(Duration::from_millis(150));
        server.emulator.attach_viewer(&id);
        for size in [(900, 600), (1600, 900), (1280, 720)] {
            pause().await;
            assert!(server.emulator.resize_desktop(&id, size));
        }
        pause().await;
        server.emulator.detach_viewers(&id);
    };
    let ((reply, shown), ()) = tokio::join!(server.shows("control_desktop", args), visit);
    assert_eq!(reply["data"]["actions_done"], 24, "{reply}");
    assert_eq!(shown.unwrap().image().dimensions(), (1280, 720));
    assert_eq!(server.desktop(&id).typed, "word ".repeat(12));
    assert_eq!(server.desktop(&id).connections, 1);
}
