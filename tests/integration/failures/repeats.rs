//! Kasm stumbles: what is repeated, what is not, what is remembered.

use std::time::Duration;

use kasm_emulator::{Fault, Mount};
use serde_json::{Value, json};

use super::told;
use crate::support::TestServer;

const LONG: Duration = Duration::from_secs(60);
const TRY_AGAIN: &str = "try again in a moment";

/// A fault, and what a caller hears of it when it stays.
struct Stumble {
    fault: Fault,
    error_type: &'static str,
    error: &'static str,
    hint: &'static str,
    /// Whether a read is tried again.
    repeated: bool,
}

fn stumbles() -> Vec<Stumble> {
    let unavailable = |fault, error| Stumble {
        fault,
        error_type: "unavailable",
        error,
        hint: TRY_AGAIN,
        repeated: true,
    };
    let late = |fault| Stumble {
        fault,
        error_type: "timeout",
        error: "within 1 s",
        hint: "check the state (list_user_sessions)",
        repeated: true,
    };
    vec![
        unavailable(Fault::Status(500), "Emulated failure (HTTP 500)"),
        unavailable(Fault::Status(503), "HTTP 503"),
        unavailable(Fault::HtmlError, "an error page (HTTP 500"),
        unavailable(Fault::ConnectionReset, "Kasm is not available"),
        late(Fault::Latency(LONG)),
        late(Fault::SlowBody(LONG)),
        Stumble {
            fault: Fault::InvalidJson,
            error_type: "api",
            error: "the body is not a JSON object",
            hint: "report this to the operator",
            repeated: false,
        },
    ]
}

const QUICK: [(&str, &str); 3] = [
    ("KASM_TIMEOUT_SECONDS", "1"),
    ("KASM_REQUEST_TIMEOUT_SECONDS", "1"),
    ("KASM_RETRIES", "1"),
];

#[tokio::test(flavor = "multi_thread")]
async fn kasm_read_that_fails_is_retried() {
    for stumble in stumbles() {
        let server = TestServer::with(&QUICK).await;
        if stumble.repeated {
            server
                .emulator
                .fail_next("get_kasms", stumble.fault.clone(), 1);
            server.ok("list_user_sessions", json!({})).await;
            assert_eq!(server.emulator.request_count("get_kasms"), 2);
        }
        let before = server.emulator.request_count("get_kasms");
        let case = format!("{:?}", stumble.fault);
        server.emulator.fail_next("get_kasms", stumble.fault, 100);
        let call = ("list_user_sessions", json!({}));
        let words = (stumble.error, stumble.hint);
        told(&server, call, stumble.error_type, words).await;
        let calls = server.emulator.request_count("get_kasms") - before;
        assert_eq!(calls, 1 + usize::from(stumble.repeated), "{case}");
        server.emulator.clear_faults();
        server.ok("list_user_sessions", json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_read_is_retried_as_often_as_the_setting() {
    for (settings, calls) in [(&[][..], 3), (&[("KASM_RETRIES", "0")][..], 1)] {
        let server = TestServer::with(settings).await;
        for (endpoint, tool) in [
            ("get_images", "get_available_workspaces"),
            ("get_users", "get_kasm_users"),
            ("get_kasms", "list_all_sessions"),
        ] {
            server.emulator.fail_next(endpoint, Fault::HtmlError, 100);
            let words = ("error page", TRY_AGAIN);
            told(&server, (tool, json!({})), "unavailable", words).await;
            assert_eq!(server.emulator.request_count(endpoint), calls, "{endpoint}");
        }
    }
}

/// Every tool that changes something, and where.
fn writes(session: &str, other: &str) -> Vec<(&'static str, &'static str, Value)> {
    let of_session = json!({ "kasm_id": session });
    let viewer = json!({ "kasm_id": session, "user_id": other });
    let of_user = json!({ "user_id": other });
    vec![
        (
            "request_kasm",
            "create_kasm_session",
            json!({ "image_name": "Terminal" }),
        ),
        ("pause_kasm", "pause_kasm_session", of_session.clone()),
        ("keepalive", "extend_kasm_session", of_session.clone()),
        ("set_session_permissions", "share_kasm_session", viewer),
        ("destroy_kasm", "destroy_kasm_session", of_session),
        (
            "create_user",
            "create_kasm_user",
            json!({ "username": "new", "password": "pass" }),
        ),
        (
            "update_user",
            "update_kasm_user",
            json!({ "user_id": other, "phone": "1" }),
        ),
        ("logout_user", "logout_kasm_user", of_user.clone()),
        ("delete_user", "delete_kasm_user", of_user),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_write_that_fails_is_not_retried() {
    let server = TestServer::with(&QUICK).await;
    let session = server.session().await;
    let other = server.emulator.other_user_id().to_owned();
    let (sessions, users) = (server.emulator.sessions(), server.emulator.users());
    for (endpoint, tool, arguments) in writes(&session, &other) {
        // None of these has an effect.
        for fault in [Fault::Status(500), Fault::HtmlError, Fault::ConnectionReset] {
            let before = server.emulator.request_count(endpoint);
            server.emulator.fail_next(endpoint, fault.clone(), 1);
            let call = (tool, arguments.clone());
            told(&server, call, "unavailable", ("Kasm is not", TRY_AGAIN)).await;
            let calls = server.emulator.request_count(endpoint) - before;
            assert_eq!(calls, 1, "{endpoint} {fault:?}");
        }
    }
    assert_eq!(server.emulator.sessions(), sessions);
    assert_eq!(server.emulator.users(), users);
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_write_that_times_out_is_sent_once() {
    let server = TestServer::with(&QUICK).await;
    let session = server.session().await;
    let other = server.emulator.other_user_id().to_owned();
    for (endpoint, tool, arguments) in writes(&session, &other) {
        let before = server.emulator.request_count(endpoint);
        server.emulator.fail_next(endpoint, Fault::Latency(LONG), 1);
        let words = ("within 1 s", "may have taken effect");
        told(&server, (tool, arguments), "timeout", words).await;
        let calls = server.emulator.request_count(endpoint) - before;
        assert_eq!(calls, 1, "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_survives_failing_polls() {
    let server = TestServer::start().await;
    for fault in [Fault::HtmlError, Fault::ConnectionReset] {
        // More than the repeats of one poll.
        let case = format!("{fault:?}");
        let before = server.emulator.request_count("get_kasm_status");
        server.emulator.fail_next("get_kasm_status", fault, 4);
        server.session().await;
        let polls = server.emulator.request_count("get_kasm_status") - before;
        assert!(polls > 4, "{case}: four failed, and {polls} were sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_endpoint_on_another_mount_is_found_and_remembered() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.emulator.attach_viewer(&session);
    let of_session = json!({ "kasm_id": session });
    for (endpoint, mount, path, tool, arguments) in [
        (
            "get_kasms",
            Mount::Admin,
            "/api/admin",
            "list_user_sessions",
            json!({}),
        ),
        (
            "get_kasm_frame_stats",
            Mount::Admin,
            "/api/admin",
            "get_session_frame_stats",
            of_session.clone(),
        ),
        (
            "keepalive",
            Mount::Ui,
            "/api",
            "extend_kasm_session",
            of_session.clone(),
        ),
        (
            "get_session_recordings",
            Mount::Admin,
            "/api/admin",
            "get_session_recordings",
            of_session,
        ),
    ] {
        server.emulator.configure(|profile| {
            profile.mounts.insert(endpoint.to_owned(), mount);
        });
        let (here, there) = (
            format!("/api/public/{endpoint}"),
            format!("{path}/{endpoint}"),
        );
        for expected in [vec![here, there.clone()], vec![there]] {
            let before = server.emulator.requests().len();
            server.ok(tool, arguments.clone()).await;
            let mut paths = server.paths_since(before);
            paths.retain(|path| path.ends_with(&format!("/{endpoint}")));
            assert_eq!(paths, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kasm_endpoint_on_no_mount_is_api_error() {
    let server = TestServer::start().await;
    server.emulator.configure(|profile| {
        profile.mounts.insert("get_kasms".to_owned(), Mount::Ui);
    });
    let words = ("does not have the endpoint", "report this to the operator");
    let call = ("list_user_sessions", json!({}));
    told(&server, call, "api", words).await;
    assert_eq!(
        server.emulator.request_count("get_kasms"),
        2,
        "each mount once"
    );
}
