//! Starting, listing and joining sessions.

use kasm_emulator::{OwnerField, RequestToken};
use serde_json::{Value, json};

use super::support::Server;

#[tokio::test]
async fn request_kasm_with_image_id_starts_a_session() {
    let server = Server::start().await;
    let (kasm_id, answer) = server.request().await;
    assert_eq!(answer["status"], "starting");
    assert_eq!(answer["username"], "demo@kasm.local");
    assert_eq!(answer["share_id"], Value::Null);
    let token = answer["session_token"].as_str().unwrap();
    let user_id = server.user_id();
    let url = format!("/#/connect/kasm/{kasm_id}/{user_id}/{token}");
    assert_eq!(answer["kasm_url"], url);
    assert_eq!(kasm_id.len(), 32);
    assert!(server.accepts_cookies("demo@kasm.local", token));
    assert!(!server.accepts_cookies("user@kasm.local", token));
}

#[tokio::test]
async fn request_kasm_accepts_both_forms_of_id() {
    let server = Server::start().await;
    let id = server.image_id();
    let dashed = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-");
    let fields = json!({"image_id": dashed.to_uppercase(), "user_id": server.user_id()});
    let answer = server.get("request_kasm", fields).await;
    let kasm_id = answer["kasm_id"].as_str().unwrap();
    assert_eq!(server.sessions()[0].image_id, id);
    assert_eq!(server.sessions()[0].kasm_id, kasm_id);
}

#[tokio::test]
async fn request_kasm_ignores_image_name_and_group() {
    let server = Server::start().await;
    let fields = json!({"image_name": "Chromium", "user_id": server.user_id()});
    let error = server.fails("request_kasm", fields).await;
    assert_eq!(error, "No Default Image Found");
    let fields = json!({
        "image_id": server.image_id(), "user_id": server.user_id(),
        "group_id": "68d557ac4cac42cca9f31c7c853de0f3", "run_config": "x",
    });
    server.get("request_kasm", fields).await;
}

#[tokio::test]
async fn request_kasm_of_unusable_image_is_refused() {
    let server = Server::start().await;
    let images = server.images();
    let off = images.iter().find(|i| !i.enabled).unwrap();
    let missing = images.iter().find(|i| !i.available).unwrap();
    let start = async |image_id: &str| {
        let fields = json!({"image_id": image_id, "user_id": server.user_id()});
        server.fails("request_kasm", fields).await
    };
    start(&off.image_id).await;
    start("ffffffffffffffffffffffffffffffff").await;
    let error = start(&missing.image_id).await;
    assert_eq!(error, "No resources are available");
    assert_eq!(server.sessions(), []);
}

#[tokio::test]
async fn request_kasm_over_quota_or_capacity_is_refused() {
    let server = Server::with(|b| b.profile(|p| p.sessions_per_user = Some(1))).await;
    server.request().await;
    let fields = json!({"image_id": server.image_id(), "user_id": server.user_id()});
    server.fails("request_kasm", fields.clone()).await;
    server.configure(|p| {
        p.sessions_per_user = None;
        p.capacity = Some(1);
    });
    let error = server.fails("request_kasm", fields).await;
    assert_eq!(error, "No resources are available");
}

#[tokio::test]
async fn request_kasm_without_user_makes_a_new_user() {
    let server = Server::start().await;
    let fields = json!({"image_id": server.image_id()});
    let answer = server.get("request_kasm", fields).await;
    let kasm_id = answer["kasm_id"].as_str().unwrap();
    assert_ne!(answer["user_id"], server.user_id());
    server.fails("destroy_kasm", server.of(kasm_id)).await;
}

#[tokio::test]
async fn get_kasms_names_the_owner_in_either_place() {
    let server = Server::start().await;
    server.request().await;
    let fields = json!({"image_id": server.image_id(), "user_id": server.other_user_id()});
    server.get("request_kasm", fields).await;
    let list = server.get("get_kasms", json!({})).await;
    let owner = &list["kasms"][1];
    assert_eq!(owner["user"]["username"], "user@kasm.local");
    assert_eq!(owner["username"], Value::Null);
    assert_eq!(owner["kasm_url"], Value::Null);
    server.configure(|p| p.owner_field = OwnerField::TopLevel);
    let list = server.get("get_kasms", json!({})).await;
    assert_eq!(list["kasms"][1]["username"], "user@kasm.local");
    assert_eq!(list["kasms"][1]["user"], Value::Null);
    let fields = json!({"user_id": server.other_user_id()});
    let own = server.get("get_user_kasms", fields).await;
    assert_eq!(own["kasms"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn request_kasm_token_can_be_missing_or_refused() {
    let server = Server::start().await;
    server.configure(|p| p.request_token = RequestToken::Missing);
    let (_, answer) = server.request().await;
    assert_eq!(answer.get("session_token"), None);
    assert_eq!(answer.get("kasm_url"), None);
    server.configure(|p| p.request_token = RequestToken::Refused);
    let (_, answer) = server.request().await;
    let token = answer["session_token"].as_str().unwrap();
    assert!(!server.accepts_cookies("demo@kasm.local", token));
}

#[tokio::test]
async fn join_kasm_with_share_id_returns_two_services() {
    let server = Server::start().await;
    let fields = json!({
        "image_id": server.image_id(), "user_id": server.user_id(), "enable_sharing": true,
    });
    let answer = server.get("request_kasm", fields).await;
    let share_id = answer["share_id"].as_str().unwrap();
    let fields = json!({"share_id": share_id, "user_id": server.other_user_id()});
    let joined = server.get("join_kasm", fields).await;
    let services = joined["kasm"]["port_map"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["audio", "vnc"]);
    assert_eq!(joined["kasm"]["user"]["username"], "demo@kasm.local");
    assert_eq!(joined["username"], "user@kasm.local");
    server
        .fails("join_kasm", json!({"shared_id": share_id}))
        .await;
}

#[tokio::test]
async fn set_session_permissions_grants_named_users_access() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let viewer = json!({"user_id": server.other_user_id(), "access": "r"});
    let target = json!({"kasm_id": kasm_id, "session_permissions": [viewer]});
    let fields = json!({"target_session_permissions": target});
    let set = server.get("set_session_permissions", fields.clone()).await;
    let entry = &set["session_permissions"][0];
    assert_eq!(entry["username"], "user@kasm.local");
    assert_eq!(entry["access"], "r");
    let all = json!({"target_session_permissions": {"kasm_id": kasm_id, "access": "rw"}});
    server.get("set_all_session_permissions", all).await;
    let one = json!({"target_session_permissions": {"kasm_id": kasm_id}});
    let got = server.get("get_session_permissions", one).await;
    assert_eq!(got["session_permissions"][0]["access"], "rw");
    let left = server.get("delete_session_permissions", fields).await;
    assert_eq!(left["session_permissions"], json!([]));
    let reply = server
        .call("get_session_permissions", json!({"kasm_id": kasm_id}))
        .await;
    assert!(reply.is_html_crash());
}
