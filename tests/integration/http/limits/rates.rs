//! How often one address may ask, and guess.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{from, ping, retry_after, status, until_refused};
use crate::support::{TOKEN, TestServer};

#[tokio::test]
#[ignore = "slow: waits for the rate to recover"]
async fn slow_address_over_rate_is_429_and_others_are_not() {
    let server = TestServer::with(&[("MCP_RATE_PER_ADDRESS", "30/5")]).await;
    let (one, other) = (from("127.0.0.1"), from("127.0.0.2"));
    let (refused, answered) = until_refused(ping(&one, &server, TOKEN)).await;
    assert!((5..8).contains(&answered), "{answered}");
    let wait = retry_after(&refused);
    assert!((1..=2).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], -32029, "{body}");
    assert_eq!(body["error"]["data"]["retry_after_seconds"], wait);
    let said = body["error"]["message"].as_str().unwrap();
    assert!(said.contains("from this address"), "{said}");
    // Whatever it asks for, and without a token; only supervisors may always ask.
    let get = |path: &str| one.get(format!("{}{path}", server.base));
    let problem = get("/files/0/a").send().await.unwrap();
    assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        problem.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(status(get("/health")).await, 429);
    assert_eq!(status(get("/healthz")).await, 200);
    assert_eq!(status(ping(&other, &server, TOKEN)).await, 200);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(
        status(ping(&one, &server, TOKEN)).await,
        200,
        "it is honest"
    );
}

#[tokio::test]
async fn rate_behind_trusted_proxy_is_per_client_address() {
    let settings = [
        ("MCP_RATE_PER_ADDRESS", "1/2"),
        ("MCP_TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = TestServer::with(&settings).await;
    let (proxy, client) = (from("127.0.0.1"), from("127.0.0.2"));
    let of = |client: &reqwest::Client, address: &str| {
        ping(client, &server, TOKEN).header("x-forwarded-for", address)
    };
    until_refused(of(&proxy, "203.0.113.1")).await;
    assert_eq!(status(of(&proxy, "203.0.113.2")).await, 200);
    // A network of IPv6 is one address.
    until_refused(of(&proxy, "2001:db8::1")).await;
    assert_eq!(status(of(&proxy, "2001:db8::2:2")).await, 429);
    assert_eq!(status(of(&proxy, "2001:db8:0:1::1")).await, 200);
    // Others can say what they want.
    until_refused(of(&client, "203.0.113.3")).await;
    assert_eq!(status(of(&client, "203.0.113.4")).await, 429);
}

#[tokio::test]
#[ignore = "slow: waits for the rate to recover"]
async fn slow_wrong_tokens_lock_their_address_only() {
    let server = TestServer::with(&[("MCP_RATE_FAILED_AUTH", "12/3")]).await;
    let (one, other) = (from("127.0.0.1"), from("127.0.0.2"));
    let guess = || ping(&one, &server, "a-token-that-somebody-guessed");
    for _ in 0..3 {
        assert_eq!(status(guess()).await, 401);
    }
    let locked = guess().send().await.unwrap();
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = retry_after(&locked);
    assert!((1..=5).contains(&wait), "{wait}");
    // A right guess looks the same, also where a token is tried on the side.
    let right = ping(&one, &server, TOKEN).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS);
    let health = one.get(format!("{}/health", server.base));
    let health: Value = health
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(health.get("kasm").is_none(), "{health}");
    let file = one
        .get(format!("{}/files/0/a", server.base))
        .bearer_auth(TOKEN);
    assert_eq!(status(file).await, 429);
    assert_eq!(status(ping(&other, &server, TOKEN)).await, 200);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(
        status(ping(&one, &server, TOKEN)).await,
        200,
        "it is honest"
    );
}

#[tokio::test]
async fn rate_of_failed_auth_never_locks_a_known_caller() {
    let server = TestServer::with(&[("MCP_RATE_FAILED_AUTH", "1/2")]).await;
    let client = from("127.0.0.1");
    let health = || client.get(format!("{}/health", server.base));
    // Neither a right token nor none is a failure.
    for _ in 0..5 {
        assert_eq!(status(ping(&client, &server, TOKEN)).await, 200);
        assert_eq!(status(client.post(server.mcp())).await, 401);
        assert_eq!(status(health()).await, 200);
    }
    let wrong = "a-token-that-somebody-guessed";
    assert_eq!(status(health().bearer_auth(wrong)).await, 200);
    assert_eq!(status(ping(&client, &server, wrong)).await, 401);
    assert_eq!(status(ping(&client, &server, wrong)).await, 429);
    assert_eq!(status(ping(&client, &server, TOKEN)).await, 200);
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(status(server.post(&body)).await, 202);
}
