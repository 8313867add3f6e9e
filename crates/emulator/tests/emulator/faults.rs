//! Faults on demand.

use std::time::{Duration, Instant};

use kasm_emulator::Fault;
use serde_json::{Map, Value, json};

use super::support::Server;

const SOON: Duration = Duration::from_millis(80);

fn credentials(server: &Server) -> Map<String, Value> {
    let (key, secret) = server.key();
    let body = json!({
        "api_key": key, "api_key_secret": secret,
        "image_id": server.image_id(), "user_id": server.user_id(),
    });
    body.as_object().cloned().unwrap()
}

#[tokio::test]
async fn fail_next_affects_only_that_many_calls() {
    let server = Server::start().await;
    server.fail_next("get_kasms", Fault::Status(502), 2);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(server.call("get_kasms", json!({})).await.status);
    }
    assert_eq!(statuses, [502, 502, 200]);
    assert_eq!(server.call("get_images", json!({})).await.status, 200);
}

#[tokio::test]
async fn fail_nth_affects_only_that_call() {
    let server = Server::start().await;
    server.fail_nth("get_kasms", Fault::HtmlError, 2);
    assert_eq!(server.call("get_kasms", json!({})).await.status, 200);
    assert!(server.call("get_kasms", json!({})).await.is_html_crash());
    server.fail_next("get_kasms", Fault::HtmlError, 5);
    server.clear_faults();
    assert_eq!(server.call("get_kasms", json!({})).await.status, 200);
}

#[tokio::test]
async fn refusal_faults_have_known_texts_and_no_effect() {
    let server = Server::start().await;
    let fields = json!({"image_id": server.image_id(), "user_id": server.user_id()});
    for (fault, text) in [
        (Fault::NoResources, "No resources are available"),
        (Fault::LicenceLimit, "license limit exceeded"),
        (Fault::UnableToCreate, "Unable to create session"),
        (Fault::ErrorMessage("Out of tea".into()), "Out of tea"),
    ] {
        server.fail_next("request_kasm", fault, 1);
        let error = server.fails("request_kasm", fields.clone()).await;
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(server.sessions(), []);
}

#[tokio::test]
async fn forbidden_fault_is_403_unauthorized() {
    let server = Server::start().await;
    server.fail_next("get_images", Fault::Forbidden, 1);
    let reply = server.call("get_images", json!({})).await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (403, "Unauthorized")
    );
}

#[tokio::test]
async fn latency_fault_delays_the_answer() {
    let server = Server::start().await;
    for fault in [Fault::Latency(SOON), Fault::SlowBody(SOON)] {
        server.fail_next("get_images", fault, 1);
        let before = Instant::now();
        assert!(server.get("get_images", json!({})).await["images"].is_array());
        assert!(before.elapsed() >= SOON);
    }
}

#[tokio::test]
async fn timeout_after_effect_fault_still_makes_the_session() {
    let server = Server::start().await;
    let late = Fault::TimeoutAfterEffect(Duration::from_secs(60));
    server.fail_next("request_kasm", late, 1);
    let request = server
        .http()
        .post(server.at("/api/public/request_kasm"))
        .timeout(Duration::from_millis(300))
        .json(&credentials(&server));
    let error = request.send().await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test]
async fn connection_reset_fault_has_no_answer_or_effect() {
    let server = Server::start().await;
    server.fail_next("request_kasm", Fault::ConnectionReset, 1);
    let path = "/api/public/request_kasm";
    let answer = server.try_post(path, credentials(&server)).await;
    assert!(answer.is_err());
    assert_eq!(server.sessions(), []);
    assert_eq!(server.requests()[0].status, 0);
    let answer = server.try_post(path, credentials(&server)).await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn invalid_json_fault_is_200_with_broken_json() {
    let server = Server::start().await;
    server.fail_next("request_kasm", Fault::InvalidJson, 1);
    let fields = json!({"image_id": server.image_id(), "user_id": server.user_id()});
    let reply = server.call("request_kasm", fields).await;
    assert_eq!(reply.status, 200);
    assert!(reply.kind.starts_with("application/json"));
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    assert_eq!(server.sessions().len(), 1);
}

#[tokio::test]
async fn healthcheck_with_status_fault_fails() {
    let server = Server::start().await;
    server.fail_next("__healthcheck", Fault::Status(503), 1);
    let url = server.at("/api/__healthcheck");
    let status = server.http().get(&url).send().await.unwrap().status();
    assert_eq!(status, 503);
    assert_eq!(server.http().get(&url).send().await.unwrap().status(), 200);
}
