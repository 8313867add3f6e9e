//! The checks before an endpoint, and their order.

use std::time::{Duration, SystemTime};

use kasm_emulator::{KeySpec, Mount};
use serde_json::{Map, Value, json};

use super::support::{Server, read};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn the_health_check_asks_for_nothing() {
    let server = Server::start().await;
    let url = server.at("/api/__healthcheck");
    let answer = server.http().get(url).send().await.unwrap();
    assert_eq!(read(answer).await.unwrap().json(), json!({"ok": true}));
}

#[tokio::test]
async fn only_post_and_only_known_names() {
    let server = Server::start().await;
    let url = server.at("/api/public/get_kasms");
    let got = server.http().get(url).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(server.call("get_sessions", json!({})).await.status, 404);
}

#[tokio::test]
async fn every_mount_serves_a_name_unless_it_is_restricted() {
    let server = Server::start().await;
    let (key, secret) = server.key();
    let body = map(json!({"api_key": key, "api_key_secret": secret}));
    let mounts = ["/api/public", "/api/admin", "/api"];
    for mount in mounts {
        let reply = server
            .post(&format!("{mount}/get_users"), body.clone())
            .await;
        assert_eq!(reply.status, 200, "{mount}");
    }
    server.configure(|p| {
        p.mounts.insert("get_users".into(), Mount::Admin);
    });
    let mut statuses = Vec::new();
    for mount in mounts {
        let path = format!("{mount}/get_users");
        statuses.push(server.post(&path, body.clone()).await.status);
    }
    assert_eq!(statuses, [404, 200, 404]);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_crash() {
    let server = Server::start().await;
    let url = server.at("/api/public/get_kasms");
    for (kind, body) in [
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "{"),
        ("text/plain", "{}"),
    ] {
        let request = server.http().post(&url).header("content-type", kind);
        let answer = request.body(body).send().await.unwrap();
        let reply = read(answer).await.unwrap();
        assert!(reply.is_html_crash(), "{kind} {body}");
    }
}

#[tokio::test]
async fn credentials_go_into_the_body_under_two_names() {
    let server = Server::start().await;
    let (key, secret) = server.key();
    for body in [
        json!({}),
        json!({"api_key": key}),
        json!({"api_key": key, "api_secret": secret}),
        json!({"api_key": key, "api_key_auth": secret}),
        json!({"api_key": key, "api_key_secret": "wrong"}),
        json!({"api_key": "wrong", "api_key_secret": secret}),
    ] {
        let reply = server.post("/api/public/get_kasms", map(body)).await;
        assert_eq!(reply.status, 401);
        assert!(!reply.error().is_empty());
    }
}

#[tokio::test]
async fn a_key_must_be_in_force() {
    let server = Server::start().await;
    let hour = Duration::from_secs(3600);
    let off = KeySpec {
        enabled: false,
        ..KeySpec::with(["Images View"])
    };
    let past = KeySpec {
        expires: Some(SystemTime::now() - hour),
        ..KeySpec::with(["Images View"])
    };
    let future = KeySpec {
        expires: Some(SystemTime::now() + hour),
        ..KeySpec::with(["Images View"])
    };
    for (spec, status) in [(off, 401), (past, 401), (future, 200)] {
        let (key, secret) = server.add_key(spec);
        let reply = server.call_as(&key, &secret, "get_images", json!({})).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn a_missing_permission_is_a_403_that_says_unauthorized() {
    let server = Server::start().await;
    server.revoke_permission("Sessions View");
    let reply = server.call("get_kasms", json!({})).await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (403, "Unauthorized")
    );
    server.configure(|p| p.refusal_status = 401);
    assert_eq!(server.call("get_kasms", json!({})).await.status, 401);
    server.grant_permission("Sessions View");
    assert_eq!(server.call("get_kasms", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_new_key_may_do_nothing_and_global_admin_everything() {
    let server = Server::start().await;
    let (key, secret) = server.add_key(KeySpec::default());
    let reply = server.call_as(&key, &secret, "get_images", json!({})).await;
    assert_eq!(reply.status, 403);
    let (key, secret) = server.add_key(KeySpec::with(["Global Admin"]));
    let reply = server.call_as(&key, &secret, "get_images", json!({})).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_read_only_key_reads() {
    let server = Server::start().await;
    let (key, secret) = server.add_key(KeySpec {
        read_only: true,
        ..KeySpec::with(["Global Admin"])
    });
    let reply = server.call_as(&key, &secret, "get_kasms", json!({})).await;
    assert_eq!(reply.status, 200);
    let reply = server
        .call_as(&key, &secret, "request_kasm", json!({}))
        .await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn destroying_wants_its_own_permission_unless_told_otherwise() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    server.revoke_permission("Sessions Delete");
    let reply = server.call("destroy_kasm", server.of(&kasm_id)).await;
    assert_eq!(reply.status, 403);
    server.configure(|p| {
        let needs = vec!["User".to_owned(), "Users Auth Session".to_owned()];
        p.permissions.insert("destroy_kasm".to_owned(), needs);
    });
    let reply = server.call("destroy_kasm", server.of(&kasm_id)).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn the_permission_is_looked_at_before_the_ids() {
    let server = Server::start().await;
    let fields = json!({"kasm_id": "not-a-uuid", "user_id": server.user_id()});
    let reply = server.call("get_kasm_status", fields.clone()).await;
    assert!(reply.is_html_crash());
    server.revoke_permission("User");
    let reply = server.call("get_kasm_status", fields).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn ids_are_checked_however_deep_they_are() {
    let server = Server::start().await;
    let fields = json!({"target_user": {"user_id": "nobody"}});
    assert!(server.call("get_user", fields).await.is_html_crash());
    let fields = json!({"target_kasm_ids": ["nothing"]});
    let reply = server.call("get_sessions_recordings", fields).await;
    assert!(reply.is_html_crash());
    let (kasm_id, _) = server.request().await;
    let mut fields = server.of(&kasm_id);
    fields["exec_config"] = json!({"cmd": "true", "environment": {"user_id": "mine"}});
    server.get("exec_command_kasm", fields).await;
}

#[tokio::test]
async fn without_a_licence_nothing_answers() {
    let server = Server::with(|b| b.profile(|p| p.licensed = false)).await;
    assert_eq!(server.call("get_images", json!({})).await.status, 403);
}

#[tokio::test]
async fn runs_word_their_failures_differently() {
    let mut texts = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let server = Server::start().await;
        let fields = server.of("0123456789abcdef0123456789abcdef");
        texts.insert(server.fails("get_kasm_status", fields).await);
    }
    assert!(texts.len() > 1, "{texts:?}");
}
