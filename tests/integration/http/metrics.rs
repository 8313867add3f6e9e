//! What is told to a monitoring system, and what is not.

use std::collections::BTreeSet;

use http::StatusCode;
use kasm_mcp::metrics;
use serde_json::json;

use crate::support::clients::Client;
use crate::support::kasm::until;
use crate::support::program::Program;
use crate::support::{TOKEN, TestServer, rpc};

async fn text(server: &TestServer) -> String {
    let url = format!("{}/metrics", server.base);
    let answer = server
        .http
        .get(url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], metrics::MEDIA_TYPE);
    answer.text().await.unwrap()
}

/// A server on which something of everything has happened.
async fn busy() -> (TestServer, String) {
    let server = TestServer::with(&[("MCP_RATE_COSTLY_TOOLS", "1/1")]).await;
    let kasm_id = server.session().await;
    let create = json!({ "image_name": "Terminal" });
    server
        .fails("create_kasm_session", create, "rate_limited")
        .await;
    let command = json!({ "kasm_id": kasm_id, "command": "echo a-marked-command" });
    server.ok("execute_kasm_command", command).await;
    let denied = json!({ "kasm_id": kasm_id, "command": "rm -rf /" });
    server
        .fails("execute_kasm_command", denied, "security")
        .await;
    let stranger = "0123456789abcdef0123456789abcdef";
    server
        .fails(
            "get_session_status",
            json!({ "kasm_id": stranger }),
            "not_found",
        )
        .await;
    let unknown = rpc("tools/call", json!({ "name": "a_marked_tool" }));
    server.post(&unknown).send().await.unwrap();
    let mut client = Client::connect(&server, "streamable").await;
    client.call(&server, "list_user_sessions", json!({})).await;
    let get = |path: &str| server.http.get(format!("{}{path}", server.base));
    get("/files/0/a-marked-path")
        .bearer_auth("a-marked-wrong-token")
        .send()
        .await
        .unwrap();
    get("/a-marked-path").send().await.unwrap();
    let text = text(&server).await;
    (server, text)
}

/// The samples of a metric whose labels have these words in them, added up.
fn sum(text: &str, metric: &str, labels: &[&str]) -> f64 {
    let samples = text.lines().filter_map(|line| line.rsplit_once(' '));
    let wanted = samples.filter(|(name, _)| {
        let (name, given) = name.split_once('{').unwrap_or((name, ""));
        name == metric && labels.iter().all(|label| given.contains(label))
    });
    wanted.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

#[tokio::test]
async fn metrics_count_calls_jobs_and_refusals() {
    let (server, text) = busy().await;
    let count = |metric: &str, labels: &[&str]| sum(&text, metric, labels) as u64;
    let calls = |tool: &str, outcome: &str| {
        let labels = [format!("tool=\"{tool}\""), format!("outcome=\"{outcome}\"")];
        count("kasm_mcp_calls_total", &[&labels[0], &labels[1]])
    };
    assert_eq!(calls("create_kasm_session", "ok"), 1, "{text}");
    assert_eq!(calls("create_kasm_session", "rate_limited"), 1);
    assert_eq!(calls("execute_kasm_command", "security"), 1);
    assert_eq!(calls("get_session_status", "not_found"), 1);
    assert_eq!(calls("unknown", "not_found"), 1);
    let took = "kasm_mcp_call_duration_seconds_count";
    assert_eq!(count(took, &["tool=\"create_kasm_session\""]), 2);
    assert_eq!(count("kasm_mcp_jobs_started_total", &[]), 1);
    assert_eq!(
        count("kasm_mcp_policy_denials_total", &["execute_kasm_command"]),
        1
    );
    assert_eq!(
        count("kasm_mcp_rate_limit_refusals_total", &["costly_tools"]),
        1
    );
    assert_eq!(count("kasm_mcp_authentication_failures_total", &[]), 1);
    let asked = ["endpoint=\"request_kasm\"", "outcome=\"ok\""];
    assert_eq!(count("kasm_mcp_kasm_requests_total", &asked), 1);
    assert!(
        sum(
            &text,
            "kasm_mcp_kasm_request_duration_seconds_sum",
            &asked[..1]
        ) > 0.0
    );
    assert_eq!(count("kasm_mcp_http_requests_total", &["files", "4xx"]), 1);
    assert_eq!(count("kasm_mcp_http_requests_total", &["other", "4xx"]), 1);
    assert!(count("kasm_mcp_http_requests_total", &["mcp", "2xx"]) >= 5);
    assert_eq!(count("kasm_mcp_mcp_sessions", &[]), 1);
    assert!(count("kasm_mcp_process_start_time_seconds", &[]) > 1_700_000_000);
    drop(server);
}

#[tokio::test]
async fn metrics_names_types_and_help_match_the_snapshot() {
    let (_server, text) = busy().await;
    let about: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    insta::assert_snapshot!(about.join("\n"));
    for metric in metrics::ServerMetrics::default().metric_infos() {
        let kind = format!("# TYPE {} {}", metric.name, metric.kind);
        assert!(about.contains(&kind.as_str()), "{kind}");
    }
}

#[tokio::test]
async fn metrics_labels_never_come_from_clients() {
    let (server, text) = busy().await;
    let tools = Client::connect(&server, "bare").await.tools(&server).await;
    let tools: BTreeSet<&str> = tools.iter().map(String::as_str).collect();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let mut seen = BTreeSet::new();
    for line in samples {
        let (_, labels) = line.split_once('{').unwrap_or_default();
        let (labels, _) = labels.rsplit_once('}').unwrap_or_default();
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap();
            let value = value.trim_matches('"');
            seen.insert(name.to_owned());
            match name {
                "tool" => assert!(tools.contains(value) || value == "unknown", "{line}"),
                "le" => assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}"),
                "version" => assert_eq!(value, env!("CARGO_PKG_VERSION")),
                "status" => assert!(value.ends_with("xx"), "{line}"),
                _ => {
                    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
                    assert!(value.len() < 32 && value.chars().all(is_word), "{line}");
                }
            }
        }
    }
    let known = [
        "endpoint", "le", "limit", "outcome", "route", "status", "tool", "version",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), known);
    let (key, secret) = server.emulator.key();
    for mark in [
        "marked",
        TOKEN,
        key,
        secret,
        server.emulator.user_id(),
        "127.0.0.1",
    ] {
        assert!(!text.contains(mark), "{mark}");
    }
}

#[tokio::test]
async fn metrics_without_admin_scope_are_403() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:use")]).await;
    let get = || server.http.get(format!("{}/metrics", server.base));
    let refused = get().send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let refused = get().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let text = refused.text().await.unwrap();
    assert!(
        text.contains("kasm:admin") && !text.contains("kasm_mcp_"),
        "{text}"
    );
}

#[tokio::test]
async fn metrics_address_needs_no_token_and_serves_nothing_else() {
    let emulator = kasm_emulator::Emulator::builder().start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let settings = [("MCP_METRICS_LISTEN", "127.0.0.1:0")];
    let program = Program::start(&emulator, directory.path(), "log", &settings).await;
    let log = || std::fs::read_to_string(directory.path().join("log")).unwrap();
    until("the address is told", || log().contains("without a token")).await;
    let log = log();
    let line = log
        .lines()
        .find(|line| line.contains("without a token"))
        .unwrap();
    let (_, port) = line.rsplit_once("127.0.0.1:").unwrap();
    let own = format!("http://127.0.0.1:{}", port.trim());
    let text = program
        .http
        .get(format!("{own}/metrics"))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("kasm_mcp_build_info"), "{text}");
    let other = program
        .http
        .post(format!("{own}/mcp"))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
}

#[test]
fn monitoring_document_has_the_metrics_table() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md");
    let document = std::fs::read_to_string(document).unwrap();
    let table = metrics::metrics_markdown();
    assert!(
        document.contains(&table),
        "docs/monitoring.md should have\n{table}"
    );
}
