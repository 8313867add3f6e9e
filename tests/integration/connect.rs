//! `kasm-mcp connect`: what it prints can be pasted, whatever the address and the token are made of.

mod links;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use kasm_mcp::clients::{CLIENTS, ClientEntry, ServerAddress, TemplateFormat, TestedWith};
use serde_json::Value;

use crate::support::{TOKEN, TestServer};

const BINARY: &str = env!("CARGO_BIN_EXE_kasm-mcp");
/// What a quote, a shell, a program and a template could stumble over.
const NASTY_TOKEN: &str = r#"q'"\$HOME`id`$(id)${X}{{url}}#;&%\n"#;
const NASTY_URL: &str = "https://mcp.example.org/a'b$HOME;`id`";

fn connect(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("connect").args(arguments).env_clear();
    command
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn printed(client: &ClientEntry, url: &str, token: &str) -> String {
    let output = connect(&[client.id, "--url", url], &[("KASM_MCP_TOKEN", token)]);
    assert!(
        output.status.success(),
        "{}: {}",
        client.id,
        text(&output.stderr)
    );
    let said = text(&output.stderr);
    assert!(
        said.starts_with(client.name) && said.contains(client.note),
        "{said}"
    );
    text(&output.stdout)
}

/// All texts in a document, with the keys that lead to them.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(list) => list.iter().for_each(|entry| texts(entry, path, found)),
        Value::Object(map) => {
            for (key, entry) in map {
                texts(entry, &format!("{path}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The words that a shell would give to the program of a line.
fn words(line: &str) -> Vec<String> {
    let functions = r#"curl() { printf '%s\0' "$@"; }; claude() { printf '%s\0' "$@"; };"#;
    let line = line.replace(" > openapi.json", "");
    let output = Command::new("sh")
        .args(["-c", &format!("{functions}\n{line}")])
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        text(&output.stderr)
    );
    text(&output.stdout)
        .split('\0')
        .map(str::to_owned)
        .collect()
}

/// What is in a configuration, by any of its parsers here; Python and YAML are read in tests/interop.
fn values(client: &ClientEntry, printed: &str) -> Option<Vec<String>> {
    let value: Value = match client.format {
        TemplateFormat::Json => serde_json::from_str(printed).unwrap(),
        TemplateFormat::Toml => toml::from_str(printed).unwrap(),
        TemplateFormat::Shell => return Some(words(printed)),
        TemplateFormat::Yaml | TemplateFormat::Python | TemplateFormat::Text => return None,
    };
    let mut found = Vec::new();
    texts(&value, "", &mut found);
    Some(found.into_iter().map(|(_, text)| text).collect())
}

#[test]
fn connect_with_odd_url_and_token_stays_quoted() {
    for client in CLIENTS {
        let printed = printed(client, NASTY_URL, NASTY_TOKEN);
        let Some(values) = values(client, &printed) else {
            continue;
        };
        let has = |wanted: &str| values.iter().any(|value| value.contains(wanted));
        assert_eq!(
            has(NASTY_TOKEN),
            client.has_token(),
            "{}: {values:?}",
            client.id
        );
        // `claude-desktop` starts the program, and needs no address.
        let wanted = "https://mcp.example.org/a'b$HOME;%60id%60";
        assert!(
            has(wanted) || client.id == "claude-desktop",
            "{}: {values:?}",
            client.id
        );
    }
}

#[tokio::test]
async fn connect_addresses_answer_on_a_real_server() {
    let server = TestServer::start().await;
    for client in CLIENTS {
        let printed = printed(client, &server.base, TOKEN);
        let mut addresses = 0;
        for (at, _) in printed.match_indices(&server.base) {
            let end = printed[at..].find(['"', '\'', '\n']).unwrap();
            let url = &printed[at..at + end];
            let get = server.http.get(url).bearer_auth(TOKEN);
            let status = get
                .header("accept", "text/event-stream, application/json")
                .send()
                .await;
            let status = status.unwrap().status().as_u16();
            // Some take only POST.
            assert!(
                matches!(status, 200 | 405),
                "{}: {url}: {status}",
                client.id
            );
            addresses += 1;
        }
        assert!(
            addresses > 0 || client.id == "claude-desktop",
            "{}",
            client.id
        );
    }
    server.stop().await;
}

#[test]
fn connect_prints_the_fields_each_client_reads() {
    let field = |id: &str, pointer: &str| {
        let client = kasm_mcp::clients::find_client(id).unwrap();
        let value: Value =
            serde_json::from_str(&printed(client, "https://a.example", "t0ken")).unwrap();
        value.pointer(pointer).cloned().unwrap_or_default()
    };
    for (id, pointer, wanted) in [
        ("cline", "/mcpServers/kasm/type", "streamableHttp"),
        ("cline", "/mcpServers/kasm/url", "https://a.example/mcp"),
        ("cline-sse", "/mcpServers/kasm/type", "sse"),
        ("cline-sse", "/mcpServers/kasm/url", "https://a.example/sse"),
        ("cline-http-sse", "/mcpServers/kasm/transport", "http+sse"),
        (
            "cline-http-sse",
            "/mcpServers/kasm/url",
            "https://a.example",
        ),
        ("claude-code-project", "/mcpServers/kasm/type", "http"),
        (
            "claude-code-project",
            "/mcpServers/kasm/headers/Authorization",
            "Bearer ${KASM_MCP_TOKEN}",
        ),
        ("claude-desktop", "/mcpServers/kasm/args/0", "stdio"),
        ("claude-desktop", "/mcpServers/kasm/command", BINARY),
        (
            "cursor",
            "/mcpServers/kasm/headers/Authorization",
            "Bearer t0ken",
        ),
        ("vs-code", "/servers/kasm/type", "http"),
        ("vs-code", "/inputs/0/id", "kasm-mcp-token"),
        (
            "vs-code",
            "/servers/kasm/headers/Authorization",
            "Bearer ${input:kasm-mcp-token}",
        ),
        ("zed", "/context_servers/kasm/url", "https://a.example/mcp"),
        (
            "gemini-cli",
            "/mcpServers/kasm/httpUrl",
            "https://a.example/mcp",
        ),
    ] {
        assert_eq!(field(id, pointer), wanted, "{id}{pointer}");
    }
    assert_eq!(
        field("cline-http-sse", "/mcpServers/kasm/type"),
        Value::Null
    );
    assert_eq!(field("gemini-cli", "/mcpServers/kasm/url"), Value::Null);
}

#[test]
fn connect_takes_address_and_token_from_settings() {
    let cline = |arguments: &[&str], environment: &[(&str, &str)]| {
        let output = connect(&[&["cline"], arguments].concat(), environment);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let entry = &value["mcpServers"]["kasm"];
        let token = entry["headers"]["Authorization"].as_str().unwrap();
        (
            entry["url"].as_str().unwrap().to_owned(),
            token.replace("Bearer ", ""),
            text(&output.stderr),
        )
    };
    let (url, token, said) = cline(&[], &[]);
    assert_eq!(
        (url.as_str(), token.as_str()),
        ("http://127.0.0.1:8080/mcp", "YOUR_TOKEN")
    );
    assert!(
        said.contains("kasm-mcp token new") && said.contains("--url"),
        "{said}"
    );

    let settings = [("MCP_SERVER_PORT", "4711"), ("MCP_AUTH_TOKEN", TOKEN)];
    let (url, token, _) = cline(&[], &settings);
    assert_eq!(
        (url.as_str(), token.as_str()),
        ("http://127.0.0.1:4711/mcp", TOKEN)
    );

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"of-the-file\n").unwrap();
    let path = file.path().to_str().unwrap();
    let public = ("MCP_PUBLIC_URL", "https://b.example/kasm/");
    let (url, token, said) = cline(
        &["--token-file", path],
        &[public, ("KASM_MCP_TOKEN", "other")],
    );
    assert_eq!(
        (url.as_str(), token.as_str()),
        ("https://b.example/kasm/mcp", "of-the-file")
    );
    assert!(!said.contains("token new"), "{said}");

    let (_, token, _) = cline(
        &[],
        &[("MCP_AUTH_TOKEN_FILE", path), ("MCP_SERVER_PORT", "1")],
    );
    assert_eq!(token, "of-the-file");
}

#[test]
fn connect_with_wrong_arguments_prints_nothing() {
    for (arguments, token, code, words) in [
        (vec!["clin"], "t", 2, "a similar value exists: 'cline'"),
        (vec!["cline", "zed"], "t", 1, "one client at a time"),
        (
            vec!["cline", "--url", "mcp.example.org"],
            "t",
            1,
            "https URL",
        ),
        (
            vec!["cline", "--url", "https://u:p@h.example"],
            "t",
            1,
            "https URL",
        ),
        (
            vec!["cline", "--url", "https://h.example?a=b"],
            "t",
            1,
            "https URL",
        ),
        (
            vec!["cline", "--url", "https://h.example"],
            "a b",
            1,
            "invalid in a header",
        ),
        (
            vec!["cline", "--token-file", "/dev/null"],
            "t",
            1,
            "holds no token",
        ),
        (
            vec!["curl-rest", "--url", "https://h.example/mcp/readonly"],
            "t",
            1,
            "X-MCP-Toolsets",
        ),
    ] {
        let output = connect(&arguments, &[("KASM_MCP_TOKEN", token)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.contains(words) && output.stdout.is_empty(),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn connect_lists_each_client_once() {
    let listed = text(&connect(&[], &[]).stdout);
    let ids: Vec<_> = listed
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        ids,
        CLIENTS.iter().map(|client| client.id).collect::<Vec<_>>()
    );
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{id} is there twice");
    }
    for client in CLIENTS {
        assert!(client.note.ends_with('.'), "{}", client.id);
    }
}

#[test]
fn connect_normalizes_addresses() {
    for (given, wanted) in [
        ("https://h.example", "https://h.example/mcp"),
        ("https://h.example/", "https://h.example/mcp"),
        ("https://h.example/mcp/", "https://h.example/mcp"),
        ("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/mcp"),
        (
            "https://h.example/mcp/kasm",
            "https://h.example/mcp/kasm/mcp",
        ),
        (
            "https://h.example/kasm/mcp/readonly",
            "https://h.example/kasm/mcp/readonly",
        ),
        (
            "https://h.example/mcp/x/files,exec",
            "https://h.example/mcp/x/files,exec",
        ),
    ] {
        assert_eq!(
            given.parse::<ServerAddress>().unwrap().mcp_url(),
            wanted,
            "{given}"
        );
    }
}

#[test]
fn connect_clients_marked_as_run_have_an_interop_check() {
    let read = |name: &str| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join("tests/interop").join(name)).unwrap()
    };
    let (checks, rows) = (read("clients/snippets.py"), read("harness/clients.py"));
    let row = rows.split_once("\"snippets.py\"").unwrap().1;
    let row = row.split_once("),").unwrap().0;
    for client in CLIENTS {
        let is_run = matches!(client.tested, TestedWith::Run(_));
        let has_check = checks.contains(&format!("\n    \"{}\": [", client.id));
        let has_row = row.contains(&format!("\"{}\"", client.id));
        assert_eq!((has_check, has_row), (is_run, is_run), "{}", client.id);
    }
}
