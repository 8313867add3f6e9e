//! Desktops that mean ill: an error, and everybody else goes on.

use std::time::Duration;

use kasm_emulator::{DesktopFault, ScreenshotMode};
use serde_json::json;
use tokio::time::timeout;

use crate::support::TestServer;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: 14 desktops, some of which are silent until a timeout"]
async fn slow_hostile_desktop_fails_and_other_sessions_work() {
    let faults = [
        DesktopFault::Cut,
        DesktopFault::WrongLength,
        DesktopFault::EndlessRectangles,
        DesktopFault::OutsideScreen,
        DesktopFault::BadCompression,
        DesktopFault::BadTile,
        DesktopFault::Bomb,
        DesktopFault::UnknownMessage,
        DesktopFault::HugeClipboard,
        DesktopFault::HugeScreen,
        DesktopFault::LongName,
        DesktopFault::Silent,
        DesktopFault::Stalled,
        DesktopFault::Trickling,
    ];
    let tries = faults.map(|fault| async move {
        let server = TestServer::start().await;
        server
            .emulator
            .configure(|profile| profile.screenshot = ScreenshotMode::None);
        let good = server.session().await;
        server.screen(&good).await;
        let bad = server.session().await;
        server
            .emulator
            .configure(|profile| profile.desktop_fault = Some(fault));
        let call = server.call("get_session_screenshot", json!({ "kasm_id": bad }));
        let reply = timeout(Duration::from_secs(40), call).await.unwrap();
        // Kasm may have a picture because somebody was there for a moment.
        let marked = reply["data"]["possibly_stale"] == true;
        assert!(marked || reply["success"] == false, "{fault:?}: {reply}");
        server
            .emulator
            .configure(|profile| profile.desktop_fault = None);
        server.screen(&good).await;
        server.screen(&bad).await;
    });
    futures::future::join_all(tries).await;
}
