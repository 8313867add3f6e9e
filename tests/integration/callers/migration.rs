//! Files and tokens of version 0.1: they are read unchanged and give the same rights.

use std::path::{Path, PathBuf};

use jsonwebtoken::Algorithm;
use kasm_mcp::access::TokenFile;
use kasm_mcp::caller::{Caller, Credential};
use kasm_mcp::config::{Config, SettingsSources, token_rules};
use kasm_mcp::token::TokenHash;
use serde_json::{Value, json};

use super::issuer::{Issuer, Key, OPENID};
use super::token;
use crate::support::{TestServer, rpc};

/// The Kasm user that the fixtures name, as the server writes it.
const USER: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/fixtures");
    folder.join("version-0.1").join(name)
}

fn environment() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(fixture("environment")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn tokens_of_version_0_1_give_the_same_rights() {
    let usual = "1".repeat(32);
    let tokens = TokenFile::open(fixture("tokens.toml"), token_rules(Some(&usual))).unwrap();
    assert_eq!(tokens.token_count(), 5);
    let find = |name: &str| tokens.find_caller(&TokenHash::of_token(token(name)));
    let rights = |caller: &Caller| {
        let reach = &caller.reach;
        let toolsets = reach.toolsets.as_ref();
        let toolsets = toolsets.map(|names| names.iter().cloned().collect::<Vec<_>>().join(","));
        json!({
            "scope": caller.grants.to_string(), "user": caller.accounts().kasm.as_deref(),
            "toolsets": toolsets, "names": reach.names.len(), "read_only": reach.read_only,
            "rate": caller.rate, "until": caller.validity.until.map(|until| until.to_string()),
        })
    };
    let expected = |scope: &str, user: &str, more: Value| {
        let mut expected = json!({
            "scope": scope, "user": user, "toolsets": null, "names": 0, "read_only": false, "rate": null,
            "until": null,
        });
        for (member, value) in more.as_object().unwrap() {
            expected[member] = value.clone();
        }
        expected
    };
    let limited = json!({
        "toolsets": "exec,files", "read_only": true, "rate": 60, "until": "2999-11-30T11:57:37Z",
    });
    for (name, rights_then) in [
        ("admin", expected("kasm:admin", &usual, json!({}))),
        ("ci", expected("kasm:use", USER, limited)),
        (
            "several",
            expected(
                "kasm:admin",
                &usual,
                json!({ "until": "2999-01-01T00:00:00Z" }),
            ),
        ),
        (
            "looks",
            expected("kasm:use", USER, json!({ "read_only": true })),
        ),
    ] {
        let caller = find(name).unwrap();
        assert_eq!(rights(&caller), rights_then, "{name}");
        assert_eq!(caller.credential, Credential::Token);
    }
    assert!(find("reader@example.org").is_none(), "it has expired");
}

#[test]
fn environment_of_version_0_1_is_read_whole() {
    let tokens = fixture("tokens.toml");
    let mut settings = environment();
    settings.push(("MCP_TOKENS_FILE".to_owned(), tokens.display().to_string()));
    let check = |config: &Config| {
        assert_eq!(config.notices, [] as [&str; 0]);
        assert_eq!(config.http.auth_grants.to_string(), "kasm:admin");
        assert_eq!(config.http.tokens_file.as_ref(), Some(&tokens));
        let oauth = config.http.oauth.as_ref().unwrap();
        assert_eq!(oauth.user_claim.as_deref(), Some("preferred_username"));
        assert_eq!(oauth.issuers, ["https://login.example.org/realms/kasm"]);
        let kasm = config.kasm.as_ref().unwrap();
        assert_eq!(kasm.user, USER);
        assert_eq!(kasm.connection.url.as_str(), "https://kasm.example.org/");
        assert_eq!(config.link_lifetime.as_secs(), 600);
        assert_eq!(kasm.tools.lease_max.as_secs(), 86_400);
        assert_eq!(kasm.tools.policy.roots(), ["/home/kasm-user"]);
    };
    let sources = SettingsSources {
        environment: settings.iter().cloned().collect(),
        ..SettingsSources::default()
    };
    check(&Config::load_settings(&sources).unwrap());
    // The same in a settings file, in which an unknown setting is an error.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kasm-mcp.toml");
    let line = |(name, value): &(String, String)| format!("{} = {value:?}\n", name.to_lowercase());
    std::fs::write(&file, settings.iter().map(line).collect::<String>()).unwrap();
    let sources = SettingsSources {
        file: Some(file),
        ..SettingsSources::default()
    };
    check(&Config::load_settings(&sources).unwrap());
}

#[tokio::test]
async fn access_token_of_version_0_1_is_the_same_caller() {
    let key = Key::new("one", Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let server = TestServer::with(&[
        ("MCP_OAUTH_ISSUERS", &issuer.url),
        ("MCP_OAUTH_USER_CLAIM", "kasm"),
        ("MCP_PUBLIC_URL", "https://mcp.example.org"),
        ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
        ("MCP_AUDIT_FILE", audit.to_str().unwrap()),
    ])
    .await;
    let user = server.emulator.user_id().to_owned();
    let claims = issuer.claims("https://mcp.example.org/mcp", "openid kasm:use", &user);
    let call = json!({ "name": "create_kasm_session", "arguments": { "image_name": "Terminal" } });
    let request = server
        .http
        .post(server.mcp())
        .bearer_auth(key.sign(&claims));
    let answer = request.json(&rpc("tools/call", call)).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        answer["result"]["structuredContent"]["success"], true,
        "{answer}"
    );
    assert_eq!(server.emulator.sessions()[0].user_id, user);
    let lines = std::fs::read_to_string(&audit).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let begun = lines.collect::<Vec<Value>>();
    let begun = begun.iter().find(|line| line["event"] == "begin").unwrap();
    assert_eq!(begun["caller"], format!("oauth:alice@{}", issuer.url));
    assert_eq!(begun["kasm_user"], user);
}
