//! Tokens and links that log somebody in.

use serde_json::{Value, json};

use super::support::Server;

fn user(server: &Server) -> Value {
    json!({"target_user": {"user_id": server.user_id()}})
}

#[tokio::test]
async fn session_token_is_created_updated_listed_and_deleted() {
    let server = Server::start().await;
    let made = server.get("create_session_token", user(&server)).await;
    let made = &made["session_token"];
    let jwt = made["session_jwt"].as_str().unwrap();
    assert!(server.accepts_cookies("demo@kasm.local", jwt));

    let one = json!({"target_session_token": {"session_token": made["session_token"]}});
    let got = server.get("get_session_token", one.clone()).await;
    assert_eq!(&got["session_token"], made);
    let moved = server.get("update_session_token", one.clone()).await;
    let expiry = |token: &Value| token["expires_at"].as_str().unwrap().to_owned();
    assert!(expiry(&moved["session_token"]) > expiry(made));
    let list = server.get("get_session_tokens", user(&server)).await;
    assert_eq!(list["session_tokens"].as_array().unwrap().len(), 1);

    server.get("delete_session_token", one.clone()).await;
    server.fails("get_session_token", one).await;
    assert!(!server.accepts_cookies("demo@kasm.local", jwt));
}

#[tokio::test]
async fn logout_user_ends_every_token() {
    let server = Server::start().await;
    let (_, answer) = server.request().await;
    let token = answer["session_token"].as_str().unwrap();
    server.get("logout_user", user(&server)).await;
    assert!(!server.accepts_cookies("demo@kasm.local", token));
}

#[tokio::test]
async fn get_login_url_names_the_server() {
    let server = Server::start().await;
    let answer = server.get("get_login", user(&server)).await;
    let url = answer["url"].as_str().unwrap();
    let start = format!(
        "{}/#/connect/login/dash/{}/",
        server.url(),
        server.user_id()
    );
    assert!(url.starts_with(&start), "{url}");
}
