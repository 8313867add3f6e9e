//! Tokens that are no good, each for a reason of its own.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{METADATA, list, one_key, with};
use crate::callers::issuer::Key;
use crate::support::{TestServer, rpc};

async fn refused(server: &TestServer, name: &str, token: &str, why: &str) {
    let answer = list(server, token).await;
    assert_eq!(answer.status, 401, "{name}");
    let metadata = format!("resource_metadata=\"{METADATA}\"");
    for words in [
        "error=\"invalid_token\"",
        why,
        &metadata,
        "scope=\"kasm:read kasm:use\"",
    ] {
        assert!(
            answer.challenge.contains(words),
            "{name}: {words} is missing in {}",
            answer.challenge
        );
    }
}

#[tokio::test]
async fn access_token_not_signed_by_issuer_is_refused() {
    let (key, _issuer, server, good) = one_key().await;
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": "one", "typ": "at+jwt" });
        format!("{}.{}.", encode(&header), encode(&good))
    };
    let none = "not a token of an authorization server";
    refused(&server, "alg none", &unsigned("none"), none).await;
    refused(
        &server,
        "no signature",
        &unsigned("RS256"),
        "signature is wrong",
    )
    .await;
    let stranger = Key::new("one", Algorithm::RS256);
    refused(
        &server,
        "wrong signature",
        &stranger.sign(&good),
        "signature is wrong",
    )
    .await;
    // The classic confusion: the public key as a shared secret.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let public = key.public()["n"].as_str().unwrap().to_owned();
    let secret = EncodingKey::from_secret(&BASE64URL_NOPAD.decode(public.as_bytes()).unwrap());
    let confused = jsonwebtoken::encode(&header, &good, &secret).unwrap();
    refused(&server, "alg HS256", &confused, "not accepted").await;
    let token = key.sign(&good);
    let parts: Vec<&str> = token.split('.').collect();
    let more = encode(&with(good.clone(), "scope", json!("kasm:admin")));
    let tampered = format!("{}.{more}.{}", parts[0], parts[2]);
    refused(&server, "tampered", &tampered, "signature is wrong").await;
    let unnamed = Key::new("unknown", Algorithm::RS256);
    refused(&server, "unknown key", &unnamed.sign(&good), "no such key").await;
    for nonsense in [
        "a.b.c",
        "opaque-token",
        &format!("a.{}.c", "b".repeat(20_000)),
    ] {
        refused(&server, "nonsense", nonsense, none).await;
    }
    assert_eq!(list(&server, &token).await.status, 200);
}

#[tokio::test]
async fn access_token_with_wrong_claims_is_refused() {
    let (key, issuer, server, good) = one_key().await;
    let now = good["iat"].as_u64().unwrap();
    let change = |name: &str, value: Value| key.sign(&with(good.clone(), name, value));
    for (claim, value, why) in [
        ("iss", json!("https://evil.example"), "issuer is unknown"),
        (
            "iss",
            json!([issuer.url]),
            "not a token of an authorization server",
        ),
        (
            "aud",
            json!("https://other.example/mcp"),
            "another audience",
        ),
        (
            "aud",
            json!(format!("{}/other", super::RESOURCE)),
            "for another audience",
        ),
        ("aud", Value::Null, "lacks"),
        ("sub", Value::Null, "lacks"),
        ("sub", json!("a\nb"), "no subject"),
        ("exp", json!(now - 120), "has expired"),
        ("exp", Value::Null, "lacks"),
        ("nbf", json!(now + 120), "not valid yet"),
    ] {
        refused(
            &server,
            &format!("{claim} {value}"),
            &change(claim, value),
            why,
        )
        .await;
    }
    for (typ, claim, value) in [
        ("JWT", "nonce", json!("x")),
        ("JWT", "typ", json!("ID")),
        ("logout+jwt", "events", json!({})),
    ] {
        let token = key.sign_as(typ, &with(good.clone(), claim, value));
        refused(&server, "of another kind", &token, "not an access token").await;
    }
    // Clocks may be a little apart.
    for (claim, value) in [("exp", now - 10), ("nbf", now + 10)] {
        assert_eq!(
            list(&server, &change(claim, json!(value))).await.status,
            200,
            "{claim}"
        );
    }
    let bare = server
        .http
        .post(server.mcp())
        .json(&rpc("tools/list", json!({})));
    let bare = bare.send().await.unwrap();
    let challenge = bare.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains(METADATA) && !challenge.contains("error"),
        "{challenge}"
    );
}
