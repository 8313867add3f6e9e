//! What the API key may do, and whom for.

use kasm_emulator::{Emulator, KeySpec};

use super::check;
use crate::support::kasm::NO_SUCH_ID;

const GRANTED: [&str; 6] = [
    "Images View",
    "Sessions Delete",
    "Sessions Modify",
    "Sessions View",
    "User",
    "Users Auth Session",
];

async fn emulator() -> Emulator {
    Emulator::builder().start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_refused_key_fails_api_key() {
    let emulator = emulator().await;
    let (bare, bare_secret) = emulator.add_key(KeySpec::with([]));
    for settings in [
        [
            ("KASM_API_KEY", "wrongkey"),
            ("KASM_API_SECRET", "wrongsecret"),
        ],
        [("KASM_API_SECRET", "wrongsecret"), ("KASM_RETRIES", "0")],
        [
            ("KASM_API_KEY", bare.as_str()),
            ("KASM_API_SECRET", bare_secret.as_str()),
        ],
    ] {
        let said = check(&emulator, &settings, &[]).await;
        let words = [
            "refuses every request",
            "KASM_API_SECRET is wrong",
            "Settings, Developers",
        ];
        said.has("api key", "fail", &words);
        said.skips(&["workspaces", "user", "sessions", "session: commands"]);
        said.fails_only(&["api key"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_each_missing_permission() {
    let emulator = emulator().await;
    for (permission, row) in [
        ("Images View", "tools: workspaces"),
        ("Sessions Delete", "tools: sessions"),
        ("Sessions Modify", "tools: exec"),
        ("Sessions View", "tools: sessions"),
        ("User", "tools: sessions"),
        ("Users Auth Session", "tools: sessions"),
    ] {
        emulator.revoke_permission(permission);
        let said = check(&emulator, &[], &[]).await;
        said.has("api key", "ok", &[]);
        said.has(row, "fail", &[&format!("lacks {permission}"), "grant it"]);
        assert_eq!(said.code, Some(1));
        emulator.grant_permission(permission);
    }
    check(&emulator, &[], &[]).await.fails_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_rare_permission_missing_is_a_note() {
    let emulator = emulator().await;
    for (permission, row) in [
        ("Session Recordings View", "tools: monitoring"),
        ("Users Create", "tools: users"),
        ("Users Delete", "tools: users"),
        ("Users Modify", "tools: users"),
        ("Users View", "tools: users"),
    ] {
        emulator.revoke_permission(permission);
        let said = check(&emulator, &[], &[]).await;
        said.has(row, "note", &[permission, "grant it"]);
        said.fails_only(&[]);
        if permission == "Users View" {
            said.has("user", "skip", &["Users View"]);
        }
        emulator.grant_permission(permission);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_read_only_key_fails_sessions_only() {
    let emulator = emulator().await;
    let spec = KeySpec {
        read_only: true,
        ..KeySpec::with(GRANTED)
    };
    let (key, secret) = emulator.add_key(spec);
    let settings = [("KASM_API_KEY", key.as_str()), ("KASM_API_SECRET", &secret)];
    let said = check(&emulator, &settings, &[]).await;
    said.has("api key", "ok", &[]);
    said.has("tools: sessions", "fail", &["Sessions Delete", "read-only"]);
    said.has("tools: workspaces", "ok", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_unknown_user_fails_user() {
    let emulator = emulator().await;
    let said = check(&emulator, &[], &[]).await;
    said.has("user", "ok", &[emulator.user_id(), "@"]);
    let said = check(&emulator, &[("KASM_USER_ID", NO_SUCH_ID)], &[]).await;
    said.has("user", "fail", &[NO_SUCH_ID, "KASM_USER_ID"]);
    assert_eq!(said.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_changes_nothing_in_kasm() {
    let emulator = emulator().await;
    let users = emulator.users().len();
    check(&emulator, &[], &[]).await.fails_only(&[]);
    assert_eq!(emulator.users().len(), users);
    assert!(emulator.sessions().is_empty());
    assert!(emulator.commands().is_empty());
}
