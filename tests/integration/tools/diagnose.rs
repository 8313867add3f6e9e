//! `diagnose_kasm` against keys that lack something.

use serde_json::{Value, json};

use crate::support::TestServer;

/// What the README tells to grant.
const DOCUMENTED: [&str; 11] = [
    "Images View",
    "Session Recordings View",
    "Sessions Delete",
    "Sessions Modify",
    "Sessions View",
    "User",
    "Users Auth Session",
    "Users Create",
    "Users Delete",
    "Users Modify",
    "Users View",
];

async fn diagnosis(server: &TestServer) -> Value {
    server.ok("diagnose_kasm", json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnose_kasm_names_each_missing_permission() {
    let server = TestServer::start().await;
    assert_eq!(
        diagnosis(&server).await["well"],
        true,
        "{}",
        diagnosis(&server).await
    );
    for permission in DOCUMENTED {
        server.emulator.revoke_permission(permission);
        let found = diagnosis(&server).await;
        assert_eq!(found["well"], false, "{permission}");
        assert_eq!(found["missing_permissions"], json!([permission]), "{found}");
        assert_eq!(
            found["possibly_missing"],
            json!([]),
            "{permission}: {found}"
        );
        server.emulator.grant_permission(permission);
    }
    assert_eq!(diagnosis(&server).await["well"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnose_kasm_changes_nothing_in_kasm() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let users = server.emulator.users().len();
    let sessions = server.emulator.sessions().len();
    diagnosis(&server).await;
    assert_eq!(server.emulator.users().len(), users);
    assert_eq!(server.emulator.sessions().len(), sessions);
    assert!(server.emulator.commands().is_empty());
    assert_eq!(server.word_of(&id).as_deref(), Some("running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnose_kasm_with_session_reports_forbidden_downloads() {
    let server = TestServer::start().await;
    let id = server.session().await;
    let found = server.ok("diagnose_kasm", json!({ "kasm_id": id })).await;
    assert_eq!(found["well"], true, "{found}");
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let found = server.ok("diagnose_kasm", json!({ "kasm_id": id })).await;
    assert_eq!(found["well"], false);
    let checks = found["checks"].as_array().unwrap();
    let downloads = checks
        .iter()
        .find(|check| check["what"] == "downloads")
        .unwrap();
    assert!(
        downloads["remedy"]
            .as_str()
            .unwrap()
            .contains("allow_kasm_downloads")
    );
}
