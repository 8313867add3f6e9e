//! Bodies that are slow, too large, malformed, or of another type.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kasm_mcp::http::auth::Authenticator;
use kasm_mcp::http::serve::serve_http;
use kasm_mcp::http::{HttpApp, HttpSettings, HttpState};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::relay::{OutputRelay, RelayMailbox};
use kasm_mcp::tool::registry::Registry;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Surface, begin, finish, surfaces};
use crate::support::toolbox::caller;
use crate::support::{TOKEN, TestServer, config};
use crate::tools::exec;

const TOOL: &str = "list_user_sessions";

/// A server that waits a tenth of a second for bodies of at most 4 KiB.
async fn impatient() -> TestServer {
    let emulator = exec::emulator().await;
    let settings = [
        ("MCP_MAX_BODY_BYTES", "4096"),
        ("KASM_FILE_LINK_BYTES", "4096"),
    ];
    let mut config = config(&emulator, &settings);
    config.limits.requests.body_pause = Duration::from_millis(100);
    TestServer::of_config(emulator, &config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_408_on_each_surface() {
    let server = impatient().await;
    let id = server.session().await;
    let surfaces = surfaces(&server, TOKEN, TOOL, &id).await;
    let answers = join_all(surfaces.iter().map(|surface| async {
        let head = surface.head(Some(TOKEN), "application/json", 1_000);
        finish(begin(&server, &format!("{head} ")).await).await
    }));
    for (surface, answer) in surfaces.iter().zip(answers.await) {
        let told = (answer.status, answer.code());
        assert_eq!(told, (408, "body_too_slow"), "{}: {answer:?}", surface.name);
        let is_json_rpc = answer.body["jsonrpc"] == "2.0";
        assert_eq!(is_json_rpc, surface.is_json_rpc(), "{}", surface.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_413_on_each_surface() {
    let server = impatient().await;
    let id = server.session().await;
    for surface in surfaces(&server, TOKEN, TOOL, &id).await {
        let answer = surface.send(&server, Some(TOKEN), &" ".repeat(5_000)).await;
        let told = (answer.status, answer.code());
        assert_eq!(
            told,
            (413, "body_too_large"),
            "{}: {answer:?}",
            surface.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused_on_each_surface_that_takes_json() {
    let server = impatient().await;
    let id = server.session().await;
    let surfaces = surfaces(&server, TOKEN, TOOL, &id).await;
    for surface in surfaces.iter().filter(|surface| surface.is_json) {
        let answer = surface.send(&server, Some(TOKEN), "{").await;
        let told = (answer.status, answer.code());
        assert_eq!(
            told,
            (400, "malformed_json"),
            "{}: {answer:?}",
            surface.name
        );
        let body = &surface.body;
        let head = surface.head(Some(TOKEN), "text/plain", body.len());
        let answer = finish(begin(&server, &(head + body)).await).await;
        let told = (answer.status, answer.code());
        assert_eq!(told, (415, "not_json"), "{}: {answer:?}", surface.name);
        let answer = surface.send(&server, Some(TOKEN), body).await;
        assert!(
            (200..300).contains(&answer.status),
            "{}: {answer:?}",
            surface.name
        );
    }
}

/// A server with a mailbox of 4 KiB that a workspace posts to.
async fn relay() -> (TestServer, RelayMailbox, Surface) {
    let emulator = exec::emulator().await;
    let mut spare = TestServer::in_front_of(emulator, &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let relay = OutputRelay::new(format!("{base}/relay"));
    let expires = Instant::now() + Duration::from_secs(60);
    let mailbox = relay.open_mailbox(4_096, expires).unwrap();
    let registry = Arc::new(Registry::new(Duration::from_secs(5), 1));
    let mut settings = HttpSettings::for_this_machine();
    settings.limits.body_pause = Duration::from_millis(100);
    let auth = Authenticator::new(Some(&TOKEN.into()), caller("relay"));
    let state = HttpState::new(McpServer::new(registry.clone()), registry, auth, settings);
    let app = HttpApp::new(state.with_relay(Some(relay)));
    let limits = kasm_mcp::app::serve_limits(&config(&spare.emulator, &[]).limits);
    tokio::spawn(serve_http(listener, app, limits, std::future::pending()));
    let path = mailbox
        .posting_url()
        .expose_secret()
        .strip_prefix(&base)
        .unwrap();
    let surface = Surface {
        is_json: false,
        ..Surface::new("relay", &format!("{path}/0"), &serde_json::Value::Null)
    };
    spare.base = base;
    (spare, mailbox, surface)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_refuses_bodies_as_all_surfaces_do() {
    let (server, _mailbox, surface) = relay().await;
    let head = surface.head(None, "text/plain", 1_000);
    let slow = finish(begin(&server, &format!("{head} ")).await).await;
    assert_eq!((slow.status, slow.code()), (408, "body_too_slow"));
    let large = surface.send(&server, None, &" ".repeat(5_000)).await;
    assert_eq!((large.status, large.code()), (413, "body_too_large"));
    let good = surface.send(&server, None, "output").await;
    assert_eq!(good.status, 204, "{good:?}");
    let elsewhere = Surface {
        path: "/relay/0123/0".to_owned(),
        ..surface
    };
    let unknown = elsewhere.send(&server, None, "output").await;
    assert_eq!((unknown.status, unknown.code()), (404, "relay_unknown"));
}
