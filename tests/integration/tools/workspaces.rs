//! The `workspaces` toolset.

use serde_json::{Value, json};

use super::refuses;
use crate::support::TestServer;

async fn listed(server: &TestServer) -> Vec<Value> {
    let data = server.ok("get_available_workspaces", json!({})).await;
    let list = data["workspaces"].as_array().unwrap().clone();
    assert_eq!(data["count"], list.len());
    list
}

#[tokio::test(flavor = "multi_thread")]
async fn get_available_workspaces_lists_enabled_images() {
    let server = TestServer::start().await;
    let list = listed(&server).await;
    let images = server.emulator.images();
    let enabled: Vec<_> = images.iter().filter(|image| image.enabled).collect();
    assert!(enabled.len() < images.len(), "one is disabled");
    assert_eq!(list.len(), enabled.len());
    for image in enabled {
        let found = list.iter().find(|w| w["image_id"] == image.image_id);
        let found = found.unwrap_or_else(|| panic!("{} is missing", image.name));
        assert_eq!(found["name"], image.name);
        assert_eq!(found["friendly_name"], image.friendly_name);
        assert_eq!(found["image_type"], image.image_type);
        assert_eq!(found["available"], image.available);
    }
    let terminal = list.iter().find(|w| w["friendly_name"] == "Terminal");
    let terminal = terminal.unwrap();
    assert_eq!(terminal["cores"], 1.0);
    assert_eq!(terminal["memory_bytes"], 1_073_741_824);
    assert_eq!(terminal["categories"], json!(["Desktop"]));
    assert!(
        terminal["description"]
            .as_str()
            .unwrap()
            .contains("Terminal")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn get_available_workspaces_has_no_registry_credentials() {
    let server = TestServer::start().await;
    let raw = server.kasm("get_images", json!({})).await.to_string();
    let text = server.call("get_available_workspaces", json!({})).await;
    let text = text.to_string();
    for secret in ["emulated-docker-token", "robot-puller", "docker_token"] {
        assert!(raw.contains(secret), "Kasm does tell {secret}");
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_available_workspaces_leaves_hidden_images_out() {
    let server = TestServer::start().await;
    let before = listed(&server).await.len();
    let image_id = server.image("kasmweb/firefox:1.19.0");
    let change = json!({ "target_image": { "image_id": image_id, "hidden": true } });
    server.kasm("update_image", change).await;
    let list = listed(&server).await;
    assert_eq!(list.len(), before - 1);
    assert!(list.iter().all(|w| w["image_id"] != image_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn workspace_list_is_fresh_and_names_are_cached() {
    let server = TestServer::with(&[("KASM_IMAGE_CACHE_SECONDS", "300")]).await;
    let terminal = json!({ "image_name": "Terminal" });
    server.ok("create_kasm_session", terminal.clone()).await;
    server.ok("create_kasm_session", terminal).await;
    assert_eq!(
        server.emulator.request_count("get_images"),
        1,
        "the second create knows the name"
    );
    let new = json!({ "target_image": { "name": "kasmweb/gimp:1.19.0", "friendly_name": "GIMP" } });
    server.kasm("create_image", new).await;
    // Not in the remembered list, so it is looked up again.
    let data = server
        .ok("create_kasm_session", json!({ "image_name": "GIMP" }))
        .await;
    assert_eq!(data["image_id"], server.image("kasmweb/gimp:1.19.0"));
    let newer = json!({ "target_image": { "name": "kasmweb/vlc:1.19.0", "friendly_name": "VLC" } });
    server.kasm("create_image", newer).await;
    let list = listed(&server).await;
    assert!(list.iter().any(|w| w["friendly_name"] == "VLC"));
}

#[tokio::test(flavor = "multi_thread")]
async fn get_available_workspaces_with_arguments_is_validation() {
    let server = TestServer::start().await;
    let table = [
        (json!({ "page": 2 }), "unknown argument `page`"),
        (
            json!({ "image_name": "x" }),
            "unknown argument `image_name`",
        ),
    ];
    refuses(&server, "get_available_workspaces", &table).await;
    assert_eq!(server.emulator.request_count("get_images"), 0);
}
