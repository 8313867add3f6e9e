//! Kasm is there and says no.

use std::time::{Duration, SystemTime};

use kasm_emulator::{Fault, KeySpec};
use serde_json::{Value, json};

use super::told;
use crate::support::TestServer;

fn terminal() -> Value {
    json!({ "image_name": "Terminal" })
}

const EVERYTHING: [&str; 11] = [
    "User",
    "Users Auth Session",
    "Sessions View",
    "Sessions Modify",
    "Sessions Delete",
    "Session Recordings View",
    "Images View",
    "Users View",
    "Users Create",
    "Users Modify",
    "Users Delete",
];

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_wrong_key_is_permission_without_retry() {
    for status in [401, 403] {
        for setting in ["KASM_API_KEY", "KASM_API_SECRET"] {
            let server = TestServer::with(&[(setting, "not-the-right-one")]).await;
            server
                .emulator
                .configure(|profile| profile.bad_key_status = status);
            let call = ("list_user_sessions", json!({}));
            let words = ("Kasm refused `get_kasms`", "check this server's API key");
            told(&server, call, "permission", words).await;
            assert_eq!(
                server.emulator.request_count("get_kasms"),
                1,
                "not repeated"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_disabled_expired_or_read_only_key_is_permission() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let past = SystemTime::now() - Duration::from_secs(60);
    let whole = KeySpec::with(EVERYTHING);
    let (mut off, mut expired, mut read_only) = (whole.clone(), whole.clone(), whole);
    off.enabled = false;
    expired.expires = Some(past);
    read_only.read_only = true;
    for (spec, reads, hint) in [
        (off, false, "enabled"),
        (expired, false, "not expired"),
        (read_only, true, "not read-only"),
    ] {
        let (key, secret) = server.emulator.add_key(spec);
        let settings = [
            ("KASM_API_URL", server.emulator.url()),
            ("KASM_USER_ID", server.emulator.user_id()),
            ("KASM_API_KEY", &key),
            ("KASM_API_SECRET", &secret),
        ];
        let with_key = TestServer::with(&settings).await;
        let look = ("get_session_status", json!({ "kasm_id": session }));
        let write = ("pause_kasm_session", json!({ "kasm_id": session }));
        if reads {
            with_key.ok(look.0, look.1).await;
        } else {
            told(&with_key, look, "permission", ("Kasm refused", hint)).await;
        }
        told(&with_key, write, "permission", ("Kasm refused", hint)).await;
        assert_eq!(server.word_of(&session).as_deref(), Some("running"));
    }
}

/// Which tool first needs which permission.
fn needs(server: &TestServer, session: &str) -> Vec<(&'static str, &'static str, Value)> {
    let of_session = json!({ "kasm_id": session });
    let other = server.emulator.other_user_id();
    let viewer = json!({ "kasm_id": session, "user_id": other });
    let new = json!({ "username": "x", "password": "y" });
    let change = json!({ "user_id": other, "phone": "1" });
    vec![
        ("User", "create_kasm_session", terminal()),
        ("Users Auth Session", "create_kasm_session", terminal()),
        ("User", "get_session_status", of_session.clone()),
        (
            "Users Auth Session",
            "get_session_status",
            of_session.clone(),
        ),
        (
            "Users Auth Session",
            "extend_kasm_session",
            of_session.clone(),
        ),
        ("Sessions View", "list_user_sessions", json!({})),
        ("Sessions View", "list_all_sessions", json!({})),
        (
            "Sessions View",
            "get_session_frame_stats",
            of_session.clone(),
        ),
        (
            "Sessions View",
            "get_session_bottleneck_stats",
            of_session.clone(),
        ),
        ("Sessions Modify", "pause_kasm_session", of_session.clone()),
        ("Sessions Modify", "share_kasm_session", viewer),
        (
            "Sessions Delete",
            "destroy_kasm_session",
            of_session.clone(),
        ),
        (
            "Session Recordings View",
            "get_session_recordings",
            of_session,
        ),
        ("Images View", "get_available_workspaces", json!({})),
        ("Images View", "create_kasm_session", terminal()),
        ("Users View", "get_kasm_users", json!({})),
        ("Users View", "get_kasm_user", json!({ "user_id": other })),
        ("Users Create", "create_kasm_user", new),
        ("Users Modify", "update_kasm_user", change),
        (
            "Users Modify",
            "delete_kasm_user",
            json!({ "user_id": other }),
        ),
        (
            "Users Delete",
            "delete_kasm_user",
            json!({ "user_id": other }),
        ),
        (
            "Users Auth Session",
            "logout_kasm_user",
            json!({ "user_id": other }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_revoked_permission_names_it() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let (sessions, users) = (server.emulator.sessions(), server.emulator.users());
    for status in [403, 401] {
        server
            .emulator
            .configure(|profile| profile.refusal_status = status);
        for (permission, tool, arguments) in needs(&server, &session) {
            server.emulator.revoke_permission(permission);
            let words = ("Unauthorized", permission);
            told(&server, (tool, arguments), "permission", words).await;
            server.emulator.grant_permission(permission);
        }
    }
    assert_eq!(server.emulator.sessions(), sessions, "nothing happened");
    assert_eq!(server.emulator.users(), users, "nothing happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_tools_on_admin_without_permission_are_permission() {
    let server = TestServer::start().await;
    let users = server.emulator.users().into_iter();
    let mut admins = users.filter(|user| user.username == "admin@kasm.local");
    let admin = admins.next().unwrap().user_id;
    server.emulator.revoke_permission("Users Modify Admin");
    for call in [
        (
            "update_kasm_user",
            json!({ "user_id": admin, "phone": "1" }),
        ),
        ("delete_kasm_user", json!({ "user_id": admin })),
    ] {
        let words = ("Unauthorized", "Users Modify Admin");
        told(&server, call, "permission", words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_without_api_licence_is_permission() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.licensed = false);
    let words = ("Kasm refused", "ask a Kasm administrator");
    let call = ("list_user_sessions", json!({}));
    told(&server, call, "permission", words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_without_resources_fails_with_hint() {
    let cases = [
        (Fault::NoResources, "no capacity", "destroy_kasm_session"),
        (Fault::UnableToCreate, "no capacity", "add hosts"),
        (
            Fault::LicenceLimit,
            "licence",
            "the administrator about the licence",
        ),
    ];
    let server = TestServer::start().await;
    for (fault, error, hint) in cases {
        for status in [200, 400] {
            server
                .emulator
                .configure(|profile| profile.failure_status = status);
            server.emulator.fail_next("request_kasm", fault.clone(), 1);
            let call = ("create_kasm_session", terminal());
            told(&server, call, "unavailable", (error, hint)).await;
        }
    }
    server
        .emulator
        .configure(|profile| profile.capacity = Some(0));
    let call = ("create_kasm_session", terminal());
    told(
        &server,
        call,
        "unavailable",
        ("No resources are available", "destroy_kasm_session"),
    )
    .await;
    // A workspace that no host has pulled.
    server.emulator.configure(|profile| profile.capacity = None);
    let call = (
        "create_kasm_session",
        json!({ "image_name": "Debian Desktop" }),
    );
    told(
        &server,
        call,
        "unavailable",
        ("no capacity", "smaller workspace"),
    )
    .await;
    assert!(server.emulator.sessions().is_empty());
    assert_eq!(server.emulator.request_count("request_kasm"), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_with_unknown_refusal_is_api_error_with_its_text() {
    let server = TestServer::start().await;
    let odd = Fault::ErrorMessage("The moon\tis\n  full".to_owned());
    server.emulator.fail_next("request_kasm", odd, 1);
    let call = ("create_kasm_session", terminal());
    let words = ("The moon is full", "from Kasm");
    told(&server, call, "api", words).await;
    let long = Fault::ErrorMessage("ab ".repeat(5_000));
    server.emulator.fail_next("get_kasms", long, 1);
    let call = ("list_user_sessions", json!({}));
    let reply = told(&server, call, "api", ("ab ab", "from Kasm")).await;
    assert!(reply.to_string().len() < 1_000, "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_tools_after_session_ended_are_not_found() {
    let server = TestServer::start().await;
    for expire in [true, false] {
        let session = server.session().await;
        if expire {
            assert!(server.emulator.expire_session(&session));
        } else {
            assert!(server.emulator.kill_session(&session));
        }
        server.becomes(&session, None).await;
        for tool in [
            "get_session_status",
            "pause_kasm_session",
            "share_kasm_session",
        ] {
            let words = ("no such session", "list_user_sessions");
            told(
                &server,
                (tool, json!({ "kasm_id": session })),
                "not_found",
                words,
            )
            .await;
        }
    }
}
