//! Work that outlives its call, as tasks of revision 2026-07-28: tools of a test behind the
//! production stack.

mod jobs;

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use kasm_mcp::caller::{Caller, Level, Realm, Scope, ToolNameList};
use kasm_mcp::mcp::approvals::ApprovalBook;
use kasm_mcp::tool::ErrorType;
use serde_json::{Value, json};

use crate::support::toolbox::{Toolbox, caller};
use crate::support::{handshake, rpc};
use jobs::{Jobs, TOOLSET};

type Server = Toolbox<Jobs>;

async fn serve(jobs: &Arc<Jobs>, caller: Caller) -> Server {
    let consent = ApprovalBook::new(Duration::from_secs(1));
    Toolbox::start(jobs.clone(), TOOLSET, caller, &consent).await
}

async fn start() -> Server {
    serve(&Arc::default(), caller("owner")).await
}

fn with_tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// Starts a job and returns the whole result.
async fn begin(server: &Server, arguments: Value) -> Value {
    let params = json!({ "name": "start", "arguments": arguments });
    let answer = server.modern("tools/call", params, "start", with_tasks());
    answer.await["result"].clone()
}

/// The id of a new task.
async fn task(server: &Server) -> String {
    let result = begin(server, json!({})).await;
    result["taskId"].as_str().unwrap().to_owned()
}

async fn ask(server: &Server, method: &str, id: &str) -> Value {
    let mut params = json!({ "taskId": id });
    if method == "tasks/update" {
        params["inputResponses"] = json!({ "unasked": { "action": "accept" } });
    }
    server.modern(method, params, id, with_tasks()).await
}

fn finish(server: &Server) {
    server
        .provider
        .change(|table| table.jobs.iter_mut().for_each(|job| job.running = false));
}

#[tokio::test]
async fn tasks_get_goes_from_working_to_completed() {
    let server = start().await;
    let begun = begin(&server, json!({})).await;
    assert_eq!(begun["resultType"], "task", "{begun}");
    assert_eq!(begun["status"], "working");
    assert_eq!(begun["statusMessage"], "started");
    assert_eq!(begun["ttlMs"], 3_600_000);
    assert!(begun["pollIntervalMs"].as_u64().unwrap() >= 1_000);
    let id = begun["taskId"].as_str().unwrap();

    let working = ask(&server, "tasks/get", id).await["result"].clone();
    assert_eq!(working["resultType"], "complete", "{working}");
    assert_eq!(working["status"], "working");
    assert_eq!(working["statusMessage"], "looked");
    assert_eq!(working["taskId"], id);
    assert_eq!(working["createdAt"], begun["createdAt"]);
    assert!(working["result"].is_null());
    let named = &working["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
    assert_eq!(*named, "kasm-mcp");

    finish(&server);
    // Another server finds it, too: nothing of it is in memory.
    let restarted = serve(&server.provider, caller("owner")).await;
    for server in [&server, &restarted] {
        let done = ask(server, "tasks/get", id).await["result"].clone();
        assert_eq!(done["status"], "completed", "{done}");
        assert_eq!(done["createdAt"], begun["createdAt"]);
        let result = &done["result"];
        assert_eq!(result["isError"], false, "{done}");
        assert_eq!(result["structuredContent"]["data"]["output"], "made");
        let text = result["content"][0]["text"].as_str().unwrap();
        let text: Value = serde_json::from_str(text).unwrap();
        assert_eq!(text, result["structuredContent"]);
    }
}

#[tokio::test]
async fn tasks_cancel_twice_or_after_end_is_acknowledged() {
    let server = start().await;
    let id = task(&server).await;
    for _ in 0..2 {
        let answer = ask(&server, "tasks/cancel", &id).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        let answer = ask(&server, "tasks/get", &id).await;
        assert_eq!(answer["result"]["status"], "cancelled", "{answer}");
    }
    let finished = task(&server).await;
    finish(&server);
    let answer = ask(&server, "tasks/cancel", &finished).await;
    assert!(answer["result"].is_object(), "{answer}");
    let answer = ask(&server, "tasks/get", &finished).await;
    assert_eq!(answer["result"]["status"], "completed", "{answer}");
}

#[tokio::test]
async fn tasks_update_is_acknowledged_and_changes_nothing() {
    let server = start().await;
    let id = task(&server).await;
    let answer = ask(&server, "tasks/update", &id).await;
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    let answer = ask(&server, "tasks/get", &id).await;
    assert_eq!(answer["result"]["status"], "working", "{answer}");
}

#[tokio::test]
async fn caller_without_the_poll_tool_gets_a_reply_and_no_task() {
    let tools = |names: &[&str]| {
        let mut caller = caller("owner");
        caller.reach.names = vec![ToolNameList::from_patterns(names.iter().copied()).unwrap()];
        caller
    };
    for (names, result_type) in [
        (&["start"][..], "complete"),
        (&["start", "poll"], "complete"),
        (&["start", "poll", "stop"], "task"),
    ] {
        let server = serve(&Arc::default(), tools(names)).await;
        let begun = begin(&server, json!({})).await;
        assert_eq!(begun["resultType"], result_type, "{names:?}: {begun}");
    }
}

#[tokio::test]
async fn tasks_get_by_other_caller_or_forged_id_is_refused() {
    let server = start().await;
    let id = task(&server).await;
    let stranger = serve(&server.provider, caller("stranger")).await;
    let mut reader = caller("owner");
    reader.grants = Scope::new(Realm::KASM, Level::Read).into();
    let reader = serve(&server.provider, reader).await;
    let made_up = |json: Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let own = vec!["here", "0"];
    let cases = [
        (&stranger, id.clone()),
        (&reader, id.clone()),
        (&server, String::from("x")),
        (&server, "A".repeat(2_000)),
        (&server, format!("{id}A")),
        (&server, id[..id.len() - 2].to_owned()),
        (&server, made_up(json!(["start", 0, ["here", "4711"]]))),
        (&server, made_up(json!(["start", 0, ["here"]]))),
        (&server, made_up(json!(["start", 0, ["here", "0", "more"]]))),
        (&server, made_up(json!(["start", 0, ["here", 0]]))),
        (&server, made_up(json!(["poll", 0, own]))),
        (&server, made_up(json!(["nothing", 0, own]))),
        (&server, made_up(json!(["start", -1, own]))),
        (&server, made_up(json!(["start", 1_u64 << 62, own]))),
        (&server, made_up(json!(["start", 0, own, "more"]))),
        (&server, made_up(json!({ "tool": "start" }))),
        (
            &server,
            BASE64URL_NOPAD.encode(br#"["start", 0, ["here","0"]]"#),
        ),
    ];
    for (server, id) in cases {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let answer = ask(server, method, &id).await;
            let error = json!({ "code": -32602, "message": "unknown task", "data": { "code": "task_unknown" } });
            assert_eq!(answer["error"], error, "{method} {id}: {answer}");
        }
    }
    let answer = ask(&server, "tasks/get", &id).await;
    assert_eq!(answer["result"]["status"], "working", "{answer}");
}

#[tokio::test]
async fn tasks_get_while_kasm_fails_keeps_the_task() {
    let server = start().await;
    let id = task(&server).await;
    server
        .provider
        .change(|table| table.broken = Some(ErrorType::Unavailable));
    for method in ["tasks/get", "tasks/cancel"] {
        let answer = ask(&server, method, &id).await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("Kasm is out"), "{message}");
    }
    server
        .provider
        .change(|table| table.broken = Some(ErrorType::Unsupported));
    let answer = ask(&server, "tasks/get", &id).await;
    assert_eq!(answer["result"]["status"], "completed", "{answer}");
    assert_eq!(answer["result"]["result"]["isError"], true, "{answer}");
    server.provider.change(|table| table.broken = None);
    let answer = ask(&server, "tasks/get", &id).await;
    assert_eq!(answer["result"]["status"], "working", "{answer}");
}

#[tokio::test]
async fn task_is_made_only_for_running_work_and_capable_client() {
    let server = start().await;
    let quick = begin(&server, json!({ "quick": true })).await;
    assert_eq!(quick["resultType"], "complete", "{quick}");
    assert_eq!(quick["structuredContent"]["data"]["running"], false);

    let params = json!({ "name": "start", "arguments": {} });
    let without = server.modern("tools/call", params.clone(), "start", json!({}));
    let without = without.await["result"].clone();
    assert_eq!(without["resultType"], "complete", "{without}");
    assert_eq!(without["structuredContent"]["data"]["running"], true);
    let id = task(&server).await;
    for method in ["tasks/get", "tasks/cancel"] {
        let params = json!({ "taskId": id });
        let refused = server.modern(method, params, &id, json!({})).await;
        assert_eq!(refused["error"]["code"], -32021, "{refused}");
    }
}

#[tokio::test]
async fn tasks_capability_is_announced_in_its_revision_only() {
    let server = start().await;
    let discovered = server.modern("server/discover", json!({}), "", json!({}));
    let capabilities = &discovered.await["result"]["capabilities"];
    let extensions = &capabilities["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object());

    let mut client = handshake("2025-11-25");
    client["capabilities"] = with_tasks();
    let request = server.post(&rpc("initialize", client));
    let answer = request.send().await.unwrap();
    let session = answer.headers()["mcp-session-id"].clone();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["capabilities"], json!({ "tools": {} }));
    let send = |method: &str, params: Value| {
        let request = server.post(&rpc(method, params));
        let request = request.header("mcp-session-id", &session).send();
        async move { request.await.unwrap().json::<Value>().await.unwrap() }
    };
    let params = json!({ "name": "start", "arguments": {} });
    let begun = send("tools/call", params).await["result"].clone();
    assert_eq!(begun["structuredContent"]["data"]["running"], true);
    assert!(begun["taskId"].is_null(), "{begun}");
    let id = task(&server).await;
    let refused = send("tasks/get", json!({ "taskId": id })).await;
    assert_eq!(refused["error"]["code"], -32601, "{refused}");
}
