//! `destroy_kasm_session`, `pause_kasm_session`, `resume_kasm_session`, `extend_kasm_session`.

use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::words;

/// What Kasm gets to know who acts on which session.
fn named(server: &TestServer, session: &str) -> Value {
    json!({ "kasm_id": session, "user_id": server.emulator.user_id() })
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_kasm_session_removes_only_that_session() {
    let server = TestServer::start().await;
    let (session, kept) = (server.session().await, server.session().await);
    let arguments = json!({ "kasm_id": session });
    let data = server.ok("destroy_kasm_session", arguments.clone()).await;
    assert_eq!(data, arguments);
    assert_eq!(server.bodies("destroy_kasm"), [named(&server, &session)]);
    server.becomes(&session, None).await;
    assert_eq!(server.word_of(&kept).as_deref(), Some("running"));
    for tool in ["destroy_kasm_session", "get_session_status"] {
        server.fails(tool, arguments.clone(), "not_found").await;
    }
    assert_eq!(server.emulator.request_count("destroy_kasm"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_kasm_session_while_deleting_succeeds_again() {
    let server = TestServer::start().await;
    server
        .emulator
        .configure(|profile| profile.transition_time = Duration::from_secs(600));
    let arguments = json!({ "kasm_id": server.session().await });
    for _ in 0..2 {
        server.ok("destroy_kasm_session", arguments.clone()).await;
    }
    for tool in ["pause_kasm_session", "resume_kasm_session"] {
        let reply = server.fails(tool, arguments.clone(), "conflict").await;
        assert!(words(&reply).0.contains("`deleting`"), "{reply}");
        assert!(words(&reply).1.contains("get_session_status"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_resume_change_the_status_in_kasm() {
    let emulator = Emulator::builder()
        .start_time(Duration::from_millis(100))
        .transition_time(Duration::from_millis(100))
        .start()
        .await
        .unwrap();
    let server = TestServer::in_front_of(emulator, &[]).await;
    server
        .emulator
        .configure(|profile| profile.leaving_word = Some("dozing_off".to_owned()));
    let session = server.session().await;
    let arguments = json!({ "kasm_id": session });
    for (tool, endpoint, word) in [
        ("pause_kasm_session", "pause_kasm", "paused"),
        ("resume_kasm_session", "resume_kasm", "running"),
    ] {
        let data = server.ok(tool, arguments.clone()).await;
        assert_eq!(data["operational_status"], word);
        assert_eq!(data["kasm_id"], session);
        assert_eq!(server.word_of(&session).as_deref(), Some(word));
        assert_eq!(server.bodies(endpoint), [named(&server, &session)]);
        // Once more changes nothing, and says so.
        let reply = server.call(tool, arguments.clone()).await;
        assert_eq!(reply["data"]["operational_status"], word, "{reply}");
        let message = reply["message"].as_str().unwrap();
        assert!(message.contains("already"), "{reply}");
        assert_eq!(server.emulator.request_count(endpoint), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_session_resumes_but_does_not_pause() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.kasm("stop_kasm", named(&server, &session)).await;
    server.becomes(&session, Some("stopped")).await;
    let arguments = json!({ "kasm_id": session });
    let reply = server.call("get_session_status", arguments.clone()).await;
    assert_eq!(reply["data"]["operational_status"], "stopped");
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("resume_kasm_session"),
        "{reply}"
    );
    let reply = server
        .fails("pause_kasm_session", arguments.clone(), "conflict")
        .await;
    assert!(words(&reply).0.contains("`stopped`"), "{reply}");
    assert!(words(&reply).1.contains("resume_kasm_session"), "{reply}");
    assert_eq!(server.emulator.request_count("pause_kasm"), 0);
    let data = server.ok("resume_kasm_session", arguments).await;
    assert_eq!(data["operational_status"], "running");
    assert_eq!(server.word_of(&session).as_deref(), Some("running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_refused_by_kasm_is_api_error_with_its_text() {
    let server = TestServer::start().await;
    let windows = json!({ "image_name": "Windows Accounting" });
    let windows = server.ok("create_kasm_session", windows).await;
    let arguments = json!({ "kasm_id": windows["kasm_id"] });
    let kind = server.fails("pause_kasm_session", arguments, "api").await;
    server
        .emulator
        .configure(|profile| profile.pause_allowed = false);
    let session = server.session().await;
    let arguments = json!({ "kasm_id": session });
    let policy = server.fails("pause_kasm_session", arguments, "api").await;
    assert_ne!(words(&kind).0, words(&policy).0);
    for reply in [kind, policy] {
        assert!(words(&reply).0.starts_with("Kasm refused"), "{reply}");
        assert!(words(&reply).1.contains("from Kasm"), "{reply}");
    }
    assert_eq!(server.word_of(&session).as_deref(), Some("running"));
}

async fn expiry(server: &TestServer, session: &str) -> Value {
    let status = json!({ "kasm_id": session });
    let status = server.ok("get_session_status", status).await;
    status["expiration_date"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn extend_kasm_session_moves_the_expiration_date() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let before = expiry(&server, &session).await;
    server
        .emulator
        .configure(|profile| profile.keepalive_expiration = Duration::from_secs(7200));
    let arguments = json!({ "kasm_id": session });
    let reply = server.call("extend_kasm_session", arguments).await;
    let after = &reply["data"]["expiration_date"];
    assert!(before.as_str() < after.as_str(), "{before} {reply}");
    assert_eq!(*after, expiry(&server, &session).await);
    let left = reply["data"]["expires_in_seconds"].as_i64().unwrap();
    assert!((7100..=7200).contains(&left), "{reply}");
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains(after.as_str().unwrap()), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn extend_kasm_session_with_time_limit_names_it() {
    let emulator = Emulator::builder()
        .start_time(Duration::from_millis(20))
        .profile(|profile| profile.session_time_limit = Some(Duration::from_secs(900)));
    let server = TestServer::in_front_of(emulator.start().await.unwrap(), &[]).await;
    let session = server.session().await;
    let before = expiry(&server, &session).await;
    let arguments = json!({ "kasm_id": session });
    let reply = server.call("extend_kasm_session", arguments.clone()).await;
    assert_eq!(reply["data"]["expiration_date"], before);
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("it has a time limit"), "{reply}");

    server
        .emulator
        .configure(|profile| profile.usage_reached = true);
    let reply = server
        .fails("extend_kasm_session", arguments, "conflict")
        .await;
    assert!(words(&reply).0.contains("usage limit"), "{reply}");
    assert!(words(&reply).1.contains("expiration_date"), "{reply}");
    assert_eq!(before, expiry(&server, &session).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn extend_kasm_session_of_expired_session_is_not_found() {
    let server = TestServer::start().await;
    let session = server.session().await;
    assert!(server.emulator.expire_session(&session));
    server.becomes(&session, None).await;
    let reply = server
        .fails(
            "extend_kasm_session",
            json!({ "kasm_id": session }),
            "not_found",
        )
        .await;
    assert!(words(&reply).1.contains("list_user_sessions"), "{reply}");
    assert_eq!(server.emulator.request_count("keepalive"), 0);
}
