//! Host, Origin and CORS.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{TestServer, rpc};

#[tokio::test]
async fn foreign_host_or_origin_is_403() {
    let server = TestServer::start().await;
    let list = rpc("tools/list", json!({}));
    for host in [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
    ] {
        let answer = server
            .post(&list)
            .header("host", host)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{host}");
    }
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        let answer = server
            .post(&list)
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    let answer = server
        .post(&list)
        .header("origin", "http://localhost:6274")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "a page of this machine");
}

#[tokio::test]
async fn configured_host_and_origin_are_allowed() {
    let settings = [
        ("MCP_PUBLIC_URL", "https://mcp.example.org/kasm/mcp"),
        ("MCP_ALLOWED_HOSTS", "other.example.org"),
        ("MCP_ALLOWED_ORIGINS", "https://app.example.org"),
    ];
    let server = TestServer::with(&settings).await;
    let list = rpc("tools/list", json!({}));
    for host in ["mcp.example.org", "other.example.org:443", "localhost"] {
        let answer = server
            .post(&list)
            .header("host", host)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{host}");
    }
    for origin in ["https://mcp.example.org", "https://app.example.org"] {
        let answer = server
            .post(&list)
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    }
}

#[tokio::test]
async fn cors_preflight_without_token_is_200() {
    let server = TestServer::with(&[("MCP_ALLOWED_ORIGINS", "https://app.example.org")]).await;
    let preflight = server
        .http
        .request(Method::OPTIONS, server.mcp())
        .header("origin", "https://app.example.org");
    let preflight = preflight.header("access-control-request-method", "POST");
    let wanted = "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name,mcp-session-id,last-event-id";
    let answer = preflight
        .header("access-control-request-headers", wanted)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let allowed = answer.headers()["access-control-allow-headers"]
        .to_str()
        .unwrap()
        .to_owned();
    for header in wanted.split(',') {
        assert!(allowed.contains(header), "{header} is not in {allowed}");
    }
    let exposed = server
        .post(&rpc("ping", json!({})))
        .header("origin", "https://app.example.org");
    let exposed = exposed.send().await.unwrap().headers()["access-control-expose-headers"].clone();
    assert!(exposed.to_str().unwrap().contains("mcp-session-id"));
}

/// Origins that programs with a browser inside send: no web page has them.
const OF_PROGRAMS: [&str; 8] = [
    "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
    "moz-extension://0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0",
    "vscode-webview://1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f",
    "app://obsidian.md",
    "tauri://localhost",
    "capacitor://localhost",
    "file://",
    "null",
];

#[tokio::test]
async fn origin_of_program_is_compared_exactly() {
    let allowed = OF_PROGRAMS.join(", ");
    let server = TestServer::with(&[("MCP_ALLOWED_ORIGINS", &allowed)]).await;
    let list = rpc("tools/list", json!({}));
    for origin in OF_PROGRAMS {
        let request = server.post(&list).header("origin", origin);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
        let preflight = server.http.request(Method::OPTIONS, server.mcp());
        let preflight = preflight.header("origin", origin);
        let preflight = preflight.header("access-control-request-method", "POST");
        let answer = preflight.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    }
    for origin in [
        "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgkno",
        "chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn/",
        "CHROME-EXTENSION://nkbihfbeogaeaoehlefnkodbefgpgknn",
        "moz-extension://nkbihfbeogaeaoehlefnkodbefgpgknn",
        "app://obsidian.md.evil.example",
        "app://obsidian.md:80",
        "tauri://evil.example",
        "file:///",
        "NULL",
        "",
        "http://obsidian.md",
        "https://null",
    ] {
        let request = server.post(&list).header("origin", origin);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn origin_of_program_without_setting_is_403() {
    let server = TestServer::with(&[("MCP_ALLOWED_ORIGINS", "https://app.example.org")]).await;
    for origin in OF_PROGRAMS {
        let request = server.post(&rpc("tools/list", json!({})));
        let answer = request.header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin}");
    }
}

#[tokio::test]
async fn origin_with_international_name_is_allowed_in_both_spellings() {
    let origins = "https://b\u{fc}cher.example, https://APP.example.org:443";
    let server = TestServer::with(&[("MCP_ALLOWED_ORIGINS", origins)]).await;
    // Browsers send the form that DNS has, and leave the usual port out.
    for origin in ["https://xn--bcher-kva.example", "https://app.example.org"] {
        let request = server.post(&rpc("tools/list", json!({})));
        let answer = request.header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
    }
}
