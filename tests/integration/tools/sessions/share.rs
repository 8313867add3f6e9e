//! `share_kasm_session`.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::{NO_SUCH_ID, words};
use crate::tools::refuses;

async fn permissions(server: &TestServer, session: &str) -> Value {
    let target = json!({ "target_session_permissions": { "kasm_id": session } });
    let answer = server.kasm("get_session_permissions", target).await;
    answer["session_permissions"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn share_kasm_session_returns_a_share_id_to_join_with() {
    let server = TestServer::start().await;
    let shared = json!({ "image_name": "Terminal", "enable_sharing": true });
    let created = server.ok("create_kasm_session", shared).await;
    let session = &created["kasm_id"];
    let data = server
        .ok("share_kasm_session", json!({ "kasm_id": session }))
        .await;
    assert_eq!(
        data,
        json!({ "kasm_id": session, "share_id": created["share_id"] })
    );
    let joined = json!({
        "share_id": data["share_id"], "user_id": server.emulator.other_user_id(),
    });
    let joined = server.kasm("join_kasm", joined).await;
    assert_eq!(joined["kasm"]["kasm_id"], *session);
    let status = json!({ "kasm_id": session });
    let status = server.ok("get_session_status", status).await;
    assert_eq!(status["shared"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn share_kasm_session_of_unshared_session_is_conflict() {
    let server = TestServer::start().await;
    let arguments = json!({ "kasm_id": server.session().await });
    let reply = server
        .fails("share_kasm_session", arguments, "conflict")
        .await;
    let (_, hint) = words(&reply);
    for way in ["`user_id`", "create a session", "enable_sharing"] {
        assert!(hint.contains(way), "{hint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn share_kasm_session_with_user_grants_access() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let viewer = server.emulator.other_user_id();
    let mut arguments = json!({ "kasm_id": session, "user_id": viewer });
    for (access, given) in [(Value::Null, "r"), ("rw".into(), "rw"), ("r".into(), "r")] {
        arguments["access"] = access;
        let data = server.ok("share_kasm_session", arguments.clone()).await;
        let entry = json!({ "user_id": viewer, "username": "user@kasm.local", "access": given });
        assert_eq!(data, json!({ "kasm_id": session, "viewers": [entry] }));
        let in_kasm = permissions(&server, &session).await;
        assert_eq!(in_kasm.as_array().unwrap().len(), 1);
        assert_eq!(in_kasm[0]["user_id"], viewer);
        assert_eq!(in_kasm[0]["access"], given);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn share_kasm_session_with_bad_arguments_grants_nothing() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let viewer = server.emulator.other_user_id().to_owned();
    let table = [
        (
            json!({ "kasm_id": session, "user_id": viewer, "access": "admin" }),
            "argument `access`",
        ),
        (
            json!({ "kasm_id": session, "user_id": viewer, "access": true }),
            "argument `access`",
        ),
        (
            json!({ "kasm_id": session, "user_id": "uri" }),
            "argument `user_id`",
        ),
        (
            json!({ "kasm_id": session, "username": "uri" }),
            "unknown argument `username`",
        ),
    ];
    refuses(&server, "share_kasm_session", &table).await;
    assert_eq!(server.emulator.request_count("set_session_permissions"), 0);

    let unknown = json!({ "kasm_id": session, "user_id": NO_SUCH_ID });
    server.fails("share_kasm_session", unknown, "api").await;
    server
        .emulator
        .configure(|profile| profile.sharing_allowed = false);
    let forbidden = json!({ "kasm_id": session, "user_id": viewer });
    server.fails("share_kasm_session", forbidden, "api").await;
    assert_eq!(permissions(&server, &session).await, json!([]));
}
