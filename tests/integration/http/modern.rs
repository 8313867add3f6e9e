//! Revision 2026-07-28, where rmcp needs help.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::clients::{modern, modern_request};

#[tokio::test]
async fn discover_returns_versions_and_capabilities() {
    let server = TestServer::start().await;
    let answer = modern(&server, "server/discover", json!({}), None).await;
    let result = &answer["result"];
    assert!(
        result["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28")),
        "{answer}"
    );
    let extensions = json!({ "io.modelcontextprotocol/tasks": {} });
    assert_eq!(
        result["capabilities"],
        json!({
            "tools": {}, "prompts": {}, "completions": {}, "extensions": extensions,
            "resources": { "subscribe": true, "listChanged": true },
        })
    );
    assert!(
        result["instructions"]
            .as_str()
            .unwrap()
            .contains("create_kasm_session")
    );
}

#[tokio::test]
async fn modern_results_name_the_server_and_are_private() {
    let server = TestServer::start().await;
    let list = modern(&server, "tools/list", json!({}), None).await;
    assert_eq!(list["result"]["cacheScope"], "private");
    assert!(list["result"]["ttlMs"].as_u64().unwrap() > 0);
    let call = json!({ "name": "list_user_sessions", "arguments": {} });
    let call = modern(&server, "tools/call", call, Some("list_user_sessions")).await;
    for answer in [list, call] {
        let info = &answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(info["name"], "kasm-mcp", "{answer}");
        assert_eq!(answer["result"]["resultType"], "complete");
    }
}

#[tokio::test]
async fn modern_request_with_any_json_media_range_is_200() {
    let server = TestServer::start().await;
    for accept in ["*/*", "application/json", "application/*"] {
        let request = modern_request(&server, "tools/list", json!({}), None);
        let mut request = request.build().unwrap();
        request
            .headers_mut()
            .insert("accept", accept.parse().unwrap());
        let answer = server.http.execute(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{accept}");
    }
}

#[tokio::test]
async fn modern_refusals_are_json_rpc_errors() {
    let server = TestServer::start().await;
    let wrong_name = json!({ "name": "list_user_sessions" });
    let list = || modern_request(&server, "tools/list", json!({}), None);
    let unsupported = |mut request: reqwest::Request| {
        request
            .headers_mut()
            .insert("mcp-protocol-version", "2027-01-01".parse().unwrap());
        request
    };
    let nothing_accepted = |mut request: reqwest::Request| {
        request
            .headers_mut()
            .insert("accept", "text/html".parse().unwrap());
        request
    };
    let cases = [
        (
            modern_request(&server, "tools/call", wrong_name, Some("other"))
                .build()
                .unwrap(),
            400,
            Some(-32020),
        ),
        (
            modern_request(&server, "skills/list", json!({}), None)
                .build()
                .unwrap(),
            404,
            Some(-32601),
        ),
        (
            modern_request(&server, "ping", json!({}), None)
                .build()
                .unwrap(),
            404,
            Some(-32601),
        ),
        (unsupported(list().build().unwrap()), 400, None),
        (nothing_accepted(list().build().unwrap()), 406, None),
    ];
    for (request, status, code) in cases {
        let answer = server.http.execute(request).await.unwrap();
        assert_eq!(answer.status(), status);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        if let Some(code) = code {
            assert_eq!(answer["error"]["code"], code, "{answer}");
        }
    }
}

#[tokio::test]
async fn modern_get_and_delete_are_405() {
    let server = TestServer::start().await;
    for method in [http::Method::GET, http::Method::DELETE] {
        let request = server
            .http
            .request(method.clone(), server.mcp())
            .bearer_auth(crate::support::TOKEN);
        let request = request
            .header("mcp-protocol-version", "2026-07-28")
            .header("accept", "text/event-stream");
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
}

/// The status and the answer of a complete call that is changed before it is sent.
async fn changed(
    server: &TestServer,
    change: impl Fn(&mut reqwest::Request),
) -> (StatusCode, Value) {
    let tool = "list_user_sessions";
    let call = json!({ "name": tool, "arguments": {} });
    let request = modern_request(server, "tools/call", call, Some(tool));
    let mut request = request.build().unwrap();
    change(&mut request);
    let answer = server.http.execute(request).await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// A complete call goes another way than one that is to be refused.
#[tokio::test]
async fn modern_call_with_missing_or_wrong_header_is_400() {
    let server = TestServer::start().await;
    let (status, answer) = changed(&server, |_| {}).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["result"]["structuredContent"]["success"], true);
    for name in ["mcp-name", "mcp-method", "mcp-protocol-version"] {
        let (status, answer) = changed(&server, |request| {
            request.headers_mut().remove(name);
        })
        .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "no {name}");
        assert_eq!(answer["error"]["code"], -32020, "no {name}: {answer}");
    }
    for name in ["mcp-name", "mcp-method"] {
        let (status, answer) = changed(&server, |request| {
            let again = request.headers()[name].clone();
            request.headers_mut().append(name, again);
        })
        .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "two {name}");
        assert_eq!(answer["error"]["code"], -32020, "two {name}: {answer}");
    }
}

#[tokio::test]
async fn modern_call_with_missing_or_wrong_meta_is_refused() {
    let server = TestServer::start().await;
    let meta = |name: &'static str, value: Value| {
        move |request: &mut reqwest::Request| {
            let body = request.body().and_then(reqwest::Body::as_bytes).unwrap();
            let mut message: Value = serde_json::from_slice(body).unwrap();
            message["params"]["_meta"][format!("io.modelcontextprotocol/{name}")] = value.clone();
            *request.body_mut() = Some(message.to_string().into());
        }
    };
    let (status, answer) = changed(&server, meta("more", json!(1))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for (name, value, code) in [
        ("protocolVersion", json!("2025-11-25"), -32020),
        ("protocolVersion", json!(1), -32602),
        ("clientCapabilities", Value::Null, -32602),
    ] {
        let (status, answer) = changed(&server, meta(name, value)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
}

/// The header says the revision, and the body does not: rmcp refuses it by its text.
#[tokio::test]
async fn modern_request_without_meta_is_refused_with_its_id() {
    let server = TestServer::start().await;
    for (params, expected) in [(json!({}), -32602), (json!({ "_meta": {} }), -32602)] {
        let mut request = modern_request(&server, "tools/list", json!({}), None)
            .build()
            .unwrap();
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": params });
        *request.body_mut() = Some(body.to_string().into());
        let answer = server.http.execute(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"]["code"], expected, "{answer}");
        assert_eq!(answer["id"], 7, "{answer}");
    }
}
