//! The checks before an endpoint, and their order.

use std::time::{Duration, SystemTime};

use kasm_emulator::{KeySpec, Mount};
use serde_json::{Map, Value, json};

use super::support::{Server, read};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn healthcheck_without_key_is_ok() {
    let server = Server::start().await;
    let url = server.at("/api/__healthcheck");
    let answer = server.http().get(url).send().await.unwrap();
    assert_eq!(read(answer).await.unwrap().json(), json!({"ok": true}));
}

#[tokio::test]
async fn endpoint_by_get_is_405_and_unknown_is_404() {
    let server = Server::start().await;
    let url = server.at("/api/public/get_kasms");
    let got = server.http().get(url).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(server.call("get_sessions", json!({})).await.status, 404);
}

#[tokio::test]
async fn endpoint_is_served_on_every_mount_unless_restricted() {
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
async fn body_that_is_no_json_object_is_html_crash() {
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
async fn request_without_both_credentials_is_refused() {
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
async fn key_disabled_or_expired_is_refused() {
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
async fn missing_permission_is_403_unauthorized() {
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
async fn new_key_is_403_and_global_admin_key_200() {
    let server = Server::start().await;
    let (key, secret) = server.add_key(KeySpec::default());
    let reply = server.call_as(&key, &secret, "get_images", json!({})).await;
    assert_eq!(reply.status, 403);
    let (key, secret) = server.add_key(KeySpec::with(["Global Admin"]));
    let reply = server.call_as(&key, &secret, "get_images", json!({})).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn read_only_key_reads_but_does_not_write() {
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
async fn destroy_kasm_needs_its_own_permission() {
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
async fn permission_is_checked_before_the_ids() {
    let server = Server::start().await;
    let fields = json!({"kasm_id": "not-a-uuid", "user_id": server.user_id()});
    let reply = server.call("get_kasm_status", fields.clone()).await;
    assert!(reply.is_html_crash());
    server.revoke_permission("User");
    let reply = server.call("get_kasm_status", fields).await;
    assert_eq!(reply.status, 403);
}

#[tokio::test]
async fn bad_id_at_any_depth_is_html_crash() {
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
async fn every_endpoint_without_licence_is_403() {
    let server = Server::with(|b| b.profile(|p| p.licensed = false)).await;
    assert_eq!(server.call("get_images", json!({})).await.status, 403);
}

#[tokio::test]
async fn error_texts_differ_between_runs() {
    let mut texts = std::collections::BTreeSet::new();
    for _ in 0..4 {
        let server = Server::start().await;
        let fields = server.of("0123456789abcdef0123456789abcdef");
        texts.insert(server.fails("get_kasm_status", fields).await);
    }
    assert!(texts.len() > 1, "{texts:?}");
}
