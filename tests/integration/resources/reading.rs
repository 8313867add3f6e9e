//! Lists of resources, and what they hold.

use data_encoding::BASE64;
use kasm_emulator::Fault;
use serde_json::{Value, json};

use super::{Asker, WAYS, texts};
use crate::support::kasm::NO_SUCH_ID;
use crate::support::{TOKEN, TestServer, rpc};

#[tokio::test]
async fn resources_list_has_own_sessions_in_fixed_order() {
    let server = TestServer::start().await;
    server.foreign_session().await;
    let mut own = [server.session().await, server.session().await];
    own.sort();
    let id = json!({ "kasm_id": own[1] });
    server.ok("pause_kasm_session", id).await;
    let expected = [
        "kasm://sessions".to_owned(),
        "kasm://workspaces".to_owned(),
        format!("kasm://sessions/{}", own[0]),
        format!("kasm://sessions/{}/screenshot", own[0]),
        format!("kasm://sessions/{}", own[1]),
    ];
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let list = asker.result("resources/list", json!({})).await;
        assert_eq!(texts(&list["resources"], "uri"), expected, "{way}");
        assert_eq!(list["nextCursor"], Value::Null, "{way}");
        let session = &list["resources"][2];
        assert_eq!(session["mimeType"], "application/json", "{way}");
        assert!(
            session["title"].as_str().unwrap().contains("Session: "),
            "{session}"
        );
        let templates = asker.result("resources/templates/list", json!({})).await;
        assert_eq!(
            texts(&templates["resourceTemplates"], "uriTemplate"),
            [
                "kasm://sessions/{kasm_id}",
                "kasm://sessions/{kasm_id}/screenshot"
            ],
            "{way}"
        );
        if asker.is_modern() {
            for list in [&list, &templates] {
                assert_eq!(list["cacheScope"], "private");
                assert!(list["ttlMs"].as_u64().unwrap() > 0);
            }
        }
        for method in ["resources/list", "resources/templates/list", "prompts/list"] {
            let (code, message) = asker.error(method, json!({ "cursor": "x" })).await;
            assert_eq!(code, -32602, "{way}: {message}");
        }
    }
}

#[tokio::test]
async fn resources_read_matches_its_tool() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    let id = json!({ "kasm_id": kasm_id });
    let cases = [
        (
            "kasm://sessions".to_owned(),
            "list_user_sessions",
            json!({}),
        ),
        (
            "kasm://workspaces".to_owned(),
            "get_available_workspaces",
            json!({}),
        ),
        (
            format!("kasm://sessions/{kasm_id}"),
            "get_session_status",
            id,
        ),
    ];
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        for (uri, tool, arguments) in &cases {
            let read = asker.result("resources/read", json!({ "uri": uri })).await;
            let [contents] = &read["contents"].as_array().unwrap()[..] else {
                panic!("{read}")
            };
            assert_eq!(contents["uri"], *uri);
            assert_eq!(contents["mimeType"], "application/json");
            let mut found: Value =
                serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
            let mut data = server.ok(tool, arguments.clone()).await;
            without_clock(&mut found);
            without_clock(&mut data);
            assert_eq!(found, data, "{way} {uri}");
            if asker.is_modern() {
                assert_eq!(read["cacheScope"], "private");
                assert!(read["ttlMs"].as_u64().unwrap() > 0);
            }
        }
        let uri = format!("kasm://sessions/{kasm_id}/screenshot");
        let read = asker.result("resources/read", json!({ "uri": uri })).await;
        let contents = &read["contents"][0];
        let bytes = BASE64
            .decode(contents["blob"].as_str().unwrap().as_bytes())
            .unwrap();
        let head = match contents["mimeType"].as_str().unwrap() {
            "image/png" => &b"\x89PNG"[..],
            "image/jpeg" => &b"\xff\xd8\xff"[..],
            other => panic!("{other}"),
        };
        assert!(bytes.starts_with(head), "{way}");
        assert_eq!(contents["text"], Value::Null);
    }
}

/// Seconds pass between two looks.
fn without_clock(data: &mut Value) {
    match data {
        Value::Object(members) => {
            members.remove("expires_in_seconds");
            members.values_mut().for_each(without_clock);
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_clock),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn resources_read_of_foreign_or_unknown_uri_is_not_found() {
    let server = TestServer::start().await;
    let foreign = server.foreign_session().await;
    let own = server.session().await;
    let unknown = [
        format!("kasm://sessions/{foreign}"),
        format!("kasm://sessions/{NO_SUCH_ID}"),
        format!("kasm://sessions/{foreign}/screenshot"),
        format!("kasm://sessions/{NO_SUCH_ID}/screenshot"),
        "kasm://sessions/not-an-id".to_owned(),
        format!("kasm://sessions/{own}/"),
        format!("kasm://sessions/{own}/secret"),
        "kasm://sessions/".to_owned(),
        "kasm://users".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ];
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let expected = if asker.is_modern() { -32602 } else { -32002 };
        for uri in &unknown {
            let (code, message) = asker.error("resources/read", json!({ "uri": uri })).await;
            assert_eq!(code, expected, "{way} {uri}: {message}");
            // The same words for all of them.
            let words = format!("unknown resource `{uri}`: resources/list lists the resources");
            assert_eq!(message, words, "{way}");
        }
    }
}

#[tokio::test]
async fn resources_outside_the_tool_filter_are_not_listed() {
    let server = TestServer::start().await;
    let own = format!("kasm://sessions/{}", server.session().await);
    let ask = async |path: &str, method: &str, params: Value| -> Value {
        let request = server.http.post(format!("{}{path}", server.base));
        let request = request.bearer_auth(TOKEN).json(&rpc(method, params));
        request.send().await.unwrap().json().await.unwrap()
    };
    let path = "/mcp/x/workspaces";
    let list = ask(path, "resources/list", json!({})).await;
    assert_eq!(
        texts(&list["result"]["resources"], "uri"),
        ["kasm://workspaces"]
    );
    let templates = ask(path, "resources/templates/list", json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"], json!([]));
    for uri in ["kasm://sessions", &own] {
        let read = ask(path, "resources/read", json!({ "uri": uri })).await;
        assert_eq!(read["error"]["code"], -32002, "{read}");
    }
    let read = ask(
        path,
        "resources/read",
        json!({ "uri": "kasm://workspaces" }),
    )
    .await;
    assert!(read["result"]["contents"][0]["text"].is_string(), "{read}");
    let complete = json!({
        "ref": { "type": "ref/resource", "uri": "kasm://sessions/{kasm_id}" },
        "argument": { "name": "kasm_id", "value": "" },
    });
    let completed = ask(path, "completion/complete", complete).await;
    assert_eq!(completed["error"]["code"], -32602, "{completed}");
    let prompts = ask(path, "prompts/list", json!({})).await;
    assert_eq!(prompts["result"]["prompts"], json!([]));
    let prompts = ask("/mcp/readonly", "prompts/list", json!({})).await;
    assert_eq!(
        texts(&prompts["result"]["prompts"], "name"),
        ["find_out_why"]
    );
}

#[tokio::test]
async fn resources_read_failure_has_error_type_and_hint() {
    let server = TestServer::start().await;
    let kasm_id = server.session().await;
    let id = json!({ "kasm_id": kasm_id });
    server.ok("pause_kasm_session", id).await;
    let screen = json!({ "uri": format!("kasm://sessions/{kasm_id}/screenshot") });
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let answer = asker.ask("resources/read", screen.clone()).await;
        let error = &answer["error"];
        assert_eq!(error["code"], -32600, "{way}: {answer}");
        assert_eq!(error["data"]["error_type"], "conflict");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("paused") && message.contains("resume_kasm_session"),
            "{message}"
        );

        let broken = || {
            server
                .emulator
                .fail_next("get_user_kasms", Fault::Status(500), 20)
        };
        for (method, params) in [
            ("resources/list", json!({})),
            ("resources/read", json!({ "uri": "kasm://sessions" })),
        ] {
            broken();
            server
                .emulator
                .fail_next("get_kasms", Fault::Status(500), 20);
            let (code, message) = asker.error(method, params).await;
            assert_eq!(code, -32603, "{way} {method}: {message}");
            server.emulator.clear_faults();
        }
    }
}

#[tokio::test]
async fn resources_list_is_paged() {
    let server = TestServer::start().await;
    let (user, image) = (server.emulator.user_id(), server.emulator.image_id());
    for _ in 0..105 {
        let body = json!({ "user_id": user, "image_id": image });
        server.kasm("request_kasm", body).await;
    }
    let mut ids: Vec<_> = server
        .emulator
        .sessions()
        .into_iter()
        .map(|one| one.kasm_id)
        .collect();
    ids.sort();
    for id in &ids {
        server.becomes(id, Some("running")).await;
    }
    for way in WAYS {
        let mut asker = Asker::connect(&server, way).await;
        let mut uris = Vec::new();
        let mut params = json!({});
        let mut sizes = Vec::new();
        loop {
            let page = asker.result("resources/list", params).await;
            let own = texts(&page["resources"], "uri");
            sizes.push(own.len());
            uris.extend(own);
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        assert_eq!(sizes, [100, 100, 12], "{way}");
        assert!(uris[2].contains(&ids[0]) && uris[211].contains(&ids[104]));
        let mut once = uris.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), uris.len(), "{way}: nothing twice");

        let completed = asker
            .result(
                "completion/complete",
                json!({
                    "ref": { "type": "ref/resource", "uri": "kasm://sessions/{kasm_id}" },
                    "argument": { "name": "kasm_id", "value": "" },
                }),
            )
            .await;
        let completion = &completed["completion"];
        assert_eq!(completion["values"].as_array().unwrap().len(), 100, "{way}");
        assert_eq!(completion["total"], 105);
        assert_eq!(completion["hasMore"], true);
    }
}
