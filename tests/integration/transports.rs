//! The life of a session, and failures, through every transport.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::clients::{Client, TRANSPORTS};

#[tokio::test(flavor = "multi_thread")]
async fn session_lives_from_create_to_destroy_on_every_transport() {
    let server = TestServer::start().await;
    for transport in TRANSPORTS {
        let mut client = Client::connect(&server, transport).await;
        let tools = client.tools(&server).await;
        assert!(
            tools.iter().any(|tool| tool == "create_kasm_session"),
            "{transport}: {tools:?}"
        );

        let created = client
            .call(
                &server,
                "create_kasm_session",
                json!({ "image_name": "Terminal" }),
            )
            .await;
        assert_eq!(
            created["data"]["operational_status"], "running",
            "{transport}: {created}"
        );
        let session = json!({ "kasm_id": created["data"]["kasm_id"] });
        for (tool, status) in [
            ("get_session_status", "running"),
            ("pause_kasm_session", "paused"),
            ("get_session_status", "paused"),
            ("resume_kasm_session", "running"),
        ] {
            let reply = client.call(&server, tool, session.clone()).await;
            assert_eq!(
                reply["data"]["operational_status"], status,
                "{transport} {tool}: {reply}"
            );
        }
        let listed = client.call(&server, "list_user_sessions", json!({})).await;
        let ids = listed["data"]["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| &s["kasm_id"]);
        assert!(
            ids.into_iter().any(|id| *id == session["kasm_id"]),
            "{transport}: {listed}"
        );

        let ended = client
            .call(&server, "destroy_kasm_session", session.clone())
            .await;
        assert_eq!(ended["success"], true, "{transport}: {ended}");
        gone(&server, &mut client, session).await;
    }
}

async fn gone(server: &TestServer, client: &mut Client, session: Value) {
    for _ in 0..100 {
        let reply = client
            .call(server, "get_session_status", session.clone())
            .await;
        if reply["error_type"] == "not_found" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the session never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_errors_have_error_type_on_every_transport() {
    let server = TestServer::start().await;
    for transport in TRANSPORTS {
        let mut client = Client::connect(&server, transport).await;
        let unknown = json!({ "kasm_id": "00000000000000000000000000000000" });
        let reply = client.call(&server, "get_session_status", unknown).await;
        assert_eq!(reply["error_type"], "not_found", "{transport}: {reply}");
        let reply = client
            .call(&server, "get_session_status", json!({ "kasm_id": 5 }))
            .await;
        assert_eq!(reply["error_type"], "validation", "{transport}: {reply}");
        assert!(
            reply["error"].as_str().unwrap().contains("kasm_id"),
            "{transport}: {reply}"
        );
    }
}
