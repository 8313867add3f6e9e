//! The file of tokens: what it may say, and what happens when it changes under a running server.

use kasm_mcp::config::Config;
use serde_json::{Value, json};

use super::{TokenFile, becomes, entry, status, token};
use crate::support::sse_client::Events;
use crate::support::{TOKEN, TestServer, handshake, rpc};

const USE: &str = "scope = \"kasm:use\"";

fn list() -> Value {
    rpc("tools/list", json!({}))
}

#[tokio::test]
async fn token_file_mistake_names_its_entry_and_field() {
    let emulator = kasm_emulator::Emulator::builder().start().await.unwrap();
    let good = entry("good", USE);
    let twin = entry("good", "scope = \"kasm:read\"").replace("name = \"good\"", "name = \"twin\"");
    let cases: [(String, &[&str]); 16] = [
        (entry("a", ""), &["token 1 (`a`), `scope`"]),
        (entry("a", "scope = \"root\""), &["`scope`: use kasm:read"]),
        (entry("a", "scopes = []"), &["`scopes`"]),
        (
            entry("a", "scopes = [\"kasm:read\"]\nscope = \"kasm:use\""),
            &["`scopes`: set together"],
        ),
        (entry("a b", USE), &["token 1, `name`"]),
        (format!("[[token]]\n{USE}"), &["`name`", "`sha256`"]),
        (
            format!("[[token]]\nname = \"a\"\nsha256 = \"abcd\"\n{USE}"),
            &["`sha256`: give"],
        ),
        (
            entry("a", &format!("{USE}\nkasm_user = \"bob\"")),
            &["`kasm_user`: give a Kasm user's id"],
        ),
        (
            entry("a", &format!("{USE}\ntoolsets = [\"nonsense\"]")),
            &["unknown toolset `nonsense`; the toolsets are sessions, exec"],
        ),
        (
            entry("a", &format!("{USE}\ntoolsets = []")),
            &["`toolsets`"],
        ),
        (
            entry("a", &format!("{USE}\nread_only = \"no\"")),
            &["`read_only`"],
        ),
        (
            entry("a", &format!("{USE}\nexpires = \"tomorrow\"")),
            &["`expires`"],
        ),
        (
            entry("a", &format!("{USE}\nrate = 0\ncolour = \"red\"")),
            &["`rate`", "`colour`: unknown field"],
        ),
        (
            format!("{good}{good}"),
            &[
                "token 2 (`good`), `name`: another",
                "a duplicate of token `good`",
            ],
        ),
        (
            format!("{good}{twin}"),
            &["token 2 (`twin`), `sha256`: it is a duplicate of token `good`"],
        ),
        ("tokens = 3\n[[token".to_owned(), &["line 2"]),
    ];
    for (text, wanted) in cases {
        let file = TokenFile::new(&[]);
        file.write_text(&text);
        let settings = [("MCP_TOKENS_FILE", file.path())];
        let found =
            Config::load_settings(&crate::support::sources(&emulator, &settings)).unwrap_err();
        let said = found.to_string();
        for words in wanted {
            assert!(said.contains(words), "{words} is missing in {said}");
        }
        assert!(
            said.contains("MCP_TOKENS_FILE") && said.contains("->"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn token_file_missing_stops_the_start() {
    let emulator = kasm_emulator::Emulator::builder().start().await.unwrap();
    let missing = [("MCP_TOKENS_FILE", "/there/is/none")];
    let found = Config::load_settings(&crate::support::sources(&emulator, &missing)).unwrap_err();
    assert!(found.to_string().contains("cannot be read"), "{found}");
}

#[tokio::test]
async fn token_allows_what_its_entry_says() {
    let file = TokenFile::new(&[
        (
            "all",
            "scopes = [\"kasm:read\", \"kasm:admin\"]\nexpires = 2999-01-01T00:00:00Z",
        ),
        ("files", &format!("{USE}\ntoolsets = [\"files\"]\nrate = 5")),
        ("looks", &format!("{USE}\nread_only = true")),
        ("reads", "scope = \"kasm:read\""),
        (
            "past",
            &format!("{USE}\nexpires = \"2020-01-01T00:00:00+01:00\""),
        ),
    ]);
    let server = file.serve().await;
    assert_eq!(
        status(&server, TOKEN, &list()).await,
        200,
        "the one token stays"
    );
    for name in ["past", "nobody"] {
        assert_eq!(status(&server, &token(name), &list()).await, 401, "{name}");
    }
    let all = tools(&server, "all").await;
    assert_eq!(all, tools_of(&server, TOKEN).await);
    let files = tools(&server, "files").await;
    assert!(files.contains(&"read_kasm_file".to_owned()));
    assert!(files.iter().all(|name| name.contains("file")), "{files:?}");
    let looks = tools(&server, "looks").await;
    assert!(looks.contains(&"read_kasm_file".to_owned()));
    assert!(!looks.contains(&"write_kasm_file".to_owned()));
    let reads = tools(&server, "reads").await;
    assert!(!reads.contains(&"execute_kasm_command".to_owned()));

    // What is not offered was never there; what only lacks the scope says so.
    let call = |tool: &str| {
        rpc(
            "tools/call",
            json!({ "name": tool, "arguments": { "kasm_id": "x" } }),
        )
    };
    for (name, tool) in [
        ("files", "get_session_status"),
        ("looks", "write_kasm_file"),
    ] {
        let answer = post(&server, name, &call(tool)).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let answer = post(&server, "reads", &call("destroy_kasm_session")).await;
    let reply = &answer["result"]["structuredContent"];
    assert_eq!(reply["error_type"], "permission", "{answer}");
}

#[tokio::test]
async fn file_endpoint_obeys_the_tokens_toolsets() {
    let file = TokenFile::new(&[
        ("looks", &format!("{USE}\nread_only = true")),
        ("exec", &format!("{USE}\ntoolsets = [\"exec\"]")),
    ]);
    let server = file.serve().await;
    let kasm_id = server.session().await;
    let url = format!("{}/files/{kasm_id}/home/kasm-user/x", server.base);
    for (name, put) in [("looks", true), ("exec", true), ("exec", false)] {
        let request = if put {
            server.http.put(&url).body("x")
        } else {
            server.http.get(&url)
        };
        let answer = request.bearer_auth(token(name)).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name} {put}");
    }
    let answer = server
        .http
        .get(&url)
        .bearer_auth(token("looks"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404, "it may look, and there is nothing");
}

#[tokio::test]
async fn revoked_token_ends_its_streams_and_calls() {
    let file = TokenFile::new(&[("stays", USE), ("goes", USE)]);
    let server = file.serve().await;
    let kasm_id = server.session().await;
    let mut ends = Vec::new();
    let mut stays = Vec::new();
    for (name, streams) in [("goes", &mut ends), ("stays", &mut stays)] {
        streams.push(sse(&server, name, "/sse").await);
        streams.push(session_stream(&server, name).await);
    }
    let command = json!({ "kasm_id": kasm_id, "command": "sleep 60", "wait_seconds": 60 });
    let call = rpc(
        "tools/call",
        json!({ "name": "execute_kasm_command", "arguments": command }),
    );
    let request = server
        .http
        .post(server.mcp())
        .bearer_auth(token("goes"))
        .json(&call);
    let running = tokio::spawn(request.send());
    crate::support::kasm::until("the command runs", || {
        !server.bodies("exec_command_kasm").is_empty()
    })
    .await;

    file.write(&[("stays", USE)]);
    for stream in &mut ends {
        while stream.next().await.is_some() {}
    }
    assert_eq!(running.await.unwrap().unwrap().status(), 401);
    assert_eq!(status(&server, &token("goes"), &list()).await, 401);
    assert_eq!(status(&server, &token("stays"), &list()).await, 200);

    // A change is the end of the former token as well, even if it comes back.
    file.write(&[("stays", USE), ("goes", USE)]);
    becomes(&server, &token("goes"), 200).await;
    for stream in &mut stays {
        let quiet = std::time::Duration::from_millis(100);
        assert!(
            tokio::time::timeout(quiet, stream.next()).await.is_err(),
            "it stays open"
        );
    }
    file.write(&[("stays", "scope = \"kasm:read\""), ("goes", USE)]);
    for stream in &mut stays {
        while stream.next().await.is_some() {}
    }
    assert_eq!(status(&server, &token("stays"), &list()).await, 200);
}

#[tokio::test]
async fn expired_token_ends_its_streams() {
    let soon = jiff::Timestamp::now() + std::time::Duration::from_secs(5);
    let file = TokenFile::new(&[("goes", &format!("{USE}\nexpires = \"{soon}\""))]);
    let server = file.serve().await;
    let mut stream = sse(&server, "goes", "/sse").await;
    while stream.next().await.is_some() {}
    assert!(jiff::Timestamp::now() >= soon);
    assert_eq!(status(&server, &token("goes"), &list()).await, 401);
}

#[tokio::test]
async fn token_file_with_mistake_keeps_the_old_tokens() {
    let file = TokenFile::new(&[("one", USE)]);
    let server = file.serve().await;
    let mut stream = sse(&server, "one", "/sse").await;
    file.write_text("[[token]]\nname = 3\n");
    assert_eq!(status(&server, &token("one"), &list()).await, 200);
    file.write(&[("one", USE), ("two", USE)]);
    becomes(&server, &token("two"), 200).await;
    let quiet = std::time::Duration::from_millis(100);
    assert!(
        tokio::time::timeout(quiet, stream.next()).await.is_err(),
        "it stays open"
    );
    std::fs::remove_file(&file.path).unwrap();
    assert_eq!(status(&server, &token("one"), &list()).await, 200);
}

#[tokio::test]
async fn file_link_ends_with_the_token_that_made_it() {
    let settings = [("MCP_PUBLIC_URL", "http://127.0.0.1:1")];
    let file = TokenFile::new(&[("goes", USE)]);
    let server = TestServer::with(&[settings[0], ("MCP_TOKENS_FILE", file.path())]).await;
    let kasm_id = server.session().await;
    let path = "/home/kasm-user/x";
    let write = json!({ "kasm_id": kasm_id, "file_path": path, "content": "x" });
    server.ok("write_kasm_file", write).await;
    let mut links = Vec::new();
    for _ in 0..2 {
        let make = json!({ "kasm_id": kasm_id, "file_path": path, "direction": "download" });
        let call = rpc(
            "tools/call",
            json!({ "name": "link_kasm_file", "arguments": make }),
        );
        let answer = post(&server, "goes", &call).await;
        let url = answer["result"]["structuredContent"]["data"]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        links.push(url.replace("http://127.0.0.1:1", &server.base));
    }
    assert_eq!(
        server.http.get(&links[0]).send().await.unwrap().status(),
        200
    );
    file.write(&[]);
    becomes(&server, &token("goes"), 401).await;
    assert_eq!(
        server.http.get(&links[1]).send().await.unwrap().status(),
        404
    );
}

async fn post(server: &TestServer, name: &str, body: &Value) -> Value {
    let request = server
        .http
        .post(server.mcp())
        .bearer_auth(token(name))
        .json(body);
    request.send().await.unwrap().json().await.unwrap()
}

async fn tools(server: &TestServer, name: &str) -> Vec<String> {
    tools_of(server, &token(name)).await
}

async fn tools_of(server: &TestServer, token: &str) -> Vec<String> {
    let request = server
        .http
        .post(server.mcp())
        .bearer_auth(token)
        .json(&list());
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let tools = list["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn sse(server: &TestServer, name: &str, path: &str) -> Events {
    let url = format!("{}{path}", server.base);
    let opened = server.http.get(url).bearer_auth(token(name));
    let opened = opened
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    let mut events = Events::of(opened);
    assert_eq!(events.next().await.unwrap().name, "endpoint");
    events
}

/// The GET stream of a session of Streamable HTTP.
async fn session_stream(server: &TestServer, name: &str) -> Events {
    let hello = rpc("initialize", handshake("2025-11-25"));
    let hello = server
        .http
        .post(server.mcp())
        .bearer_auth(token(name))
        .json(&hello);
    let answer = hello.send().await.unwrap();
    let id = answer.headers()["mcp-session-id"].clone();
    let opened = server.http.get(server.mcp()).bearer_auth(token(name));
    let opened = opened
        .header("accept", "text/event-stream")
        .header("mcp-session-id", id);
    Events::of(opened.send().await.unwrap())
}
