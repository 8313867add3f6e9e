//! Users and groups.

use kasm_emulator::KeySpec;
use serde_json::{Value, json};

use super::support::Server;

async fn create(server: &Server) -> String {
    let target = json!({"username": "new@kasm.local", "password": "secret", "first_name": "N"});
    let answer = server
        .get("create_user", json!({"target_user": target}))
        .await;
    answer["user"]["user_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn user_is_created_found_updated_and_deleted() {
    let server = Server::start().await;
    let user_id = create(&server).await;
    let fields = json!({"target_user": {"username": "new@kasm.local"}});
    let found = server.get("get_user", fields.clone()).await;
    assert_eq!(found["user"]["user_id"], user_id);
    assert_eq!(found["user"]["last_session"], "None");
    assert_eq!(found["user"]["groups"][0]["name"], "All Users");
    assert_eq!(found["user"].get("password"), None);

    let target = json!({"user_id": user_id, "organization": "Org", "locked": true});
    let changed = server
        .get("update_user", json!({"target_user": target}))
        .await;
    assert_eq!(changed["user"]["organization"], "Org");
    assert_eq!(changed["user"]["first_name"], "N");

    let gone = json!({"target_user": {"user_id": user_id}, "force": false});
    server.get("delete_user", gone).await;
    server.fails("get_user", fields).await;
    assert_eq!(server.users().len(), 3);
}

#[tokio::test]
async fn create_user_without_nesting_is_html_crash() {
    let server = Server::start().await;
    let flat = json!({"username": "x", "password": "y"});
    assert!(server.call("create_user", flat).await.is_html_crash());
    create(&server).await;
    let again = json!({"username": "new@kasm.local", "password": "secret"});
    server
        .fails("create_user", json!({"target_user": again}))
        .await;
}

#[tokio::test]
async fn delete_user_with_sessions_needs_force() {
    let server = Server::start().await;
    server.request().await;
    let target = json!({"user_id": server.user_id()});
    let fields = json!({"target_user": target, "force": false});
    server.fails("delete_user", fields).await;
    let fields = json!({"target_user": target, "force": true});
    server.get("delete_user", fields).await;
    assert_eq!(server.sessions(), []);
}

#[tokio::test]
async fn update_user_of_admin_needs_one_more_permission() {
    let server = Server::start().await;
    let users = server.users();
    let admin = users.iter().find(|u| u.username.starts_with("admin"));
    let target = json!({"user_id": admin.unwrap().user_id, "locked": true});
    let fields = json!({"target_user": target});
    let (key, secret) = server.add_key(KeySpec::with(["Users Modify"]));
    let reply = server
        .call_as(&key, &secret, "update_user", fields.clone())
        .await;
    assert_eq!(reply.status, 403);
    server.get("update_user", fields).await;
}

#[tokio::test]
async fn request_kasm_for_locked_user_is_refused() {
    let server = Server::start().await;
    let target = json!({"user_id": server.user_id(), "locked": true});
    server
        .get("update_user", json!({"target_user": target}))
        .await;
    let fields = json!({"image_id": server.image_id(), "user_id": server.user_id()});
    server.fails("request_kasm", fields).await;
}

#[tokio::test]
async fn update_user_attributes_are_kept() {
    let server = Server::start().await;
    let target = json!({"user_id": server.user_id(), "preferred_timezone": "Europe/Berlin"});
    let fields = json!({"target_user_attributes": target});
    server.get("update_user_attributes", fields).await;
    let fields = json!({"target_user": {"user_id": server.user_id()}});
    let answer = server.get("get_attributes", fields).await;
    let attributes = &answer["user_attributes"];
    assert_eq!(attributes["preferred_timezone"], "Europe/Berlin");
    assert_eq!(attributes["user_id"], server.user_id());
}

async fn members(server: &Server, group_id: &Value) -> usize {
    let fields = json!({"target_group": {"group_id": group_id}});
    let answer = server.get("get_users_group", fields).await;
    answer["users"].as_array().unwrap().len()
}

#[tokio::test]
async fn group_has_members_and_images() {
    let server = Server::start().await;
    let target = json!({"name": "Research", "priority": 7});
    let made = server
        .get("create_group", json!({"target_group": target}))
        .await;
    let group_id = &made["group"]["group_id"];
    let pair = json!({
        "target_user": {"user_id": server.user_id()}, "target_group": {"group_id": group_id},
    });
    server.get("add_user_group", pair.clone()).await;
    assert_eq!(members(&server, group_id).await, 1);
    let group = json!({"target_group": {"group_id": group_id}});
    server.fails("delete_group", group.clone()).await;
    server.get("remove_user_group", pair).await;
    assert_eq!(members(&server, group_id).await, 0);
    let pair = json!({
        "target_image": {"image_id": server.image_id()}, "target_group": {"group_id": group_id},
    });
    server.get("add_images_group", pair).await;
    let images = server.get("get_images_group", group.clone()).await;
    assert_eq!(images["images"].as_array().unwrap().len(), 1);
    server.get("delete_group", group).await;
    let groups = server.get("get_groups", json!({})).await;
    assert_eq!(groups["groups"].as_array().unwrap().len(), 3);
}
