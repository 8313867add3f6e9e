//! `tools` of a token: a list of names that only takes away, on every surface.

use kasm_mcp::config::Config;
use serde_json::{Value, json};

use super::{TokenFile, run, token};
use crate::support::{TestServer, rpc};

const USE: &str = "scope = \"kasm:use\"";

/// What a token with these fields and a client with these headers are offered.
async fn offered(server: &TestServer, name: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let url = format!("{}/tools/list", server.base);
    let mut request = server.http.get(url).bearer_auth(token(name));
    for (header, value) in headers {
        request = request.header(*header, *value);
    }
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let tools = list["tools"].as_array().unwrap().iter();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.map(name).collect()
}

async fn ask(server: &TestServer, name: &str, method: &str, params: Value) -> Value {
    let request = server.http.post(server.mcp()).bearer_auth(token(name));
    let answer = request.json(&rpc(method, params)).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn token_is_offered_only_tools_on_its_list() {
    let file = TokenFile::new(&[
        ("all", USE),
        ("some", &format!("{USE}\ntools = [\"get_*\", \"list_*\"]")),
        ("one", &format!("{USE}\ntools = [\"stop_command\"]")),
        ("gone", &format!("{USE}\ntools = [\"tool_of_tomorrow\"]")),
        (
            "files",
            &format!("{USE}\ntoolsets = [\"files\"]\ntools = [\"*_command\", \"read_*\"]"),
        ),
    ]);
    let server = TestServer::with(&[("MCP_TOKENS_FILE", file.path())]).await;
    let all = offered(&server, "all", &[]).await;
    let matching = |names: &[&str]| {
        let fits = |tool: &&String| names.iter().any(|name| tool.starts_with(name));
        all.iter().filter(fits).cloned().collect::<Vec<_>>()
    };
    let some = matching(&["get_", "list_"]);
    assert!((5..all.len()).contains(&some.len()), "{some:?}");
    assert_eq!(offered(&server, "some", &[]).await, some);
    assert_eq!(offered(&server, "one", &[]).await, ["stop_command"]);
    assert_eq!(offered(&server, "files", &[]).await, ["read_kasm_file"]);
    assert_eq!(offered(&server, "gone", &[]).await, [] as [&str; 0]);

    // Headers and paths narrow further, and bring nothing back.
    let exec = [("x-mcp-toolsets", "exec")];
    assert_eq!(
        offered(&server, "some", &exec).await,
        ["get_command_output"]
    );
    let wide = [(
        "x-mcp-toolsets",
        "exec,files,sessions,workspaces,desktop,monitoring",
    )];
    assert_eq!(offered(&server, "some", &wide).await, some);
    let looks = [("x-mcp-readonly", "true")];
    assert_eq!(offered(&server, "some", &looks).await, some);
    assert_eq!(offered(&server, "one", &looks).await, [] as [&str; 0]);
}

#[tokio::test]
async fn tool_off_the_list_is_unknown_everywhere() {
    let file = TokenFile::new(&[
        ("gets", &format!("{USE}\ntools = [\"get_*\"]")),
        ("reads", &format!("{USE}\ntools = [\"read_kasm_file\"]")),
        ("links", &format!("{USE}\ntools = [\"link_*\"]")),
    ]);
    let server = TestServer::with(&[("MCP_TOKENS_FILE", file.path())]).await;
    let kasm_id = server.session().await;
    for (tool, more) in [
        ("create_kasm_session", json!({ "image_name": "Terminal" })),
        (
            "read_kasm_file",
            json!({ "kasm_id": kasm_id, "file_path": "/home/kasm-user/x" }),
        ),
    ] {
        let call = json!({ "name": tool, "arguments": more });
        let answer = ask(&server, "gets", "tools/call", call).await;
        assert_eq!(
            answer["error"]["data"]["code"], "tool_unknown",
            "{tool}: {answer}"
        );
    }
    // Resources, their templates and prompts follow their tools.
    let list = ask(&server, "gets", "resources/list", json!({})).await;
    let uris = list["result"]["resources"].as_array().unwrap().iter();
    let uris: Vec<_> = uris
        .map(|resource| resource["uri"].as_str().unwrap())
        .collect();
    assert_eq!(uris, ["kasm://workspaces"], "{list}");
    let read = json!({ "uri": "kasm://sessions" });
    let answer = ask(&server, "gets", "resources/read", read).await;
    assert_eq!(answer["error"]["code"], -32002, "{answer}");
    let prompts = ask(&server, "gets", "prompts/list", json!({})).await;
    assert_eq!(prompts["result"]["prompts"], json!([]), "{prompts}");
    // And so do transfers.
    let url = format!("{}/files/{kasm_id}/home/kasm-user/x", server.base);
    // What is allowed may still fail, where sessions have no files.
    for (name, gets, puts) in [
        ("gets", false, false),
        ("reads", true, false),
        ("links", true, true),
    ] {
        let get = server.http.get(&url);
        let put = server.http.put(&url).body("x");
        for (request, allowed) in [(get, gets), (put, puts)] {
            let answer = request.bearer_auth(token(name)).send().await.unwrap();
            let refused = answer.status() == 403;
            assert_eq!(refused, !allowed, "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn malformed_names_scopes_and_tenants_name_their_entry() {
    let emulator = kasm_emulator::Emulator::builder().start().await.unwrap();
    let many = format!("tools = [{}]", vec!["\"a\""; 65].join(","));
    let cases: [(&str, &str); 11] = [
        ("tools = []", "`tools`: give 1 to 64"),
        ("tools = \"get_*\"", "`tools`: give 1 to 64"),
        ("tools = [\"a\", 3]", "`tools`: give 1 to 64"),
        (&many, "`tools`: give 1 to 64"),
        ("tools = [\"get x\"]", "`tools`: `get x` is not"),
        ("tools = [\"get_?\"]", "`tools`: `get_?` is not"),
        ("tenant = \"a b\"", "`tenant`: give a name"),
        ("tenant = \"\"", "`tenant`: give a name"),
        (
            "scope = \"abcdef:use\"",
            "`scope`: unknown realm `abcdef`; the realms are kasm",
        ),
        (
            "scope = \"kasm:use root\"",
            "`scope`: use kasm:read, kasm:use or kasm:admin",
        ),
        (
            "scopes = [\"kasm:use\", 3]",
            "`scopes`: use kasm:read, kasm:use or kasm:admin",
        ),
    ];
    for (fields, words) in cases {
        let scope = if fields.starts_with("scope") { "" } else { USE };
        let file = TokenFile::new(&[("a", &format!("{scope}\n{fields}"))]);
        let settings = [("MCP_TOKENS_FILE", file.path())];
        let found = Config::load_settings(&crate::support::sources(&emulator, &settings));
        let found = found.unwrap_err().to_string();
        let words = format!("token 1 (`a`), {words}");
        assert!(found.contains(&words), "{words} is missing in {found}");
    }
}

#[tokio::test]
async fn token_command_writes_names_and_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let settings = [("MCP_TOKENS_FILE", file.to_str().unwrap())];
    let new = [
        "token",
        "new",
        "--name",
        "a",
        "--scope",
        "kasm:read,kasm:use",
    ];
    let more = ["--tools", "list_*,get_*", "--tenant", "team"];
    let (code, _, error) = run(&[&new[..], &more[..]].concat(), &settings).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(&file).unwrap();
    for line in [
        "scope = \"kasm:use\"",
        "tenant = \"team\"",
        "tools = [\"get_*\", \"list_*\"]",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in {text}"
        );
    }
    let (_, listed, _) = run(&["token", "list"], &settings).await;
    assert!(
        listed.contains("a  kasm:use  tenant=team  tools=get_*,list_*"),
        "{listed}"
    );
    for (option, value) in [
        ("--tools", "get x"),
        ("--tools", ""),
        ("--tenant", "a b"),
        ("--scope", "abcdef:use"),
        ("--scope", ""),
    ] {
        let wrong = ["token", "new", "--name", "b", option, value];
        let (code, _, error) = run(&wrong, &settings).await;
        assert_ne!(code, Some(0), "{option} {value:?}");
        assert!(error.contains(option), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    // Names that no tool has are no mistake, because tools come and go, but probably not meant.
    let typo = ["token", "new", "--name", "b", "--tools", "get_*,lst_*"];
    let (code, _, error) = run(&typo, &settings).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.contains("`lst_*`") && !error.contains("`get_*`"),
        "{error}"
    );
}
