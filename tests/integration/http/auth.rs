//! Bearer authentication.

use http::StatusCode;
use serde_json::json;

use crate::support::{TOKEN, TestServer, rpc};

#[tokio::test]
async fn mcp_routes_without_token_are_401() {
    let server = TestServer::start().await;
    let list = rpc("tools/list", json!({}));
    for path in ["/mcp", "/mcp/", "/messages?session_id=x"] {
        let answer = server
            .http
            .post(format!("{}{path}", server.base))
            .json(&list)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/mcp", "/sse", "/"] {
        let opened = server
            .http
            .get(format!("{}{path}", server.base))
            .header("accept", "text/event-stream");
        assert_eq!(
            opened.send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    let ended = server
        .http
        .delete(server.mcp())
        .header("mcp-session-id", "x")
        .send()
        .await
        .unwrap();
    assert_eq!(ended.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bearer_challenge_names_the_error() {
    let server = TestServer::start().await;
    let list = rpc("tools/list", json!({}));
    let cases: [(Option<&str>, &str); 6] = [
        (None, r#"Bearer realm="kasm-mcp""#),
        (Some("Basic dXNlcjpwYXNz"), r#"Bearer realm="kasm-mcp""#),
        (Some("Bearer "), r#"Bearer realm="kasm-mcp""#),
        (
            Some("Bearer wrong-token-wrong-token"),
            r#"Bearer realm="kasm-mcp", error="invalid_token""#,
        ),
        (
            Some("Bearer integration-test-token-012345678"),
            r#"Bearer realm="kasm-mcp", error="invalid_token""#,
        ),
        (
            Some("Bearer integration-test-token-0123456789x"),
            r#"Bearer realm="kasm-mcp", error="invalid_token""#,
        ),
    ];
    for (header, challenge) in cases {
        let mut request = server.http.post(server.mcp()).json(&list);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header:?}");
        assert_eq!(
            answer.headers()["www-authenticate"],
            challenge,
            "{header:?}"
        );
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 401);
    }
}

#[tokio::test]
async fn bearer_scheme_ignores_case_and_two_headers_are_401() {
    let server = TestServer::start().await;
    let list = rpc("tools/list", json!({}));
    let lower = server
        .http
        .post(server.mcp())
        .json(&list)
        .header("authorization", format!("bearer {TOKEN}"));
    assert_eq!(lower.send().await.unwrap().status(), StatusCode::OK);
    let twice = server
        .post(&list)
        .header("authorization", "Bearer another-token-of-someone");
    assert_eq!(
        twice.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn mcp_with_read_scope_lists_and_calls_fewer_tools() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:read")]).await;
    let list: serde_json::Value = server
        .post(&rpc("tools/list", json!({})))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let names: Vec<_> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"get_session_status") && names.contains(&"get_available_workspaces"));
    for hidden in [
        "create_kasm_session",
        "destroy_kasm_session",
        "get_kasm_users",
        "list_all_sessions",
    ] {
        assert!(!names.contains(&hidden), "{hidden}");
        let reply = server.fails(hidden, json!({}), "permission").await;
        assert!(
            reply["error"].as_str().unwrap().contains("kasm:"),
            "{reply}"
        );
    }
    assert_eq!(server.emulator.requests().len(), 0, "nothing reached Kasm");
}
