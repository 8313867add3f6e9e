//! Which providers the settings turn on.

use kasm_emulator::Emulator;
use kasm_mcp::config::{Config, SettingsSources};
use serde_json::{Value, json};

use super::{mistakes, set, valid};
use crate::callers::run;
use crate::support::{TOKEN, TestServer, rpc};

/// The settings that Kasm cannot be without.
const REQUIRED: [&str; 4] = [
    "KASM_API_URL",
    "KASM_API_KEY",
    "KASM_API_SECRET",
    "KASM_USER_ID",
];

#[test]
fn one_setting_of_kasm_makes_all_of_them_required() {
    for only in REQUIRED {
        let mut sources = valid();
        sources
            .environment
            .retain(|name, _| name == only || !REQUIRED.contains(&name.as_str()));
        let found = mistakes(&sources).0;
        let missing: Vec<_> = REQUIRED.into_iter().filter(|name| *name != only).collect();
        let named: Vec<_> = found
            .iter()
            .map(|mistake| mistake.variable.as_str())
            .collect();
        assert_eq!(named, missing, "{only}");
        assert!(
            found.iter().all(|mistake| mistake.problem == "not set"),
            "{found:?}"
        );
    }
    // A secret that cannot be read is wanted as well.
    let mut sources = SettingsSources::default();
    sources = set(sources, "KASM_API_KEY_FILE", "/nowhere/key");
    let found = mistakes(&sources).0;
    let mut named: Vec<_> = found
        .iter()
        .map(|mistake| mistake.variable.as_str())
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "KASM_API_KEY",
            "KASM_API_SECRET",
            "KASM_API_URL",
            "KASM_USER_ID"
        ]
    );
}

#[test]
fn without_a_provider_one_mistake_names_what_to_set() {
    // Settings that only limit Kasm's tools do not turn it on.
    for (name, value) in [
        ("LOG_LEVEL", "info"),
        ("KASM_RETRIES", "1"),
        ("KASM_API_URL", " "),
    ] {
        let found = mistakes(&set(SettingsSources::default(), name, value)).0;
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        for required in REQUIRED {
            assert!(found[0].remedy.contains(required), "{found:?}");
        }
    }
    // Their mistakes are reported all the same.
    let found = mistakes(&set(
        SettingsSources::default(),
        "KASM_ALLOWED_ROOTS",
        "relative",
    ))
    .0;
    assert_eq!(found.len(), 2, "{found:?}");
}

#[tokio::test]
async fn commands_without_a_provider_exit_with_64() {
    for command in ["serve", "stdio", "check"] {
        let (code, said, error) = run(&[command], &[("MCP_SERVER_HOST", "127.0.0.1")]).await;
        assert_eq!(code, Some(64), "{command}: {said}{error}");
        for required in REQUIRED {
            assert!(
                format!("{said}{error}").contains(required),
                "{command}: {said}{error}"
            );
        }
    }
}

#[tokio::test]
async fn server_without_kasm_serves_and_says_nothing_of_it() {
    let emulator = Emulator::builder().start().await.unwrap();
    let mut config = crate::support::config(&emulator, &[]);
    // No settings lead here yet: Kasm is the only provider.
    config.kasm = None;
    let server = TestServer::of_config(emulator, &config).await;
    let health = server.http.get(format!("{}/health", server.base));
    let health: Value = health
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(health["status"], "ok");
    assert!(health.get("kasm").is_none(), "{health}");
    let ask = async |method: &str, params: Value| -> Value {
        let answer = server.post(&rpc(method, params)).send().await.unwrap();
        answer.json().await.unwrap()
    };
    let list = ask("tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"], json!([]), "{list}");
    let call = json!({ "name": "list_user_sessions", "arguments": {} });
    let answer = ask("tools/call", call).await;
    assert_eq!(answer["error"]["data"]["code"], "tool_unknown", "{answer}");
    let url = format!("{}/files/x/home/kasm-user/x", server.base);
    let answer = server
        .http
        .get(url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 501);
    assert_eq!(
        server.emulator.requests().len(),
        0,
        "Kasm was asked nothing"
    );
    // A token of the file has no Kasm user then, unless it names one.
    assert_eq!(config.usual_kasm_user(), None);
}

#[tokio::test]
async fn access_tokens_need_no_claim_of_a_user_without_kasm() {
    let oauth = [
        ("MCP_OAUTH_ISSUERS", "https://login.example.org"),
        ("MCP_PUBLIC_URL", "https://mcp.example.org"),
    ];
    let with = |sources: SettingsSources| {
        oauth
            .iter()
            .fold(sources, |sources, (name, value)| set(sources, name, value))
    };
    let found = mistakes(&with(valid())).0;
    let named: Vec<_> = found
        .iter()
        .map(|mistake| mistake.variable.as_str())
        .collect();
    assert_eq!(named, ["MCP_OAUTH_USER_CLAIM"]);
    let found = mistakes(&with(SettingsSources::default())).0;
    let named: Vec<_> = found
        .iter()
        .map(|mistake| mistake.variable.as_str())
        .collect();
    assert_eq!(named, ["KASM_API_URL"], "of OAuth nothing is missing");
    let config = Config::load_settings(&set(with(valid()), "MCP_OAUTH_USER_CLAIM", "sub")).unwrap();
    assert_eq!(
        config.http.oauth.unwrap().user_claim.as_deref(),
        Some("sub")
    );
}
