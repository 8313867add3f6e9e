//! `create_kasm_session`: calling it again after a time-out or a hang-up makes no second session.

use std::time::Duration;

use kasm_emulator::{Emulator, Fault};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ClientRequest, Request};
use rmcp::service::PeerRequestOptions;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

use crate::support::kasm::{until, words};
use crate::support::{TOKEN, TestServer, rpc};

/// Long enough for the server to notice that a caller has gone.
const NOTICE: Duration = Duration::from_millis(150);

fn terminal() -> Value {
    json!({ "image_name": "Terminal" })
}

async fn slow(start_time: Duration) -> TestServer {
    let emulator = Emulator::builder().start_time(start_time);
    TestServer::in_front_of(emulator.start().await.unwrap(), &[]).await
}

/// Calls with a bare POST and hangs up as soon as Kasm has heard `count` calls of `endpoint`.
async fn hang_up_after(server: &TestServer, arguments: Value, endpoint: &str, count: usize) {
    let params = json!({ "name": "create_kasm_session", "arguments": arguments });
    let call = server.post(&rpc("tools/call", params)).send();
    tokio::select! {
        answer = call => panic!("answered before the hang-up: {answer:?}"),
        () = until(endpoint, || server.emulator.request_count(endpoint) >= count) => {}
    }
    tokio::time::sleep(NOTICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_after_timeout_finds_the_created_session() {
    let server = TestServer::with(&[("KASM_REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let earlier = server.session().await;
    let image = server.image("kasmweb/terminal:1.19.0");
    let late = Fault::TimeoutAfterEffect(Duration::from_secs(60));
    server.emulator.fail_next("request_kasm", late, 1);
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_eq!(data["operational_status"], "running");
    assert_eq!(server.emulator.request_count("request_kasm"), 2);
    let sessions = server.emulator.sessions();
    assert_eq!(sessions.len(), 2, "the earlier one and one more");
    let new: Vec<_> = sessions.iter().filter(|s| s.kasm_id != earlier).collect();
    assert_eq!(data["kasm_id"], new[0].kasm_id);
    assert_eq!(new[0].image_id, image);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_after_timeout_never_takes_another_users_session() {
    let server = TestServer::with(&[("KASM_REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let theirs = json!({
        "user_id": server.emulator.other_user_id(),
        "image_id": server.image("kasmweb/terminal:1.19.0"),
    });
    server.kasm("request_kasm", theirs).await;
    let other_image = json!({ "image_name": "Firefox" });
    server.ok("create_kasm_session", other_image).await;
    let before = server.emulator.sessions();
    // The caller goes before Kasm looks at the call, so nothing happens.
    let late = Fault::Latency(Duration::from_secs(60));
    server.emulator.fail_next("request_kasm", late, 1);
    let reply = server
        .fails("create_kasm_session", terminal(), "timeout")
        .await;
    assert!(words(&reply).0.contains("within 1 s"), "{reply}");
    assert!(words(&reply).1.contains("list_user_sessions"), "{reply}");
    assert_eq!(server.emulator.sessions(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_hang_up_during_request_makes_one_session() {
    let server = TestServer::start().await;
    let late = Fault::TimeoutAfterEffect(Duration::from_millis(600));
    server.emulator.fail_next("request_kasm", late, 1);
    hang_up_after(&server, terminal(), "request_kasm", 1).await;
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_eq!(server.emulator.request_count("request_kasm"), 1);
    assert_eq!(data["kasm_id"], server.emulator.sessions()[0].kasm_id);
    assert_eq!(data["operational_status"], "running");
    // That call was answered, so the next one means another session.
    let next = server.ok("create_kasm_session", terminal()).await;
    assert_ne!(next["kasm_id"], data["kasm_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_hang_up_during_start_makes_one_session() {
    let server = slow(Duration::from_secs(1)).await;
    hang_up_after(&server, terminal(), "get_kasm_status", 1).await;
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_eq!(server.emulator.request_count("request_kasm"), 1);
    assert_eq!(server.emulator.sessions().len(), 1);
    assert_eq!(data["kasm_id"], server.emulator.sessions()[0].kasm_id);
    assert_eq!(data["operational_status"], "running");
    let next = server.ok("create_kasm_session", terminal()).await;
    assert_ne!(next["kasm_id"], data["kasm_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_two_hang_ups_makes_one_session() {
    let server = slow(Duration::from_secs(1)).await;
    hang_up_after(&server, terminal(), "get_kasm_status", 1).await;
    let looks = server.emulator.request_count("get_kasm_status");
    hang_up_after(&server, terminal(), "get_kasm_status", looks + 1).await;
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_eq!(server.emulator.request_count("request_kasm"), 1);
    assert_eq!(data["kasm_id"], server.emulator.sessions()[0].kasm_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_other_arguments_makes_another_session() {
    let server = slow(Duration::from_secs(1)).await;
    hang_up_after(&server, terminal(), "get_kasm_status", 1).await;
    let differs = json!({ "image_name": "Terminal", "environment": { "A": "1" }, "wait": false });
    server.ok("create_kasm_session", differs).await;
    assert_eq!(server.emulator.request_count("request_kasm"), 2);
    assert_eq!(server.emulator.sessions().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_session_ended_makes_a_new_one() {
    let server = slow(Duration::from_millis(600)).await;
    hang_up_after(&server, terminal(), "get_kasm_status", 1).await;
    let lost = server.emulator.sessions()[0].kasm_id.clone();
    assert!(server.emulator.kill_session(&lost));
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_ne!(data["kasm_id"], lost);
    assert_eq!(data["operational_status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_unheard_failure_asks_kasm_again() {
    let server = TestServer::start().await;
    let late = Fault::Latency(Duration::from_millis(200));
    server.emulator.fail_next("request_kasm", late, 1);
    server
        .emulator
        .configure(|profile| profile.capacity = Some(0));
    hang_up_after(&server, terminal(), "request_kasm", 1).await;
    until("Kasm has refused it", || {
        server.emulator.requests().last().unwrap().status == 200
    })
    .await;
    tokio::time::sleep(NOTICE).await;
    server.emulator.configure(|profile| profile.capacity = None);
    let data = server.ok("create_kasm_session", terminal()).await;
    assert_eq!(data["kasm_id"], server.emulator.sessions()[0].kasm_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_again_after_cancelled_call_makes_one_session() {
    let server = slow(Duration::from_secs(1)).await;
    let config = StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
    let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
    let params = CallToolRequestParams::new("create_kasm_session")
        .with_arguments(terminal().as_object().cloned().unwrap());
    let request = ClientRequest::CallToolRequest(Request::new(params.clone()));
    let call = client
        .send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
        .unwrap();
    until("it is being waited for", || {
        server.emulator.request_count("get_kasm_status") >= 1
    })
    .await;
    call.cancel(Some("no longer".to_owned())).await.unwrap();
    tokio::time::sleep(NOTICE).await;
    let result = client.call_tool(params).await.unwrap();
    let reply = result.structured_content.unwrap();
    assert_eq!(server.emulator.request_count("request_kasm"), 1);
    assert_eq!(
        reply["data"]["kasm_id"],
        server.emulator.sessions()[0].kasm_id,
        "{reply}"
    );
}
