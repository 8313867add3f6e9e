//! A caller with every scope but without an account in Kasm.

use std::path::Path;

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
    tools_refuse(&server, &kasm_id).await;
    resources_and_suggestions_are_missing(&server, &kasm_id).await;
    transfers_refuse(&server, &kasm_id).await;
    let after = server.emulator.requests().len();
    assert_eq!(after, before, "Kasm was asked nothing");
    record_names_no_user(&audit).await;
}

async fn tools_refuse(server: &TestServer, kasm_id: &str) {
    let calls = arguments::calls();
    let listed = tools::listed_tools().count();
    assert_eq!(calls.len(), listed, "every tool is called");
    let user = server.emulator.user_id();
    let job = "0".repeat(32);
    for (tool, arguments, _) in calls {
        let mut text = arguments.to_string();
        for (word, value) in [("SESSION", kasm_id), ("USER", user), ("JOB", &job)] {
            text = text.replace(&format!("\"{word}\""), &format!("\"{value}\""));
        }
        let arguments = serde_json::from_str(&text).unwrap();
        server
            .fails_as(tool, arguments, "permission", "kasm_user_missing")
            .await;
    }
}

async fn resources_and_suggestions_are_missing(server: &TestServer, kasm_id: &str) {
    let ask = async |method: &str, params: Value| -> Value {
        let answer = server.post(&rpc(method, params)).send().await.unwrap();
        answer.json().await.unwrap()
    };
    for uri in [
        "kasm://sessions".to_owned(),
        "kasm://workspaces".to_owned(),
        format!("kasm://sessions/{kasm_id}"),
        format!("kasm://sessions/{kasm_id}/screenshot"),
    ] {
        let answer = ask("resources/read", json!({ "uri": uri })).await;
        assert!(answer["error"]["code"].is_i64(), "{uri}: {answer}");
    }
    let argument = json!({
        "ref": { "type": "ref/resource", "uri": "kasm://sessions/{kasm_id}" },
        "argument": { "name": "kasm_id", "value": "" },
    });
    let answer = ask("completion/complete", argument).await;
    // Suggestions are only a help, so a call that fails gives none.
    let suggested = &answer["result"]["completion"]["values"];
    assert_eq!(*suggested, json!([]), "{answer}");
}

async fn transfers_refuse(server: &TestServer, kasm_id: &str) {
    let url = format!("{}/files/{kasm_id}/home/kasm-user/x", server.base);
    for request in [server.http.get(&url), server.http.put(&url).body("x")] {
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "kasm_user_missing", "{problem}");
    }
}

async fn record_names_no_user(audit: &Path) {
    // Refusals wait for no disk, so their lines may come later than their answers.
    let ended = || {
        let lines = std::fs::read_to_string(audit).unwrap();
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
