//! `get_session_status`, `list_user_sessions`, `list_all_sessions`.

use std::collections::BTreeMap;
use std::time::Duration;

use kasm_emulator::{NotReadyShape, OwnerField, TimeStyle};
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::words;
use crate::tools::refuses;

#[tokio::test(flavor = "multi_thread")]
async fn get_session_status_returns_kasms_values() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for style in [TimeStyle::Plain, TimeStyle::Iso] {
        server
            .emulator
            .configure(|profile| profile.time_style = style);
        let arguments = json!({ "kasm_id": session });
        let reply = server.call("get_session_status", arguments.clone()).await;
        let mut raw = arguments;
        raw["user_id"] = server.emulator.user_id().into();
        let kasm = server.kasm("get_kasm_status", raw).await["kasm"].clone();
        let view = &reply["data"];
        for field in [
            "kasm_id",
            "operational_status",
            "image_id",
            "username",
            "cores",
        ] {
            assert_eq!(view[field], kasm[field], "{field}: {reply}");
        }
        assert_eq!(view["image_name"], "Terminal");
        assert_eq!(view["memory_bytes"], kasm["memory"]);
        assert_eq!(view["shared"], false);
        for field in ["start_date", "expiration_date"] {
            let ours = view[field].as_str().unwrap().replace(['T', 'Z'], " ");
            let theirs = kasm[field].as_str().unwrap();
            assert_eq!(ours[..19], theirs[..19], "{field}");
        }
        let left = view["expires_in_seconds"].as_i64().unwrap();
        assert!((3500..=3600).contains(&left), "{style:?}: {left}");
        assert_eq!(reply["message"], "the session is running");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_status_has_url_only_on_request() {
    let server = TestServer::start().await;
    let session = server.session().await;
    for arguments in [
        json!({ "kasm_id": session }),
        json!({ "kasm_id": session, "include_url": false }),
        json!({ "kasm_id": session, "include_url": null }),
    ] {
        let text = server.call("get_session_status", arguments).await;
        let text = text.to_string();
        for secret in ["kasm_url", "connect", "eyJ", "token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let arguments = json!({ "kasm_id": session, "include_url": true });
    let data = server.ok("get_session_status", arguments).await;
    let link = data["kasm_url"].as_str().unwrap();
    let user = server.emulator.user_id();
    let start = format!("/#/connect/kasm/{session}/{user}/");
    let token = link.strip_prefix(&start).unwrap();
    assert!(server.emulator.accepts_cookies("demo@kasm.local", token));

    let arguments = json!({ "kasm_id": session, "include_url": "yes" });
    refuses(
        &server,
        "get_session_status",
        &[(arguments, "`include_url`")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_status_url_with_read_scope_is_permission() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:read")]).await;
    let (user, image) = (server.emulator.user_id(), server.emulator.image_id());
    let request = json!({ "user_id": user, "image_id": image });
    let session = server.kasm("request_kasm", request).await["kasm_id"].clone();
    let mut arguments = json!({ "kasm_id": session });
    server.ok("get_session_status", arguments.clone()).await;
    arguments["include_url"] = true.into();
    let reply = server
        .fails("get_session_status", arguments, "permission")
        .await;
    assert!(words(&reply).0.contains("kasm:use"), "{reply}");
    assert!(words(&reply).1.contains("call without it"), "{reply}");
}

/// The listed sessions: id and status word.
fn listed(data: &Value) -> BTreeMap<String, String> {
    let sessions = data["sessions"].as_array().unwrap();
    assert_eq!(data["count"], sessions.len());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sessions
        .iter()
        .map(|s| (text(&s["kasm_id"]), text(&s["operational_status"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lists_match_kasm() {
    let server = TestServer::start().await;
    for tool in ["list_user_sessions", "list_all_sessions"] {
        assert!(listed(&server.ok(tool, json!({})).await).is_empty());
    }
    let first = server.session().await;
    let paused = json!({ "kasm_id": server.session().await });
    server.ok("pause_kasm_session", paused).await;
    let foreign = server.foreign_session().await;
    for owner in [OwnerField::User, OwnerField::TopLevel] {
        server
            .emulator
            .configure(|profile| profile.owner_field = owner);
        let in_kasm = |mine: bool| -> BTreeMap<String, String> {
            let sessions = server.emulator.sessions().into_iter();
            sessions
                .filter(|s| !mine || s.user_id == server.emulator.user_id())
                .map(|s| (s.kasm_id, s.status))
                .collect()
        };
        let mine = server.ok("list_user_sessions", json!({})).await;
        assert_eq!(listed(&mine), in_kasm(true), "{owner:?}");
        assert_eq!(listed(&mine).len(), 2);
        assert!(!mine.to_string().contains(&foreign));
        let all = server.ok("list_all_sessions", json!({})).await;
        assert_eq!(listed(&all), in_kasm(false), "{owner:?}");
        assert_eq!(listed(&all).len(), 3);
        let username = |kasm_id: &str| {
            let sessions = all["sessions"].as_array().unwrap().iter();
            let mut same = sessions.filter(|s| s["kasm_id"] == kasm_id);
            same.next().unwrap()["username"].clone()
        };
        assert_eq!(username(&first), "demo@kasm.local", "{owner:?}");
        assert_eq!(username(&foreign), "user@kasm.local", "{owner:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_lists_with_arguments_are_validation() {
    let server = TestServer::start().await;
    for tool in ["list_user_sessions", "list_all_sessions"] {
        let arguments = json!({ "user_id": server.emulator.other_user_id() });
        refuses(&server, tool, &[(arguments, "unknown argument `user_id`")]).await;
        let reply = server.fails(tool, json!({ "x": 1 }), "validation").await;
        assert_eq!(words(&reply).1, "call it without arguments");
    }
    assert_eq!(server.emulator.request_count("get_kasms"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_session_of_another_user_is_not_found() {
    let server = TestServer::start().await;
    let (own, foreign) = (server.session().await, server.foreign_session().await);
    let shapes = [
        NotReadyShape::Kasm,
        NotReadyShape::Progress,
        NotReadyShape::ProgressAndError,
    ];
    // A Kasm that tells anybody anything.
    server.emulator.configure(|profile| {
        profile.owners_checked = false;
        profile.transition_time = Duration::from_secs(600);
    });
    for (session, owner) in [
        (&own, server.emulator.user_id()),
        (&foreign, server.emulator.other_user_id()),
    ] {
        let named = json!({ "kasm_id": session, "user_id": owner });
        server.kasm("pause_kasm", named).await;
    }
    for shape in shapes {
        server
            .emulator
            .configure(|profile| profile.not_ready_shape = shape);
        let arguments = json!({ "kasm_id": own });
        let data = server.ok("get_session_status", arguments).await;
        assert_ne!(data["operational_status"], "running", "{shape:?}");
        // The server that made it may have been another one.
        let restarted = TestServer::in_front_of_other(&server).await;
        restarted
            .ok("get_session_status", json!({ "kasm_id": own }))
            .await;
        for asked in [&server, &restarted] {
            let arguments = json!({ "kasm_id": foreign });
            asked
                .fails("get_session_status", arguments, "not_found")
                .await;
        }
    }
}
