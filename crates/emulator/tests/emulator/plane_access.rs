//! Who gets what on the session plane.

use std::fs;
use std::time::Duration;

use kasm_emulator::{Fault, RequestToken};
use serde_json::json;

use super::support::Server;

const FILE: &str = "vnc/Downloads/Downloads/file";

/// A session with a file, and the address of the file.
async fn furnished(server: &Server) -> (String, String, String) {
    let (kasm_id, token, home) = server.session().await;
    fs::write(home.join("Downloads/file"), "x").unwrap();
    let url = server.service(&kasm_id, FILE);
    (kasm_id, token, url)
}

async fn status(server: &Server, url: &str, token: &str) -> u16 {
    let answer = server.visit("GET", url, token).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn session_proxy_without_both_cookies_is_401() {
    let server = Server::start().await;
    let (_, token, url) = furnished(&server).await;
    assert_eq!(status(&server, &url, &token).await, 200);
    assert_eq!(status(&server, &url, "unknown").await, 401);
    for cookies in [
        String::new(),
        "username=demo@kasm.local".to_owned(),
        format!("session_token={token}"),
        format!("username=user@kasm.local; session_token={token}"),
    ] {
        let request = server.http().get(&url).header("cookie", &cookies);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{cookies}");
    }
    server.configure(|p| p.plane_refusal_status = 403);
    assert_eq!(status(&server, &url, "unknown").await, 403);
    let request = server.visit("GET", &url, &token);
    let request = request.header("origin", "https://kasm.example");
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn session_token_opens_all_sessions_of_its_user_only() {
    let server = Server::start().await;
    let (_, token, _) = furnished(&server).await;
    let (_, _, second) = furnished(&server).await;
    assert_eq!(status(&server, &second, &token).await, 200);
    let fields = json!({"image_id": server.image_id(), "user_id": server.other_user_id()});
    let other = server.get("request_kasm", fields).await;
    let url = server.service(other["kasm_id"].as_str().unwrap(), FILE);
    assert_eq!(status(&server, &url, &token).await, 401);
}

#[tokio::test]
async fn session_token_expired_or_refused_is_401() {
    let server = Server::start().await;
    server.configure(|p| p.token_lifetime = Duration::ZERO);
    let (_, token, url) = furnished(&server).await;
    assert_eq!(status(&server, &url, &token).await, 401);
    server.configure(|p| {
        p.token_lifetime = Duration::from_secs(60);
        p.request_token = RequestToken::Refused;
    });
    let (_, token, url) = furnished(&server).await;
    assert_eq!(status(&server, &url, &token).await, 401);
    let fields = json!({"target_user": {"user_id": server.user_id()}});
    let made = server.get("create_session_token", fields.clone()).await;
    let jwt = made["session_token"]["session_jwt"].as_str().unwrap();
    assert_eq!(status(&server, &url, jwt).await, 200);
    server.get("logout_user", fields).await;
    assert_eq!(status(&server, &url, jwt).await, 401);
}

#[tokio::test]
async fn shared_viewer_reaches_desktop_but_no_files() {
    let server = Server::start().await;
    let fields = json!({
        "image_id": server.image_id(), "user_id": server.user_id(), "enable_sharing": true,
    });
    let shared = server.get("request_kasm", fields).await;
    let kasm_id = shared["kasm_id"].as_str().unwrap();
    let fields = json!({"share_id": shared["share_id"], "user_id": server.user_id()});
    let joined = server.get("join_kasm", fields).await;
    let token = joined["session_token"].as_str().unwrap();
    let url = |path: &str| server.service(kasm_id, path);
    assert_eq!(status(&server, &url("vnc/"), token).await, 200);
    assert_eq!(status(&server, &url(FILE), token).await, 403);
    assert_eq!(status(&server, &url("uploads/upload"), token).await, 404);
    let (_, _, own) = furnished(&server).await;
    assert_eq!(status(&server, &own, token).await, 401);
}

#[tokio::test]
async fn downloads_forbidden_by_policy_are_403_only_for_files() {
    let server = Server::start().await;
    let (kasm_id, token, url) = furnished(&server).await;
    server.configure(|p| p.downloads_allowed = false);
    assert_eq!(status(&server, &url, &token).await, 403);
    server.configure(|p| p.plane_policy_status = 401);
    assert_eq!(status(&server, &url, &token).await, 401);
    let page = server.service(&kasm_id, "vnc/");
    assert_eq!(status(&server, &page, &token).await, 200);
    let answer = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let settings = &answer["kasm"]["client_settings"];
    assert_eq!(settings["allow_kasm_downloads"], false);
}

#[tokio::test]
async fn unknown_service_or_session_is_404() {
    let server = Server::start().await;
    let (kasm_id, token, url) = furnished(&server).await;
    let nobody = server.service("0123456789abcdef0123456789abcdef", FILE);
    for (url, expected) in [
        (server.service(&kasm_id, "vnc/api/downloads?path=x"), 403),
        (server.service(&kasm_id, "vnc/nothing"), 404),
        (server.service(&kasm_id, "cdp/json"), 404),
        (server.service(&kasm_id, "audio/"), 502),
        (server.at(&format!("/desktop/chromium/{FILE}")), 404),
        (nobody, 404),
    ] {
        assert_eq!(status(&server, &url, &token).await, expected, "{url}");
    }
    server.get("pause_kasm", server.of(&kasm_id)).await;
    assert_eq!(status(&server, &url, &token).await, 503);
    server.get("resume_kasm", server.of(&kasm_id)).await;
    assert_eq!(status(&server, &url, &token).await, 200);
    server.kill_container(&kasm_id);
    assert_eq!(status(&server, &url, &token).await, 502);
    server.get("destroy_kasm", server.of(&kasm_id)).await;
    assert_eq!(status(&server, &url, &token).await, 404);
}

#[tokio::test]
async fn session_proxy_path_is_the_one_in_port_map() {
    let server = Server::start().await;
    server.configure(|p| p.proxy_path = "zone/desk".to_owned());
    let (kasm_id, token, url) = furnished(&server).await;
    assert_eq!(status(&server, &url, &token).await, 404);
    let answer = server.get("get_kasm_status", server.of(&kasm_id)).await;
    let path = answer["kasm"]["port_map"]["vnc"]["path"].as_str().unwrap();
    let url = server.at(&format!("/{path}/Downloads/Downloads/file"));
    assert_eq!(status(&server, &url, &token).await, 200);
}

#[tokio::test]
async fn session_proxy_requests_are_counted_and_can_fail() {
    let server = Server::start().await;
    let (kasm_id, token, url) = furnished(&server).await;
    assert_eq!(server.plane_requests(&kasm_id), 0);
    server.fail_next("desktop/vnc", Fault::Status(502), 1);
    assert_eq!(status(&server, &url, &token).await, 502);
    assert_eq!(status(&server, &url, "unknown").await, 401);
    assert_eq!(status(&server, &url, &token).await, 200);
    assert_eq!(server.plane_requests(&kasm_id), 3);
    assert_eq!(server.request_count("desktop/vnc"), 3);
    let last = server.requests().pop().unwrap();
    assert!(last.path.ends_with("/vnc/Downloads/Downloads/file"));
    assert_eq!((last.endpoint.as_str(), last.status), ("desktop/vnc", 200));
    server.fail_next("desktop/vnc", Fault::ConnectionReset, 1);
    assert!(server.visit("GET", &url, &token).send().await.is_err());
}
