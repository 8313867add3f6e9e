//! A caller with every scope but without an account in Kasm.

use kasm_emulator::Emulator;
use kasm_mcp::caller::{Caller, Level, Realm, Scope};
use kasm_mcp::commands::tools;
use kasm_mcp::http::auth::Authenticator;
use serde_json::{Value, json};

use crate::arguments;
use crate::support::kasm::until;
use crate::support::{TOKEN, TestServer, config, rpc};

#[tokio::test]
async fn caller_without_kasm_account_reaches_nothing_of_kasm() {
    let emulator = Emulator::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let settings = [
        ("MCP_PUBLIC_URL", "http://127.0.0.1:1"),
        ("MCP_ALLOWED_HOSTS", "127.0.0.1"),
        ("MCP_AUDIT_FILE", audit.to_str().unwrap()),
    ];
    let config = config(&emulator, &settings);
    let caller = Caller::new("nobody", Scope::new(Realm::KASM, Level::Admin));
    let auth = Authenticator::new(Some(&TOKEN.into()), caller);
    let server = TestServer::for_callers(emulator, &config, auth).await;
    let kasm_id = server.foreign_session().await;
    let before = server.emulator.requests().len();

    let calls = arguments::calls();
    assert_eq!(
        calls.len(),
        tools::listed_tools().count(),
        "every tool is called"
    );
    for (tool, arguments, _) in calls {
        let user = server.emulator.user_id();
        let known = [
            ("SESSION", kasm_id.as_str()),
            ("USER", user),
            ("JOB", &"0".repeat(32)),
        ];
        let mut text = arguments.to_string();
        for (word, value) in known {
            text = text.replace(&format!("\"{word}\""), &format!("\"{value}\""));
        }
        let arguments = serde_json::from_str(&text).unwrap();
        server
            .fails_as(tool, arguments, "permission", "kasm_user_missing")
            .await;
    }
    for uri in [
        "kasm://sessions".to_owned(),
        "kasm://workspaces".to_owned(),
        format!("kasm://sessions/{kasm_id}"),
        format!("kasm://sessions/{kasm_id}/screenshot"),
    ] {
        let read = rpc("resources/read", json!({ "uri": uri }));
        let answer: Value = server
            .post(&read)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert!(answer["error"]["code"].is_i64(), "{uri}: {answer}");
    }
    let argument = json!({
        "ref": { "type": "ref/resource", "uri": "kasm://sessions/{kasm_id}" },
        "argument": { "name": "kasm_id", "value": "" },
    });
    let complete = rpc("completion/complete", argument);
    let answer: Value = server
        .post(&complete)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    // Suggestions are only a help, so a call that fails gives none.
    let suggested = &answer["result"]["completion"]["values"];
    assert_eq!(*suggested, json!([]), "{answer}");
    let url = format!("{}/files/{kasm_id}/home/kasm-user/x", server.base);
    for request in [server.http.get(&url), server.http.put(&url).body("x")] {
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "kasm_user_missing", "{problem}");
    }
    assert_eq!(
        server.emulator.requests().len(),
        before,
        "Kasm was asked nothing"
    );
    // Refusals wait for no disk, so their lines may come later than their answers.
    let ended = || {
        let lines = std::fs::read_to_string(&audit).unwrap();
        let lines = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = lines.filter(|line| line["event"] == "end");
        ended.collect::<Vec<_>>()
    };
    let tools = tools::listed_tools().count();
    until("each refusal is on record", || ended().len() > tools).await;
    for line in ended() {
        assert_eq!(line["caller"], "nobody", "{line}");
        assert!(line.get("kasm_user").is_none(), "{line}");
    }
}
