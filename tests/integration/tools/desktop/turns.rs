//! Several callers on one desktop: a wait is no use of it, and a look waits for nobody.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::until;

/// Does something while another call goes on that would end much later.
async fn meanwhile(server: &TestServer, long: Value, other: impl Future<Output = ()>) {
    let long = server.call("control_desktop", long);
    tokio::select! {
        reply = long => panic!("the long call ended first: {reply}"),
        () = other => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_keeps_the_desktop_from_nobody() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let actions = json!([
        { "type": "type", "text": "first" },
        { "type": "wait", "seconds": 25 },
        { "type": "type", "text": "never" },
    ]);
    let long = json!({ "kasm_id": id, "actions": actions });
    let others = async {
        until("it waits", || server.desktop(&id).typed == "first").await;
        let frame = server.screen(&id).await.frame_id();
        let (x, y) = server.desktop(&id).button_area.middle();
        let click = json!([{ "type": "click", "x": x, "y": y }]);
        server.hands(&id, &frame, click).await;
        assert!(server.desktop(&id).button_on);
    };
    meanwhile(&server, long, others).await;
    // The call that waited has gone, and nothing of it is left to wait for.
    server.screen(&id).await;
    assert_eq!(server.desktop(&id).typed, "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_does_not_wait_for_a_long_text() {
    let server = TestServer::start().await;
    let id = server.session().await;
    server.screen(&id).await;
    let text = "漢".repeat(2_500);
    let long = json!({ "kasm_id": id, "actions": [{ "type": "type", "text": text }] });
    let others = async {
        until("it types", || !server.desktop(&id).typed.is_empty()).await;
        for _ in 0..3 {
            server.screen(&id).await;
        }
    };
    meanwhile(&server, long, others).await;
    until("a caller that has gone stops typing", || {
        let typed = server.desktop(&id).typed.len();
        std::thread::sleep(std::time::Duration::from_millis(60));
        server.desktop(&id).typed.len() == typed
    })
    .await;
}
