//! The other names that things have: jobs, tasks, files, links, sessions of MCP, resources.

use serde_json::{Value, json};

use super::{DOORS, Door, FIRST, Place, SECOND, format_answer, open_sse};
use crate::callers::{entry, token};
use crate::support::kasm::NO_SUCH_ID;
use crate::support::{TestServer, handshake, rpc};

/// A task of the first caller: its id, and those of its session and job.
async fn task(place: &Place, kasm_id: &str) -> (String, String) {
    let run = json!({ "kasm_id": kasm_id, "command": "sleep 60", "wait_seconds": 0 });
    let begun = Door::Modern
        .call(&place.server, FIRST, "execute_kasm_command", &run)
        .await;
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let id = begun["result"]["taskId"]
        .as_str()
        .unwrap_or_else(|| panic!("{begun}"));
    let run = Door::Bare
        .call(&place.server, FIRST, "execute_kasm_command", &run)
        .await;
    let run: Value = serde_json::from_str(&run).unwrap();
    let job = run["result"]["structuredContent"]["data"]["job_id"].as_str();
    (
        id.to_owned(),
        job.unwrap_or_else(|| panic!("{run}")).to_owned(),
    )
}

async fn ask_task(server: &TestServer, method: &str, id: &str) -> String {
    let params = json!({ "taskId": id });
    Door::Modern.ask(server, SECOND, method, params, id).await
}

#[tokio::test]
async fn foreign_job_and_task_are_not_found() {
    let place = Place::start().await;
    let foreign = place.session(FIRST).await;
    let own = place.session(SECOND).await;
    let (task, job) = task(&place, &foreign).await;
    let no_job: String = job.chars().rev().collect();
    let restarted = place.restarted().await;
    for server in [&place.server, &restarted] {
        for door in DOORS {
            for tool in ["get_command_output", "stop_command"] {
                let mut answers = Vec::new();
                for (kasm_id, job_id) in [(&own, &job), (&own, &no_job)] {
                    let arguments = json!({ "kasm_id": kasm_id, "job_id": job_id });
                    let answer = door.call(server, SECOND, tool, &arguments).await;
                    assert!(answer.contains("not_found"), "{tool}: {answer}");
                    answers.push(answer.replace(job_id.as_str(), "JOB"));
                }
                assert_eq!(answers[0], answers[1], "{door:?} {tool}");
            }
        }
        for method in ["tasks/get", "tasks/cancel"] {
            let theirs = ask_task(server, method, &task).await;
            let none = ask_task(server, method, "made-up").await;
            assert!(theirs.contains("unknown task"), "{theirs}");
            assert_eq!(
                theirs.replace(&task, "TASK"),
                none.replace("made-up", "TASK"),
                "{method}"
            );
        }
    }
    let mine = json!({ "taskId": task });
    let mine = Door::Modern
        .ask(&restarted, FIRST, "tasks/get", mine, &task)
        .await;
    assert!(mine.contains("\"working\""), "nobody stopped it: {mine}");
}

#[tokio::test]
async fn foreign_files_and_links_are_not_found() {
    let place = Place::start().await;
    let foreign = place.session(FIRST).await;
    let server = &place.server;
    let path = "/home/kasm-user/secret";
    let write = json!({ "kasm_id": foreign, "file_path": path, "content": "secret" });
    let written = Door::Bare
        .call(server, FIRST, "write_kasm_file", &write)
        .await;
    assert!(written.contains("\"success\":true"), "{written}");
    for put in [false, true] {
        let mut answers = Vec::new();
        for kasm_id in [foreign.as_str(), NO_SUCH_ID] {
            let url = format!("{}/files/{kasm_id}{path}", server.base);
            let request = if put {
                server.http.put(url).body("x")
            } else {
                server.http.get(url)
            };
            let answer = request.bearer_auth(token(SECOND)).send().await.unwrap();
            assert_eq!(answer.status(), 404);
            answers.push(format_answer(answer).await.replace(kasm_id, "ID"));
        }
        assert_eq!(answers[0], answers[1], "put: {put}");
    }
    // A link is a credential of its own, for one file: it opens nothing else, and a wrong try ends it.
    let link = json!({ "kasm_id": foreign, "file_path": path, "direction": "download" });
    let link = Door::Bare
        .call(server, FIRST, "link_kasm_file", &link)
        .await;
    let link: Value = serde_json::from_str(&link).unwrap();
    let url = link["result"]["structuredContent"]["data"]["url"]
        .as_str()
        .unwrap();
    let secret = url.split_once("?link=").unwrap().1;
    let own = place.session(SECOND).await;
    let mut answers = Vec::new();
    for link in [secret, "made-up"] {
        let url = format!("{}/files/{own}{path}?link={link}", server.base);
        let answer = server
            .http
            .get(url)
            .bearer_auth(token(SECOND))
            .send()
            .await
            .unwrap();
        answers.push(format_answer(answer).await);
    }
    assert_eq!(answers[0], answers[1]);
    let spent = server
        .http
        .get(url.replace("http://127.0.0.1:1", &server.base));
    assert_eq!(spent.send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn foreign_mcp_session_is_not_found() {
    let place = Place::start().await;
    let server = &place.server;
    let hello = server.http.post(server.mcp()).bearer_auth(token(FIRST));
    let hello = hello
        .json(&rpc("initialize", handshake("2025-11-25")))
        .send()
        .await
        .unwrap();
    let id = hello.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let (mut events, endpoint) = open_sse(server, FIRST).await;
    let other_endpoint = format!("{}/messages?session_id={NO_SUCH_ID}", server.base);
    let list = rpc("tools/list", json!({}));
    let ask = async |name: &str, method: http::Method, url: &str, id: Option<&str>| {
        let mut request = server
            .http
            .request(method.clone(), url)
            .bearer_auth(token(name));
        request = request.header("accept", "application/json, text/event-stream");
        if method == http::Method::POST {
            request = request.json(&list);
        }
        if let Some(id) = id {
            request = request.header("mcp-session-id", id);
        }
        format_answer(request.send().await.unwrap()).await
    };
    let mcp = server.mcp();
    for method in [http::Method::POST, http::Method::GET, http::Method::DELETE] {
        let theirs = ask(SECOND, method.clone(), &mcp, Some(&id)).await;
        assert_eq!(theirs, ask(SECOND, method, &mcp, Some(NO_SUCH_ID)).await);
        assert!(theirs.starts_with("404"), "{theirs}");
    }
    let theirs = ask(SECOND, http::Method::POST, &endpoint, None).await;
    assert_eq!(
        theirs,
        ask(SECOND, http::Method::POST, &other_endpoint, None).await
    );
    assert!(theirs.starts_with("404"), "{theirs}");

    // Nothing of it was heard by the first, whose sessions are still there.
    assert!(
        ask(FIRST, http::Method::POST, &endpoint, None)
            .await
            .starts_with("202")
    );
    assert!(events.next().await.unwrap().data.contains("\"tools\""));
    assert!(
        ask(FIRST, http::Method::POST, &mcp, Some(&id))
            .await
            .contains("\"tools\"")
    );

    // A token of the same name for another Kasm user is somebody else.
    let other = server.emulator.other_user_id();
    place.file.write_text(&entry(
        FIRST,
        &format!("scope = \"kasm:admin\"\nkasm_user = \"{other}\""),
    ));
    crate::callers::becomes(server, &token(SECOND), 401).await;
    assert!(
        ask(FIRST, http::Method::POST, &mcp, Some(&id))
            .await
            .starts_with("404")
    );
}

#[tokio::test]
async fn foreign_resources_are_not_found() {
    let place = Place::start().await;
    let foreign = place.session(FIRST).await;
    // Plain HTTP has no resources.
    for door in DOORS.into_iter().filter(|door| !matches!(door, Door::Rest)) {
        for end in ["", "/screenshot"] {
            let mut answers = Vec::new();
            for kasm_id in [foreign.as_str(), NO_SUCH_ID] {
                let uri = format!("kasm://sessions/{kasm_id}{end}");
                let params = json!({ "uri": uri });
                let answer = door
                    .ask(&place.server, SECOND, "resources/read", params, &uri)
                    .await;
                assert!(answer.contains("\"error\""), "{answer}");
                answers.push(answer.replace(kasm_id, "ID"));
            }
            assert_eq!(answers[0], answers[1], "{door:?} {end}");
        }
    }
}
