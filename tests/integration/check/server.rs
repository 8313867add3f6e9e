//! This server's own side, and the way that clients take to it.

use std::io::Write as _;

use kasm_emulator::Emulator;
use tokio::net::TcpListener;

use super::check;
use super::front::{Twist, proxy, stranger};
use crate::callers::TokenFile;
use crate::callers::issuer::{Issuer, OPENID};
use crate::support::{TOKEN, TestServer};

const PUBLIC: &[&str] = &[
    "public name",
    "public port",
    "public tls",
    "public health",
    "public stream",
];

fn port(url: &str) -> &str {
    url.rsplit_once(':').unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_who_listens_on_the_port() {
    let server = TestServer::start().await;
    let said = check(&server.emulator, &[], &[]).await;
    said.has("listen", "ok", &["is free"]);
    let at = [("MCP_SERVER_PORT", port(&server.base))];
    let said = check(&server.emulator, &at, &[]).await;
    said.has("listen", "ok", &["kasm-mcp", "second server"]);
    let other = stranger(200, &[], "hello").await;
    let said = check(&server.emulator, &[("MCP_SERVER_PORT", port(&other))], &[]).await;
    said.has(
        "listen",
        "fail",
        &["not kasm-mcp", "ss -ltnp", "MCP_SERVER_PORT"],
    );
    said.fails_only(&["listen"]);
    let foreign = [("MCP_SERVER_HOST", "203.0.113.7")];
    let said = check(&server.emulator, &foreign, &[]).await;
    said.has("listen", "fail", &["203.0.113.7", "MCP_SERVER_HOST"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_buffering_proxy_fails_public_stream() {
    let server = TestServer::start().await;
    let own = ("MCP_SERVER_PORT", port(&server.base));
    let buffers = proxy(&server.base, Twist::Buffer).await;
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &buffers)], &[]).await;
    said.has("public health", "ok", &["kasm-mcp"]);
    let words = [
        "delayed",
        "without the proxy one arrived at once",
        "proxy_buffering off",
        "docs/deployment.md",
    ];
    said.has("public stream", "fail", &words);
    said.fails_only(&["public stream"]);

    let passes = proxy(&server.base, Twist::None).await;
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &passes)], &[]).await;
    said.has("public stream", "ok", &["while the stream was open"]);
    said.fails_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_wrong_public_url_fails_public_health() {
    let server = TestServer::start().await;
    let own = ("MCP_SERVER_PORT", port(&server.base));
    let other = stranger(200, &[], "<title>Our wiki</title>").await;
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &other)], &[]).await;
    said.has("public health", "fail", &["not kasm-mcp", "MCP_PUBLIC_URL"]);
    said.skips(&["public stream"]);
    let login = stranger(302, &[("location", "https://login.example/?x=secret")], "").await;
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &login)], &[]).await;
    said.has(
        "public health",
        "fail",
        &["redirects to https://login.example/ ", "do not follow"],
    );
    let broken = proxy(&server.base, Twist::BadGateway).await;
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &broken)], &[]).await;
    said.has(
        "public health",
        "fail",
        &["HTTP 502", "let the proxy forward to", port(&server.base)],
    );
    said.fails_only(&["public health"]);
    let surprise = format!("{}/sse", server.base);
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &surprise)], &[]).await;
    said.has("public url", "fail", &["ends with /sse", "remove /sse"]);
    said.skips(PUBLIC);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_the_stream_token_from_a_file() {
    let server = TestServer::start().await;
    let own = [
        ("MCP_SERVER_PORT", port(&server.base)),
        ("MCP_PUBLIC_URL", server.base.as_str()),
    ];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{TOKEN}").unwrap();
    let flag = ["--token-file", file.path().to_str().unwrap()];
    let wrong = [
        own[0],
        own[1],
        ("MCP_AUTH_TOKEN", "another-token-of-32-characters-xx"),
    ];
    let said = check(&server.emulator, &wrong, &[]).await;
    said.has("public stream", "fail", &["HTTP 401", "--token-file"]);
    said.fails_only(&["public stream"]);
    check(&server.emulator, &wrong, &flag)
        .await
        .has("public stream", "ok", &[]);

    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    std::fs::write(&tokens, "").unwrap();
    let hashed = [
        own[0],
        own[1],
        ("MCP_AUTH_TOKEN", ""),
        ("MCP_TOKENS_FILE", tokens.to_str().unwrap()),
    ];
    let said = check(&server.emulator, &hashed, &[]).await;
    said.has("credentials", "ok", &["0 tokens in"]);
    said.has("public stream", "skip", &["only hashes", "--token-file"]);
    let names = "scope = \"kasm:use\"\ntools = [\"get_*\", \"lst_*\"]";
    let file = TokenFile::new(&[("typo", names)]);
    let said = check(&server.emulator, &[("MCP_TOKENS_FILE", file.path())], &[]).await;
    said.has("credentials", "ok", &["1 tokens in"]);
    said.has("tokens", "note", &["`typo` lists `lst_*`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_unallowed_host_fails_public_stream() {
    let server = TestServer::start().await;
    let url = server.base.replace("127.0.0.1", "localhost");
    let front = proxy(&server.base, Twist::Host("mcp.example.org")).await;
    let own = ("MCP_SERVER_PORT", port(&server.base));
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &front)], &[]).await;
    said.has(
        "public stream",
        "fail",
        &["HTTP 403", "Host header", "MCP_ALLOWED_HOSTS", "restart"],
    );
    let said = check(&server.emulator, &[own, ("MCP_PUBLIC_URL", &url)], &[]).await;
    said.has("public stream", "ok", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_with_taken_metrics_address_fails_metrics() {
    let emulator = Emulator::builder().start().await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let said = check(&emulator, &[("MCP_METRICS_LISTEN", &listen)], &[]).await;
    said.has("metrics", "fail", &[&listen, "MCP_METRICS_LISTEN"]);
    said.fails_only(&["metrics"]);
    drop(taken);
    let said = check(&emulator, &[("MCP_METRICS_LISTEN", &listen)], &[]).await;
    said.has("metrics", "ok", &["is free"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_without_running_server_skips_public_rows() {
    let emulator = Emulator::builder().start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = [
        ("MCP_SERVER_PORT", port(&url)),
        ("MCP_PUBLIC_URL", url.as_str()),
    ];
    let said = check(&emulator, &settings, &[]).await;
    said.skips(PUBLIC);
    said.fails_only(&[]);
    let public = [("MCP_PUBLIC_URL", "https://mcp.invalid")];
    let said = check(&emulator, &public, &[]).await;
    said.has("public name", "fail", &["mcp.invalid", "MCP_PUBLIC_URL"]);
    said.has("trusted proxies", "note", &["MCP_TRUSTED_PROXIES"]);
    said.has("host names", "ok", &["mcp.invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_state_folder_and_credentials() {
    let emulator = Emulator::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let said = check(&emulator, &[("MCP_STATE_DIR", state)], &[]).await;
    said.has("state", "ok", &[state, "can be written"]);
    said.has("audit", "ok", &["audit.jsonl"]);
    said.fails_only(&[]);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is left"
    );
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = format!("{}/audit.jsonl", file.display());
    let settings = [
        ("MCP_STATE_DIR", file.to_str().unwrap()),
        ("MCP_AUDIT_FILE", &below),
    ];
    let said = check(&emulator, &settings, &[]).await;
    said.has("state", "fail", &["file"]);
    said.has("audit", "fail", &["audit.jsonl"]);

    let open = [("MCP_AUTH_TOKEN", ""), ("MCP_SERVER_HOST", "0.0.0.0")];
    let said = check(&emulator, &open, &[]).await;
    said.has("credentials", "note", &["MCP_AUTH_TOKEN", "first start"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_issuer_metadata() {
    let emulator = Emulator::builder().start().await.unwrap();
    let key = crate::callers::issuer::Key::new("one", jsonwebtoken::Algorithm::ES256);
    let issuer = Issuer::start("", OPENID, &[&key]).await;
    let settings = |url: &str| {
        [
            ("MCP_OAUTH_ISSUERS", url.to_owned()),
            ("MCP_OAUTH_USER_CLAIM", "sub".to_owned()),
            ("MCP_PUBLIC_URL", "http://127.0.0.1:9".to_owned()),
        ]
    };
    let checked = async |url: &str| {
        let settings = settings(url);
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        check(&emulator, &settings, &[]).await
    };
    checked(&issuer.url)
        .await
        .has("oauth issuer", "ok", &["1 keys"]);
    issuer.name_itself("https://another.example");
    let said = checked(&issuer.url).await;
    said.has(
        "oauth issuer",
        "fail",
        &["another.example", "MCP_OAUTH_ISSUERS"],
    );
    issuer.go_down();
    let said = checked(&issuer.url).await;
    said.has("oauth issuer", "fail", &[&issuer.url]);
    said.fails_only(&["oauth issuer"]);
}
