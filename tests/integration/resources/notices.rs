//! What clients are told unasked.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::ChildStdout;

use super::listener::{Listener, stream};
use super::people::People;
use super::{Asker, WAYS};
use crate::support::kasm::NO_SUCH_ID;
use crate::support::sse_client::SseClient;
use crate::support::{TestServer, handshake, rpc, sources};

const LIST: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";

fn list() -> (String, Option<String>) {
    (LIST.to_owned(), None)
}

fn updated(uri: &str) -> (String, Option<String>) {
    (UPDATED.to_owned(), Some(uri.to_owned()))
}

#[tokio::test]
async fn mcp_session_is_notified_of_subscribed_sessions() {
    let server = TestServer::start().await;
    let mut listener = Listener::session(&server.base).await;
    listener.subscribe("kasm://sessions").await;
    // The change comes from another connection.
    let kasm_id = server.session().await;
    let all = updated("kasm://sessions");
    assert_eq!(listener.hears(2).await, [list(), all.clone()]);

    let dashed = format!(
        "kasm://sessions/{}-{}",
        kasm_id[..8].to_uppercase(),
        &kasm_id[8..]
    );
    listener.subscribe(&dashed).await;
    let id = json!({ "kasm_id": kasm_id });
    server.ok("extend_kasm_session", id.clone()).await;
    assert_eq!(listener.hears(2).await, [all.clone(), updated(&dashed)]);
    server.ok("pause_kasm_session", id.clone()).await;
    assert_eq!(
        listener.hears(3).await,
        [list(), all.clone(), updated(&dashed)]
    );

    let uri = json!({ "uri": dashed });
    let answer = listener.ask("resources/unsubscribe", uri).await;
    assert_eq!(answer["result"], json!({}));
    // Neither looks nor failures are told.
    server.ok("get_session_status", id.clone()).await;
    server
        .fails(
            "pause_kasm_session",
            json!({ "kasm_id": NO_SUCH_ID }),
            "not_found",
        )
        .await;
    server
        .fails(
            "execute_kasm_command",
            json!({ "kasm_id": kasm_id, "command": "true" }),
            "conflict",
        )
        .await;
    server.ok("destroy_kasm_session", id).await;
    assert_eq!(listener.hears(2).await, [list(), all]);
}

#[tokio::test]
async fn list_changed_goes_only_to_clients_that_listed_resources() {
    let server = TestServer::start().await;
    let mut listener = Listener::session(&server.base).await;
    let tools = listener.ask("tools/list", json!({})).await;
    assert!(tools["result"]["tools"].is_array(), "{tools}");
    let kasm_id = server.session().await;
    let asked = listener.ask("resources/list", json!({})).await;
    assert!(asked["result"]["resources"].is_array(), "{asked}");
    listener.subscribe("kasm://sessions").await;
    server
        .ok("extend_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    // The creation, and the list with it, would be in front of this.
    assert_eq!(listener.hears(1).await, [updated("kasm://sessions")]);
    server
        .ok("destroy_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    assert_eq!(listener.hears(1).await, [list()]);
}

#[tokio::test]
async fn screenshot_resource_is_notified_after_control_desktop() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    let mut listener = Listener::session(&server.base).await;
    let screen = format!("kasm://sessions/{kasm_id}/screenshot");
    listener.subscribe(&screen).await;
    let arguments = json!({ "kasm_id": kasm_id, "actions": [{ "type": "key", "text": "a" }] });
    let reply = server.call("control_desktop", arguments).await;
    assert_eq!(reply["success"], true, "{reply}");
    assert_eq!(listener.hears(1).await, [updated(&screen)]);
}

#[tokio::test]
async fn http_sse_is_notified_on_its_stream() {
    let server = TestServer::start().await;
    let mut client = SseClient::connect(&server.base, "/sse").await;
    let uri = json!({ "uri": "kasm://sessions" });
    let answer = client.request("resources/subscribe", uri).await;
    assert_eq!(answer["result"], json!({}), "{answer}");
    server.session().await;
    for method in [LIST, UPDATED] {
        let event = client.events.next().await.unwrap();
        let message: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(message["method"], method);
    }
}

#[tokio::test]
async fn listen_request_is_notified_of_what_it_named() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    let one = format!("kasm://sessions/{kasm_id}");
    let uris = json!([one, "file:///etc/passwd", "kasm://nothing"]);
    let wanted = json!({ "resourceSubscriptions": uris, "toolsListChanged": true });
    let (mut only_one, accepted) = Listener::modern(&server.base, wanted).await;
    assert_eq!(accepted, json!({ "resourceSubscriptions": [one] }));
    let wanted = json!({ "resourcesListChanged": true, "promptsListChanged": true });
    let (mut only_list, accepted) = Listener::modern(&server.base, wanted).await;
    assert_eq!(accepted, json!({ "resourcesListChanged": true }));

    server.session().await;
    server
        .ok("pause_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    assert_eq!(only_one.hears(1).await, [updated(&one)]);
    assert_eq!(only_list.hears(2).await, [list(), list()]);

    // The end of the server is no break: the last message is a result.
    let stopped = tokio::time::timeout(Duration::from_secs(5), server.stop());
    stopped.await.expect("streams do not hold the server back");
    let last = only_one.next().await;
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
    assert_eq!(only_one.events.next().await, None);
}

#[tokio::test]
async fn callers_are_not_notified_of_foreign_sessions() {
    let people = People::start().await;
    let [first, other] = &people.bases;
    let mut one = Listener::session(first).await;
    let mut second = Listener::session(other).await;
    let everything = json!({
        "resourcesListChanged": true, "resourceSubscriptions": ["kasm://sessions"],
    });
    let (mut modern, _) = Listener::modern(other, everything).await;
    one.subscribe("kasm://sessions").await;
    second.subscribe("kasm://sessions").await;
    let own = second.create().await;
    let all = updated("kasm://sessions");
    assert_eq!(second.hears(2).await, [list(), all.clone()]);
    assert_eq!(modern.hears(2).await, [list(), all.clone()]);

    let foreign = one.create().await;
    assert_eq!(one.hears(2).await, [list(), all.clone()]);
    let uri = json!({ "uri": format!("kasm://sessions/{foreign}") });
    let answer = second.ask("resources/subscribe", uri).await;
    assert_eq!(answer["error"]["code"], -32002, "{answer}");

    second
        .call("extend_kasm_session", json!({ "kasm_id": own }))
        .await;
    // The first person's creation would be in front of this, with its list.
    assert_eq!(second.hears(1).await, std::slice::from_ref(&all));
    assert_eq!(modern.hears(1).await, std::slice::from_ref(&all));
    let id = json!({ "kasm_id": foreign });
    one.call("extend_kasm_session", id.clone()).await;
    assert_eq!(one.hears(1).await, std::slice::from_ref(&all));
    one.call("destroy_kasm_session", id).await;
    // The second person's extension would be in front of this.
    assert_eq!(one.hears(2).await, [list(), all]);
}

#[tokio::test]
async fn revoked_caller_gets_no_more_notifications() {
    let people = People::start().await;
    let [_, other] = &people.bases;
    let mut session = Listener::session(other).await;
    let wanted = json!({ "resourcesListChanged": true });
    let (mut modern, _) = Listener::modern(other, wanted).await;
    people.revoked[1].cancel();
    assert_eq!(session.events.next().await, None);
    // The connection may be gone before a last word.
    while let Some(event) = modern.events.next().await {
        let message: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(message["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn newer_notification_stream_replaces_the_older() {
    let server = TestServer::start().await;
    let mut listener = Listener::session(&server.base).await;
    listener.ask("resources/list", json!({})).await;
    let session = listener.session.clone().unwrap();
    let mut newer = stream(&listener.http, &server.base, &session).await;
    let kasm_id = server.session().await;
    let message: Value = serde_json::from_str(&newer.next().await.unwrap().data).unwrap();
    assert_eq!(message["method"], LIST);
    // A third one takes over again.
    listener.events = stream(&listener.http, &server.base, &session).await;
    server
        .ok("destroy_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    assert_eq!(listener.hears(1).await, [list()]);
    let nothing = tokio::time::timeout(Duration::from_millis(100), newer.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn subscription_to_unknown_resource_or_over_limit_is_refused() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        if asker.is_modern() {
            continue;
        }
        let unknown = json!({ "uri": format!("kasm://sessions/{NO_SUCH_ID}") });
        let (code, message) = asker.error("resources/subscribe", unknown).await;
        assert_eq!(code, -32002, "{way}: {message}");
        if way == "bare" {
            let uri = json!({ "uri": "kasm://sessions" });
            let (code, message) = asker.error("resources/subscribe", uri).await;
            assert_eq!(code, -32600, "{message}");
            continue;
        }
        // The same session in 100 spellings.
        let spellings = (0..10).flat_map(|before| (0..10).map(move |after| (before, after)));
        for (before, after) in spellings {
            let id = format!("{}{kasm_id}{}", "-".repeat(before), "-".repeat(after));
            let uri = json!({ "uri": format!("kasm://sessions/{id}") });
            asker.result("resources/subscribe", uri).await;
        }
        let again = json!({ "uri": format!("kasm://sessions/{kasm_id}") });
        asker.result("resources/subscribe", again.clone()).await;
        let more = json!({ "uri": "kasm://sessions" });
        let (code, message) = asker.error("resources/subscribe", more.clone()).await;
        assert_eq!(code, -32600, "{way}: {message}");
        asker.result("resources/unsubscribe", again).await;
        asker.result("resources/subscribe", more).await;
    }
}

#[tokio::test]
async fn listen_requests_over_caller_limit_are_refused() {
    let server = TestServer::start().await;
    let wanted = json!({ "resourcesListChanged": true });
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(Listener::modern(&server.base, wanted.clone()).await.0);
    }
    let (mut refused, _) = Listener::modern(&server.base, wanted.clone()).await;
    let answer = refused.next().await;
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    // Whoever leaves makes room.
    open.pop();
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (mut listener, _) = Listener::modern(&server.base, wanted.clone()).await;
        let refused = tokio::time::timeout(Duration::from_millis(200), listener.next());
        if refused.await.is_err() {
            break;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "a place is never free again"
        );
    }
}

#[tokio::test]
async fn stdio_client_is_notified_of_changes() {
    let server = TestServer::start().await;
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_kasm-mcp"))
        .arg("stdio")
        .env_clear()
        .envs(sources(&server.emulator, &[]).environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let create =
        json!({ "name": "create_kasm_session", "arguments": { "image_name": "Terminal" } });
    let requests = [
        ("initialize", handshake("2025-11-25")),
        ("resources/subscribe", json!({ "uri": "kasm://sessions" })),
        ("tools/call", create),
    ];
    for (method, params) in requests {
        let request = rpc(method, params);
        input
            .write_all(format!("{request}\n").as_bytes())
            .await
            .unwrap();
        let answer = loop {
            let message = next_line(&mut lines).await;
            match message["method"].as_str() {
                Some(method) => said.push(method.to_owned()),
                None => break message,
            }
        };
        assert!(answer["error"].is_null(), "{answer}");
        if method == "initialize" {
            let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            input
                .write_all(format!("{ready}\n").as_bytes())
                .await
                .unwrap();
        }
    }
    while said.len() < 2 {
        let message = next_line(&mut lines).await;
        said.push(message["method"].as_str().unwrap().to_owned());
    }
    assert_eq!(said, [LIST, UPDATED]);
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line());
    let line = line.await.unwrap().unwrap().unwrap();
    serde_json::from_str(&line).unwrap()
}
