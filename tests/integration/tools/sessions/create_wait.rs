//! `create_kasm_session`: waiting, and telling how far it is.

use std::sync::Arc;
use std::time::Duration;

use kasm_emulator::{Emulator, NotReadyShape};
use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, ProgressNotificationParam, ProgressToken, RequestParamsMeta,
};
use rmcp::service::NotificationContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};

use crate::support::kasm::{until, words};
use crate::support::{TOKEN, TestServer};

async fn slow(start_time: Duration) -> TestServer {
    let emulator = Emulator::builder().start_time(start_time);
    TestServer::in_front_of(emulator.start().await.unwrap(), &[]).await
}

fn terminal(wait: bool) -> Value {
    json!({ "image_name": "Terminal", "wait": wait })
}

#[tokio::test(flavor = "multi_thread")]
async fn create_without_wait_returns_a_starting_session() {
    let server = slow(Duration::from_secs(600)).await;
    let reply = server.call("create_kasm_session", terminal(false)).await;
    assert_eq!(reply["data"]["operational_status"], "starting", "{reply}");
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("get_session_status"),
        "{reply}"
    );
    assert_eq!(server.emulator.request_count("get_kasm_status"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_wait_returns_a_running_session() {
    let server = slow(Duration::from_millis(300)).await;
    let data = server.ok("create_kasm_session", terminal(true)).await;
    assert_eq!(data["operational_status"], "running");
    assert_eq!(
        server.word_of(data["kasm_id"].as_str().unwrap()).as_deref(),
        Some("running")
    );
    let status = json!({ "kasm_id": data["kasm_id"] });
    let status = server.ok("get_session_status", status).await;
    assert_eq!(data["expiration_date"], status["expiration_date"]);
    assert!(data["expiration_date"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn create_waits_for_each_shape_of_not_ready() {
    let server = slow(Duration::from_millis(150)).await;
    for shape in [
        NotReadyShape::Kasm,
        NotReadyShape::Progress,
        NotReadyShape::ProgressAndError,
    ] {
        for word in ["starting", "settling"] {
            server.emulator.configure(|profile| {
                profile.not_ready_shape = shape;
                profile.transitional_word = word.to_owned();
            });
            let case = format!("{shape:?} {word}");
            let looks = server.emulator.request_count("get_kasm_status");
            let data = server.ok("create_kasm_session", terminal(true)).await;
            assert_eq!(data["operational_status"], "running", "{case}");
            assert!(
                server.emulator.request_count("get_kasm_status") >= looks + 2,
                "{case}: it was not ready at the first look"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_status_of_starting_session_has_progress() {
    let server = slow(Duration::from_secs(600)).await;
    for shape in [
        NotReadyShape::Kasm,
        NotReadyShape::Progress,
        NotReadyShape::ProgressAndError,
    ] {
        for word in ["starting", "settling"] {
            server.emulator.configure(|profile| {
                profile.not_ready_shape = shape;
                profile.transitional_word = word.to_owned();
            });
            let data = server.ok("create_kasm_session", terminal(false)).await;
            let arguments = json!({ "kasm_id": data["kasm_id"], "include_url": true });
            let reply = server.call("get_session_status", arguments).await;
            let view = &reply["data"];
            assert_eq!(view["operational_status"], word, "{shape:?}: {reply}");
            assert_eq!(view["kasm_id"], data["kasm_id"], "{shape:?}: {reply}");
            assert!(view.get("kasm_url").is_none(), "{shape:?}: {reply}");
            if shape != NotReadyShape::Kasm {
                assert_eq!(view["operational_progress"], 0.0, "{shape:?}: {reply}");
                assert!(
                    view["operational_message"].is_string(),
                    "{shape:?}: {reply}"
                );
            }
            let message = reply["message"].as_str().unwrap();
            assert!(message.contains("in a few seconds"), "{shape:?}: {reply}");
            let pause = json!({ "kasm_id": data["kasm_id"] });
            for tool in ["pause_kasm_session", "resume_kasm_session"] {
                let reply = server.fails(tool, pause.clone(), "conflict").await;
                assert!(words(&reply).0.contains(word), "{shape:?}: {reply}");
                assert!(
                    words(&reply).1.contains("get_session_status"),
                    "{shape:?}: {reply}"
                );
            }
        }
    }
    for endpoint in ["pause_kasm", "resume_kasm"] {
        assert_eq!(server.emulator.request_count(endpoint), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_whose_session_dies_while_starting_is_not_found() {
    let server = slow(Duration::from_secs(600)).await;
    let call = server.call("create_kasm_session", terminal(true));
    let death = async {
        until("it is being waited for", || {
            server.emulator.request_count("get_kasm_status") > 0
        })
        .await;
        let kasm_id = server.emulator.sessions()[0].kasm_id.clone();
        assert!(server.emulator.kill_session(&kasm_id));
    };
    let (reply, ()) = tokio::join!(call, death);
    assert_eq!(reply["error_type"], "not_found", "{reply}");
}

/// A client that keeps the progress it hears of.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<ProgressNotificationParam>>>);

impl ClientHandler for Listener {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().push(params);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_progress_token_sends_progress_notifications() {
    let server = slow(Duration::from_millis(500)).await;
    server
        .emulator
        .configure(|profile| profile.not_ready_shape = NotReadyShape::Progress);
    let listener = Listener::default();
    let config = StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
    let client = listener
        .clone()
        .serve(StreamableHttpClientTransport::from_config(config))
        .await
        .unwrap();
    let mut params = CallToolRequestParams::new("create_kasm_session")
        .with_arguments(terminal(true).as_object().cloned().unwrap());
    params.set_progress_token(ProgressToken(rmcp::model::NumberOrString::Number(7)));
    let result = client.call_tool(params).await.unwrap();
    assert_eq!(result.is_error, Some(false));
    until("two reports came", || listener.0.lock().len() >= 2).await;
    let reports = listener.0.lock().clone();
    assert!(
        reports[0].message.as_deref().unwrap().contains("Terminal"),
        "{reports:?}"
    );
    for pair in reports.windows(2) {
        assert!(pair[0].progress < pair[1].progress, "{reports:?}");
    }
    for report in &reports {
        assert_eq!(report.total, Some(100.0), "{reports:?}");
        assert!(report.progress < 100.0, "{reports:?}");
    }
}
