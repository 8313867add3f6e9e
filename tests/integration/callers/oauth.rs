//! Access tokens of authorization servers.

mod audience;
mod refused;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::issuer::{Issuer, Key, OPENID, RFC_8414};
use crate::support::{TOKEN, TestServer, rpc};

const PUBLIC: &str = "https://mcp.example.org";
const RESOURCE: &str = "https://mcp.example.org/mcp";
const METADATA: &str = "https://mcp.example.org/.well-known/oauth-protected-resource/mcp";

/// A server that accepts tokens of `issuer`, and the user that they are for.
async fn server(issuers: &str) -> (TestServer, String) {
    let settings = [
        ("MCP_OAUTH_ISSUERS", issuers),
        ("MCP_OAUTH_USER_CLAIM", "kasm"),
        ("MCP_PUBLIC_URL", PUBLIC),
        ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
    ];
    let server = TestServer::with(&settings).await;
    let user = server.emulator.user_id().to_owned();
    (server, user)
}

struct Answer {
    status: u16,
    challenge: String,
    body: Value,
}

async fn post(server: &TestServer, token: &str, body: &Value) -> Answer {
    let request = server.http.post(server.mcp()).bearer_auth(token).json(body);
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate");
    Answer {
        status: answer.status().as_u16(),
        challenge: challenge
            .map(|it| it.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        body: answer.json().await.unwrap_or_default(),
    }
}

async fn list(server: &TestServer, token: &str) -> Answer {
    post(server, token, &rpc("tools/list", json!({}))).await
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn access_token_of_each_algorithm_is_accepted() {
    let keys = [
        Algorithm::RS256,
        Algorithm::PS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];
    let keys = keys.map(|algorithm| Key::new(&format!("{algorithm:?}"), algorithm));
    let issuer = Issuer::start("", RFC_8414, &keys.each_ref()).await;
    let (server, user) = server(&issuer.url).await;
    for key in &keys {
        let claims = issuer.claims(RESOURCE, "openid kasm:use", &user);
        let answer = list(&server, &key.sign(&claims)).await;
        assert_eq!(
            answer.status, 200,
            "{}: {} {}",
            key.kid, answer.challenge, answer.body
        );
    }
    assert_eq!(issuer.key_fetches(), 1, "keys are kept");
    assert_eq!(
        list(&server, TOKEN).await.status,
        200,
        "the one token stays"
    );
    // The forms in which servers write audience, scope and type.
    let key = &keys[2];
    let claims = issuer.claims(RESOURCE, "kasm:use", &user);
    let several = with(
        claims.clone(),
        "aud",
        json!(["https://other.example", RESOURCE]),
    );
    let mut scp = with(claims.clone(), "scp", json!(["kasm:read", "other"]));
    scp.as_object_mut().unwrap().remove("scope");
    for token in [
        key.sign(&several),
        key.sign(&scp),
        key.sign_as("JWT", &claims),
        key.sign_as("application/at+jwt", &claims),
    ] {
        let answer = list(&server, &token).await;
        assert_eq!(answer.status, 200, "{}", answer.challenge);
    }
}

/// An issuer with one key, a server that accepts its tokens, and the claims of a good one.
async fn one_key() -> (Key, Issuer, TestServer, Value) {
    let key = Key::new("one", Algorithm::RS256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let (server, user) = server(&issuer.url).await;
    let good = issuer.claims(RESOURCE, "kasm:use", &user);
    (key, issuer, server, good)
}

#[tokio::test]
async fn rest_call_with_missing_scope_is_403_with_challenge() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let (server, user) = server(&issuer.url).await;
    let reads = key.sign(&issuer.claims(RESOURCE, "kasm:read", &user));
    let url = format!("{}/api/v1/tools/destroy_kasm_session", server.base);
    let request = server.http.post(url).bearer_auth(&reads).json(&json!({}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
    for words in [
        r#"error="insufficient_scope""#,
        r#"scope="kasm:read kasm:use""#,
        METADATA,
    ] {
        assert!(challenge.contains(words), "{challenge}");
    }
}

#[tokio::test]
async fn mcp_call_with_missing_scope_is_403_before_any_effect() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let (server, user) = server(&issuer.url).await;
    let reads = key.sign(&issuer.claims(RESOURCE, "kasm:read", &user));
    let call = |tool: &str| {
        rpc(
            "tools/call",
            json!({ "name": tool, "arguments": { "kasm_id": "0" } }),
        )
    };
    let admin = rpc("tools/call", json!({ "name": "list_all_sessions" }));
    for (body, scope) in [
        (call("destroy_kasm_session"), "kasm:read kasm:use"),
        (admin.clone(), "kasm:read kasm:use kasm:admin"),
        (
            json!([
                call("get_session_status"),
                call("destroy_kasm_session"),
                admin
            ]),
            "kasm:read kasm:use kasm:admin",
        ),
    ] {
        let answer = post(&server, &reads, &body).await;
        assert_eq!(answer.status, 403, "{body}");
        for words in [
            r#"error="insufficient_scope""#,
            &format!(r#"scope="{scope}""#),
            METADATA,
        ] {
            assert!(
                answer.challenge.contains(words),
                "{words} is missing in {}",
                answer.challenge
            );
        }
    }
    let answer = post(&server, &reads, &call("get_session_status")).await;
    assert_eq!(answer.status, 200);
    // Unknown tools and what a client has narrowed away are no matter of scope.
    assert_eq!(
        post(&server, &reads, &call("no_such_tool")).await.status,
        200
    );
    let narrow = server
        .http
        .post(format!("{}/readonly", server.mcp()))
        .bearer_auth(&reads);
    let narrow = narrow
        .json(&call("destroy_kasm_session"))
        .send()
        .await
        .unwrap();
    assert_eq!(narrow.status(), 200);
    let upload = server.http.put(format!(
        "{}/files/{}/home/kasm-user/x",
        server.base,
        "0".repeat(32)
    ));
    let upload = upload.bearer_auth(&reads).body("x").send().await.unwrap();
    assert_eq!(upload.status(), 403);
    assert!(
        upload.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("kasm:use")
    );
}

#[tokio::test]
async fn access_token_without_known_scope_is_403_naming_read() {
    let (key, _issuer, server, good) = one_key().await;
    let none = key.sign(&with(good, "scope", json!("openid profile")));
    let answer = list(&server, &none).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.challenge.contains(r#"scope="kasm:read""#),
        "{}",
        answer.challenge
    );
}

#[tokio::test]
async fn issuer_keys_rotate_and_survive_issuer_failure() {
    let (old, new) = (
        Key::new("old", Algorithm::ES256),
        Key::new("new", Algorithm::ES256),
    );
    let issuer = Issuer::start("", OPENID, &[&old]).await;
    let (server, user) = server(&issuer.url).await;
    let claims = issuer.claims(RESOURCE, "kasm:use", &user);
    assert_eq!(list(&server, &old.sign(&claims)).await.status, 200);
    issuer.publish(&[&new, &old]);
    assert_eq!(list(&server, &new.sign(&claims)).await.status, 200);
    // Whoever makes names of keys up cannot make this server ask the issuer each time.
    for number in 0..20 {
        let made_up = Key::new(&format!("made-up-{number}"), Algorithm::ES256);
        assert_eq!(list(&server, &made_up.sign(&claims)).await.status, 401);
    }
    assert!(issuer.key_fetches() <= 3, "{}", issuer.key_fetches());
    issuer.go_down();
    for key in [&old, &new] {
        assert_eq!(list(&server, &key.sign(&claims)).await.status, 200);
    }
}

#[tokio::test]
async fn issuer_metadata_is_found_both_ways_and_names_itself() {
    for (path, at) in [
        ("", RFC_8414),
        ("", OPENID),
        (
            "/realms/a",
            "/.well-known/oauth-authorization-server/realms/a",
        ),
        ("/realms/a", "/.well-known/openid-configuration/realms/a"),
        ("/realms/a", "/realms/a/.well-known/openid-configuration"),
    ] {
        let key = Key::new("one", Algorithm::ES256);
        let issuer = Issuer::start(path, at, &[&key]).await;
        let (server, user) = server(&issuer.url).await;
        let token = key.sign(&issuer.claims(RESOURCE, "kasm:use", &user));
        assert_eq!(
            list(&server, &token).await.status,
            200,
            "{path} {at}: {:?}",
            issuer.asked()
        );
    }
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    issuer.name_itself(&format!("{}/", issuer.url));
    let (server, user) = server(&issuer.url).await;
    let token = key.sign(&issuer.claims(RESOURCE, "kasm:use", &user));
    // Nobody can say whether the token is good, so nobody is told that it is bad.
    assert_eq!(list(&server, &token).await.status, 503);
}

#[tokio::test]
async fn user_claim_selects_the_kasm_user() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let (server, user) = server(&issuer.url).await;
    let own = server
        .kasm("get_user", json!({ "target_user": { "user_id": user } }))
        .await;
    let name = own["user"]["username"].as_str().unwrap().to_owned();
    let kasm_id = server.session().await;
    let other = server.emulator.other_user_id().to_owned();
    let sessions = rpc("tools/call", json!({ "name": "list_user_sessions" }));
    for (named, sees) in [(&user, true), (&name, true), (&other, false)] {
        let token = key.sign(&issuer.claims(RESOURCE, "kasm:use", named));
        let answer = post(&server, &token, &sessions).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.to_string().contains(&kasm_id), sees, "{named}");
    }
    let before = server.bodies("get_user").len();
    for _ in 0..3 {
        let token = key.sign(&issuer.claims(RESOURCE, "kasm:use", &name));
        assert_eq!(list(&server, &token).await.status, 200);
    }
    assert_eq!(
        server.bodies("get_user").len(),
        before,
        "names are remembered"
    );
    for nobody in [
        json!("nobody@example.org"),
        json!(""),
        json!(7),
        Value::Null,
    ] {
        let claims = with(
            issuer.claims(RESOURCE, "kasm:use", ""),
            "kasm",
            nobody.clone(),
        );
        let answer = list(&server, &key.sign(&claims)).await;
        assert_eq!(answer.status, 403, "{nobody}");
        assert!(
            answer.body["detail"]
                .as_str()
                .unwrap()
                .contains("not linked to a Kasm user")
        );
    }
}

#[tokio::test]
async fn protected_resource_metadata_exists_only_with_issuer() {
    let issuer = "https://login.example.org/realms/a";
    let (server, _) = server(issuer).await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let url = format!("{}{path}", server.base);
        let answer = server
            .http
            .get(&url)
            .header("origin", "https://anywhere.example")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let metadata: Value = answer.json().await.unwrap();
        assert_eq!(metadata["resource"], RESOURCE);
        assert_eq!(metadata["authorization_servers"], json!([issuer]));
        assert_eq!(
            metadata["scopes_supported"],
            json!(["kasm:read", "kasm:use"])
        );
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        let plain = TestServer::start().await;
        let answer = plain
            .http
            .get(format!("{}{path}", plain.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
    }
}
