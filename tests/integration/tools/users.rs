//! The `users` toolset.

use kasm_emulator::{Emulator, Fault};
use serde_json::{Value, json};

use super::refuses;
use crate::support::TestServer;
use crate::support::kasm::{NO_SUCH_ID, until, words};

const DEMO: &str = "demo@kasm.local";

fn id_of(emulator: &Emulator, username: &str) -> Option<String> {
    let users = emulator.users();
    let user = users.into_iter().find(|user| user.username == username)?;
    Some(user.user_id)
}

/// What Kasm itself says about a user.
async fn in_kasm(server: &TestServer, user_id: &str) -> Value {
    let target = json!({ "target_user": { "user_id": user_id } });
    server.kasm("get_user", target).await["user"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn get_kasm_users_is_sorted_and_paged() {
    let server = TestServer::start().await;
    for number in 0..50 {
        let target = json!({ "username": format!("crew{number:02}"), "password": "x" });
        server
            .kasm("create_user", json!({ "target_user": target }))
            .await;
    }
    let mut known: Vec<_> = server.emulator.users();
    known.sort_by(|a, b| a.username.cmp(&b.username));
    assert_eq!(known.len(), 53);
    let mut seen = Vec::new();
    for (arguments, page, on_it) in [
        (json!({}), 1, 50),
        (json!({ "page": 1 }), 1, 50),
        (json!({ "page": 2 }), 2, 3),
    ] {
        let data = server.ok("get_kasm_users", arguments.clone()).await;
        assert_eq!(
            (&data["page"], &data["pages"], &data["total"]),
            (&json!(page), &json!(2), &json!(53)),
            "{arguments}"
        );
        let users = data["users"].as_array().unwrap();
        assert_eq!(users.len(), on_it, "{arguments}");
        if arguments != json!({}) {
            seen.extend(users.clone());
        }
    }
    for (shown, user) in seen.iter().zip(&known) {
        assert_eq!(shown["username"], user.username);
        assert_eq!(shown["user_id"], user.user_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_kasm_users_with_page_out_of_range_is_validation() {
    let server = TestServer::start().await;
    for page in [0_u64, 2, u64::MAX] {
        let arguments = json!({ "page": page });
        let reply = server
            .fails("get_kasm_users", arguments, "validation")
            .await;
        assert!(
            words(&reply)
                .0
                .contains(&format!("page {page} does not exist")),
            "{reply}"
        );
        assert!(words(&reply).1.contains("1 to 1"), "{reply}");
    }
    let table = [
        (json!({ "page": -1 }), "argument `page`"),
        (json!({ "page": "2x" }), "argument `page`"),
        (json!({ "page": 1.5 }), "argument `page`"),
        (json!({ "pages": 1 }), "unknown argument `pages`"),
    ];
    refuses(&server, "get_kasm_users", &table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_kasm_user_finds_by_id_or_name() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let id = server.emulator.user_id().to_owned();
    let by_id = server.ok("get_kasm_user", json!({ "user_id": id })).await;
    let by_name = server
        .ok("get_kasm_user", json!({ "username": " demo@kasm.local " }))
        .await;
    assert_eq!(by_id, by_name);
    assert_eq!(by_id["user_id"], id);
    assert_eq!(by_id["username"], DEMO);
    assert_eq!(by_id["first_name"], "Dana");
    assert_eq!(by_id["kasm_ids"], json!([session]));
    assert_eq!(by_id["locked"], false);
    assert_eq!(by_id["disabled"], false);
    let mut groups: Vec<_> = by_id["groups"].as_array().unwrap().clone();
    groups.sort_by_key(|group| group.as_str().unwrap().to_owned());
    assert_eq!(groups, ["All Users", "Automation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_kasm_user_without_exactly_one_key_is_validation() {
    let server = TestServer::start().await;
    let id = server.emulator.user_id().to_owned();
    let table = [
        (json!({}), "exactly one"),
        (json!({ "user_id": null }), "exactly one"),
        (json!({ "user_id": id, "username": DEMO }), "exactly one"),
        (json!({ "username": "  " }), "exactly one"),
        (json!({ "username": 5 }), "argument `username`"),
        (json!({ "user_id": "demo" }), "argument `user_id`"),
        (json!({ "name": DEMO }), "unknown argument `name`"),
    ];
    refuses(&server, "get_kasm_user", &table).await;
    assert_eq!(server.emulator.request_count("get_user"), 0);
    for unknown in [
        json!({ "user_id": NO_SUCH_ID }),
        json!({ "username": "nobody@kasm.local" }),
    ] {
        let reply = server.fails("get_kasm_user", unknown, "not_found").await;
        assert!(words(&reply).1.contains("get_kasm_users"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_user_stores_all_fields() {
    let server = TestServer::start().await;
    let arguments = json!({
        "username": " new@kasm.local ", "password": "Mellon-9-friend", "first_name": "Nia",
        "last_name": "Ito", "organization": "Crew", "phone": "+49 30 1", "locked": true,
        "disabled": true,
    });
    let reply = server.call("create_kasm_user", arguments.clone()).await;
    assert_eq!(reply["success"], true, "{reply}");
    assert!(!reply.to_string().contains("Mellon"), "{reply}");
    let id = id_of(&server.emulator, "new@kasm.local").unwrap();
    assert_eq!(reply["data"]["user_id"], id);
    let body = &server.bodies("create_user")[0]["target_user"];
    assert_eq!(body["password"], "Mellon-9-friend");
    let stored = in_kasm(&server, &id).await;
    for field in [
        "first_name",
        "last_name",
        "organization",
        "phone",
        "locked",
        "disabled",
    ] {
        assert_eq!(stored[field], arguments[field], "{field}");
        assert_eq!(reply["data"][field], arguments[field], "{field}");
    }
    let reply = server.fails("create_kasm_user", arguments, "api").await;
    assert!(!reply.to_string().contains("Mellon"), "{reply}");
    assert_eq!(server.emulator.users().len(), 4, "no second one");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_user_without_name_or_password_is_validation() {
    let server = TestServer::start().await;
    let table = [
        (json!({}), "missing field"),
        (json!({ "username": "a" }), "missing field `password`"),
        (json!({ "password": "p" }), "missing field `username`"),
        (
            json!({ "username": " ", "password": "p" }),
            "`username` is empty",
        ),
        (
            json!({ "username": 1, "password": "p" }),
            "argument `username`",
        ),
        (
            json!({ "username": "a", "password": ["p"] }),
            "argument `password`",
        ),
        (
            json!({ "username": "a", "password": "p", "locked": "no" }),
            "argument `locked`",
        ),
        (
            json!({ "username": "a", "password": "p", "admin": true }),
            "unknown argument `admin`",
        ),
    ];
    refuses(&server, "create_kasm_user", &table).await;
    assert_eq!(server.emulator.request_count("create_user"), 0);
    server
        .emulator
        .configure(|profile| profile.password_rule = true);
    let weak = json!({ "username": "weak", "password": "short" });
    let reply = server.fails("create_kasm_user", weak, "api").await;
    assert!(words(&reply).1.contains("from Kasm"), "{reply}");
    assert_eq!(id_of(&server.emulator, "weak"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn update_kasm_user_sends_only_given_fields() {
    let server = TestServer::start().await;
    let id = server.emulator.other_user_id().to_owned();
    let before = in_kasm(&server, &id).await;
    let change = json!({ "user_id": id, "last_name": "Moe", "locked": true });
    let data = server.ok("update_kasm_user", change).await;
    assert_eq!(data["last_name"], "Moe");
    assert_eq!(data["locked"], true);
    assert_eq!(
        server.bodies("update_user")[0]["target_user"],
        json!({ "user_id": id, "last_name": "Moe", "locked": true })
    );
    let mut expected = before;
    expected["last_name"] = "Moe".into();
    expected["locked"] = true.into();
    assert_eq!(in_kasm(&server, &id).await, expected);

    let rename = json!({ "user_id": id, "username": "uri@kasm.local", "password": "Mellon-1" });
    let reply = server.call("update_kasm_user", rename).await;
    assert_eq!(reply["data"]["username"], "uri@kasm.local", "{reply}");
    assert!(!reply.to_string().contains("Mellon"), "{reply}");
    assert_eq!(id_of(&server.emulator, "uri@kasm.local"), Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn update_kasm_user_without_user_or_field_is_validation() {
    let server = TestServer::start().await;
    let id = server.emulator.other_user_id().to_owned();
    let table = [
        (json!({}), "missing field `user_id`"),
        (json!({ "user_id": id }), "no field to change"),
        (
            json!({ "user_id": id, "phone": null }),
            "no field to change",
        ),
        (json!({ "user_id": id, "phone": 110 }), "argument `phone`"),
        (
            json!({ "user_id": "x", "phone": "1" }),
            "argument `user_id`",
        ),
        (
            json!({ "user_id": id, "mail": "x" }),
            "unknown argument `mail`",
        ),
    ];
    refuses(&server, "update_kasm_user", &table).await;
    assert_eq!(server.emulator.request_count("update_user"), 0);
    let taken = json!({ "user_id": id, "username": DEMO });
    server.fails("update_kasm_user", taken, "api").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_tools_with_unknown_user_are_api_error() {
    let server = TestServer::start().await;
    for (tool, arguments) in [
        (
            "update_kasm_user",
            json!({ "user_id": NO_SUCH_ID, "phone": "1" }),
        ),
        ("delete_kasm_user", json!({ "user_id": NO_SUCH_ID })),
        ("logout_kasm_user", json!({ "user_id": NO_SUCH_ID })),
    ] {
        let reply = server.call(tool, arguments).await;
        assert_eq!(reply["success"], false, "{tool}: {reply}");
        // Kasm says why in words of its own, which differ between versions.
        assert_eq!(reply["error_type"], "api", "{tool}: {reply}");
    }
    assert_eq!(server.emulator.users().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_kasm_user_with_sessions_needs_force() {
    let server = TestServer::start().await;
    let id = server.emulator.other_user_id().to_owned();
    let session = server.foreign_session().await;
    for arguments in [
        json!({ "user_id": id }),
        json!({ "user_id": id, "force": false }),
    ] {
        server.fails("delete_kasm_user", arguments, "api").await;
        assert_eq!(server.word_of(&session).as_deref(), Some("running"));
    }
    let table = [
        (json!({}), "missing field `user_id`"),
        (json!({ "user_id": id, "force": "yes" }), "argument `force`"),
        (json!({ "user_id": "u" }), "argument `user_id`"),
        (json!({ "username": DEMO }), "unknown argument `username`"),
    ];
    refuses(&server, "delete_kasm_user", &table).await;
    let arguments = json!({ "user_id": id, "force": true });
    let data = server.ok("delete_kasm_user", arguments).await;
    assert_eq!(data, json!({ "user_id": id }));
    let left: Vec<_> = server.emulator.users();
    assert!(left.iter().all(|user| user.user_id != id), "{left:?}");
    server.becomes(&session, None).await;
    server
        .fails("get_kasm_user", json!({ "user_id": id }), "not_found")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_kasm_user_ends_logins_and_keeps_sessions() {
    let server = TestServer::start().await;
    let id = server.emulator.user_id().to_owned();
    let session = server.session().await;
    let status = server
        .ok(
            "get_session_status",
            json!({ "kasm_id": session, "include_url": true }),
        )
        .await;
    let link = status["kasm_url"].as_str().unwrap();
    let token = link.rsplit('/').next().unwrap().to_owned();
    assert!(server.emulator.accepts_cookies(DEMO, &token));
    let data = server
        .ok("logout_kasm_user", json!({ "user_id": id }))
        .await;
    assert_eq!(data, json!({ "user_id": id }));
    until("the login is void", || {
        !server.emulator.accepts_cookies(DEMO, &token)
    })
    .await;
    assert_eq!(server.word_of(&session).as_deref(), Some("running"));
    let table = [
        (json!({}), "missing field `user_id`"),
        (json!({ "user_id": 7 }), "argument `user_id`"),
        (
            json!({ "user_id": id, "all": true }),
            "unknown argument `all`",
        ),
    ];
    refuses(&server, "logout_kasm_user", &table).await;
}

#[tokio::test]
async fn password_in_kasms_error_text_is_removed() {
    let server = TestServer::start().await;
    let password = "Marked-Passw0rd-7261";
    let refusal = Fault::ErrorMessage(format!("the password {password} is too common"));
    for (tool, endpoint, who) in [
        ("create_kasm_user", "create_user", "username"),
        ("update_kasm_user", "update_user", "user_id"),
    ] {
        server.emulator.fail_next(endpoint, refusal.clone(), 1);
        let arguments = json!({ who: server.emulator.other_user_id(), "password": password });
        let reply = server.fails(tool, arguments, "api").await;
        assert!(!reply.to_string().contains(password), "{reply}");
        assert!(
            reply["error"].as_str().unwrap().contains("is too common"),
            "{reply}"
        );
    }
}
