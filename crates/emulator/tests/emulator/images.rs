//! Workspace images.

use serde_json::{Value, json};

use super::support::Server;

#[tokio::test]
async fn get_images_has_one_of_each_odd_image() {
    let server = Server::start().await;
    let answer = server.get("get_images", json!({})).await;
    let images = answer["images"].as_array().unwrap();
    let count = |test: fn(&Value) -> bool| images.iter().filter(|i| test(i)).count();
    assert_eq!(count(|i| i["friendly_name"] == "Chromium"), 2);
    assert_eq!(count(|i| i["enabled"] == false), 1);
    assert_eq!(count(|i| i["available"] == false), 1);
    assert_eq!(count(|i| i["image_type"] != "Container"), 1);
    assert_eq!(count(|i| i["docker_token"].is_string()), 1);
}

#[tokio::test]
async fn image_fields_are_written_as_text_and_read_as_objects() {
    let server = Server::start().await;
    let target = json!({
        "name": "kasmweb/gimp:1.19.0", "friendly_name": "GIMP",
        "categories": "[\"Graphics\"]", "run_config": "{\"hostname\": \"gimp\"}",
    });
    let made = server
        .get("create_image", json!({"target_image": target}))
        .await;
    assert_eq!(made["image"]["run_config"]["hostname"], "gimp");
    assert_eq!(made["image"]["categories"], json!(["Graphics"]));
    let image_id = &made["image"]["image_id"];

    let target = json!({"image_id": image_id, "cores": 4.0, "enabled": false});
    let changed = server
        .get("update_image", json!({"target_image": target}))
        .await;
    assert_eq!(changed["image"]["cores"], 4.0);
    assert_eq!(changed["image"]["friendly_name"], "GIMP");

    let target = json!({"image_id": image_id, "run_config": {"hostname": "x"}});
    let fields = json!({"target_image": target});
    assert!(server.call("update_image", fields).await.is_html_crash());

    let fields = json!({"target_image": {"image_id": image_id}});
    server.get("delete_image", fields.clone()).await;
    server.fails("get_image", fields).await;
}

#[tokio::test]
async fn infrastructure_endpoints_list_host_and_zone() {
    let server = Server::start().await;
    server.configure(|p| p.proxy_path = "apps".to_owned());
    let zones = server.get("get_zones", json!({"brief": true})).await;
    assert_eq!(zones["zones"][0]["proxy_path"], "apps");
    server.request().await;
    let report = server.get("get_agent_report", json!({})).await;
    assert_eq!(report["agents"][0]["kasms"], 1);
    for (endpoint, list) in [
        ("get_agents", "agents"),
        ("get_servers", "servers"),
        ("get_licenses", "licenses"),
    ] {
        let answer = server.get(endpoint, json!({})).await;
        assert_eq!(answer[list].as_array().unwrap().len(), 1, "{endpoint}");
    }
}
