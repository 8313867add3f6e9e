//! Every tool against the emulator: its normal work, and what it makes of bad input.

mod desktop;
mod diagnose;
pub mod exec;
mod files;
mod monitoring;
mod sessions;
mod users;
mod workspaces;

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::{NO_SUCH_ID, words};

/// Every tool that takes a `kasm_id`.
pub const TOOLS_OF_A_SESSION: [&str; 11] = [
    "destroy_kasm_session",
    "get_session_status",
    "pause_kasm_session",
    "resume_kasm_session",
    "extend_kasm_session",
    "share_kasm_session",
    "get_session_frame_stats",
    "get_session_bottleneck_stats",
    "get_session_recordings",
    "get_session_screenshot",
    "desktop_clipboard",
];

/// Checks that each of these arguments is refused and that the words name the culprit.
async fn refuses(server: &TestServer, tool: &str, table: &[(Value, &str)]) {
    for (arguments, culprit) in table {
        let reply = server.fails(tool, arguments.clone(), "validation").await;
        let (error, hint) = words(&reply);
        assert!(error.contains(culprit), "{tool} {arguments}: {error}");
        assert!(!hint.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_tools_with_bad_kasm_id_are_validation() {
    let server = TestServer::start().await;
    for tool in TOOLS_OF_A_SESSION {
        let table = [
            (json!({}), "missing field `kasm_id`"),
            (json!({ "kasm_id": null }), "kasm_id"),
            (json!({ "kasm_id": 5 }), "argument `kasm_id`"),
            (json!({ "kasm_id": [NO_SUCH_ID] }), "argument `kasm_id`"),
            (json!({ "kasm_id": "" }), "32 hex digits"),
            (
                json!({ "kasm_id": "../get_users" }),
                "`../get_users` is not an id",
            ),
            (
                json!({ "kasm_id": format!("{NO_SUCH_ID}0") }),
                "argument `kasm_id`",
            ),
            (
                json!({ "kasm_id": NO_SUCH_ID, "kasm_ids": [] }),
                "unknown argument `kasm_ids`",
            ),
        ];
        refuses(&server, tool, &table).await;
        let reply = server.fails(tool, json!({}), "validation").await;
        let (_, hint) = words(&reply);
        assert!(hint.contains("kasm_id"), "{tool}: {hint}");
    }
    assert!(
        server.emulator.requests().is_empty(),
        "a refused call does not reach Kasm"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn session_tools_on_foreign_session_are_not_found() {
    let server = TestServer::start().await;
    let foreign = server.foreign_session().await;
    server.emulator.attach_viewer(&foreign);
    for tool in TOOLS_OF_A_SESSION {
        let never = server
            .fails(tool, json!({ "kasm_id": NO_SUCH_ID }), "not_found")
            .await;
        let theirs = server
            .fails(tool, json!({ "kasm_id": foreign }), "not_found")
            .await;
        assert_eq!(never, theirs, "{tool}");
        let (_, hint) = words(&theirs);
        assert!(hint.contains("list_user_sessions"), "{tool}: {hint}");
    }
    assert_eq!(server.word_of(&foreign).as_deref(), Some("running"));
    let reached: Vec<_> = server
        .emulator
        .requests()
        .into_iter()
        .filter(|request| request.body.to_string().contains(&foreign))
        .map(|request| request.endpoint)
        .collect();
    assert!(
        reached.iter().all(|endpoint| endpoint == "get_kasm_status"),
        "nothing but the check touched it: {reached:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_with_another_user_id_are_refused() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let own = server.emulator.user_id().to_owned();
    let other = server.emulator.other_user_id().to_owned();
    let dashed = format!(
        "{}-{}-{}-{}-{}",
        &own[..8],
        &own[8..12],
        &own[12..16],
        &own[16..20],
        &own[20..]
    );
    let calls = [
        ("get_session_status", json!({ "kasm_id": session })),
        ("pause_kasm_session", json!({ "kasm_id": session })),
        ("resume_kasm_session", json!({ "kasm_id": session })),
        ("extend_kasm_session", json!({ "kasm_id": session })),
        ("create_kasm_session", json!({ "image_name": "Terminal" })),
        ("destroy_kasm_session", json!({ "kasm_id": session })),
    ];
    let before = server.emulator.requests().len();
    for (tool, mut arguments) in calls.clone() {
        for stranger in [other.as_str(), NO_SUCH_ID] {
            arguments["user_id"] = stranger.into();
            let reply = server.fails(tool, arguments.clone(), "permission").await;
            let (_, hint) = words(&reply);
            assert!(hint.contains("omit `user_id`"), "{tool}: {hint}");
        }
        arguments["user_id"] = "me".into();
        refuses(&server, tool, &[(arguments, "argument `user_id`")]).await;
    }
    assert_eq!(
        server.emulator.requests().len(),
        before,
        "Kasm heard of none"
    );
    for (tool, mut arguments) in calls {
        arguments["user_id"] = dashed.to_uppercase().into();
        server.ok(tool, arguments).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_over_the_tokens_scope_are_permission() {
    for (scope, allowed) in [("kasm:read", 0), ("kasm:use", 1), ("kasm:admin", 2)] {
        let server = TestServer::with(&[("MCP_AUTH_SCOPE", scope)]).await;
        let calls = [
            ("list_user_sessions", json!({}), 0),
            ("get_available_workspaces", json!({}), 0),
            (
                "create_kasm_session",
                json!({ "image_name": "Terminal" }),
                1,
            ),
            ("list_all_sessions", json!({}), 2),
            ("get_kasm_users", json!({}), 2),
            (
                "logout_kasm_user",
                json!({ "user_id": server.emulator.other_user_id() }),
                2,
            ),
        ];
        for (tool, arguments, needed) in calls {
            if needed <= allowed {
                server.ok(tool, arguments).await;
                continue;
            }
            let before = server.emulator.requests().len();
            let reply = server.fails(tool, arguments, "permission").await;
            let wanted = ["kasm:read", "kasm:use", "kasm:admin"][needed];
            assert!(words(&reply).0.contains(wanted), "{scope} {tool}: {reply}");
            assert!(words(&reply).1.contains("token"), "{scope} {tool}: {reply}");
            assert_eq!(server.emulator.requests().len(), before, "{scope} {tool}");
        }
    }
}
