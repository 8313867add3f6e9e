//! For whom a token is: the same URL counts in all of its spellings, and no other one does.

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{RESOURCE, list, one_key, with};
use crate::callers::issuer::{Issuer, Key, RFC_8414};
use crate::support::TestServer;

#[tokio::test]
async fn audience_in_every_spelling_of_this_server_is_accepted() {
    let (key, _issuer, server, good) = one_key().await;
    for audience in [
        json!(RESOURCE),
        json!("https://mcp.example.org/mcp/"),
        json!("https://MCP.Example.ORG/mcp"),
        json!("HTTPS://mcp.example.org/mcp"),
        json!("https://mcp.example.org:443/mcp"),
        json!("https://mcp.example.org/a/../mcp"),
        json!("https://mcp.example.org/%6Dcp"),
        json!(["https://other.example", "https://mcp.example.org:443/mcp/"]),
    ] {
        let token = key.sign(&with(good.clone(), "aud", audience.clone()));
        let answer = list(&server, &token).await;
        assert_eq!(answer.status, 200, "{audience}: {}", answer.challenge);
    }
}

#[tokio::test]
async fn audience_near_this_server_but_other_is_refused() {
    let (key, _issuer, server, good) = one_key().await;
    for audience in [
        json!("https://mcp.example.org.evil.example/mcp"),
        json!("https://evil.example/mcp"),
        json!("https://mcp.example.org@evil.example/mcp"),
        json!("https://evil@mcp.example.org/mcp"),
        json!("http://mcp.example.org/mcp"),
        json!("http://mcp.example.org:443/mcp"),
        json!("https://mcp.example.org:8443/mcp"),
        json!("https://mcp.example.org/MCP"),
        json!("https://mcp.example.org/mcp/other"),
        json!("https://mcp.example.org/mcp//"),
        json!("https://mcp.example.org/mcp?tenant=1"),
        json!("https://mcp.example.org/mcp#part"),
        json!("https://mcp.example.org/m%2563p"),
        json!("https://mcp.example.org/%2Fmcp"),
        json!("https:mcp.example.org/mcp"),
        json!("https:\\\\mcp.example.org\\mcp"),
        json!(" https://mcp.example.org/mcp"),
        json!("https://mcp.exam\nple.org/mcp"),
        json!("mcp.example.org/mcp"),
        json!(""),
        json!([]),
        json!([1]),
        json!({ "aud": RESOURCE }),
        json!(1),
    ] {
        let token = key.sign(&with(good.clone(), "aud", audience.clone()));
        let answer = list(&server, &token).await;
        assert_eq!(answer.status, 401, "{audience}");
        assert!(
            answer.challenge.contains("error=\"invalid_token\""),
            "{audience}: {}",
            answer.challenge
        );
    }
}

#[tokio::test]
async fn audience_that_is_no_url_is_compared_exactly() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", RFC_8414, &[&key]).await;
    let server = TestServer::with(&[
        ("MCP_OAUTH_ISSUERS", &issuer.url),
        ("MCP_OAUTH_USER_CLAIM", "kasm"),
        (
            "MCP_OAUTH_AUDIENCE",
            "api://Kasm-MCP, https://mcp.example.org",
        ),
        ("MCP_PUBLIC_URL", "https://mcp.example.org"),
        ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
    ])
    .await;
    let user = server.emulator.user_id().to_owned();
    for (audience, status) in [
        ("api://Kasm-MCP", 200),
        ("https://mcp.example.org", 200),
        ("https://mcp.example.org/", 200),
        ("api://kasm-mcp", 401),
        ("api://Kasm-MCP/", 401),
        ("https://mcp.example.org/mcp", 401),
    ] {
        let claims = issuer.claims(audience, "kasm:use", &user);
        let answer = list(&server, &key.sign(&claims)).await;
        assert_eq!(answer.status, status, "{audience}: {}", answer.challenge);
    }
}
