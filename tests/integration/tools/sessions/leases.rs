//! Sessions that live while they are used, and no longer than their lease.

use std::time::Duration;

use jiff::Timestamp;
use kasm_emulator::{Emulator, Fault};
use kasm_mcp::app;
use kasm_mcp::clock::ManualClock;
use kasm_mcp::kasm::{Kasm, UserId};
use kasm_mcp::leases::{Leases, SessionUse};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::support::kasm::{until, words};
use crate::support::program::Program;
use crate::support::{TestServer, config, rpc};

const HOUR: Duration = Duration::from_secs(3_600);

/// A Kasm that gives up sessions soon.
async fn hasty(life: Duration) -> Emulator {
    let builder = Emulator::builder().start_time(Duration::from_millis(20));
    let builder = builder.keepalive_expiration(life);
    builder
        .transition_time(Duration::from_millis(50))
        .start()
        .await
        .unwrap()
}

fn leased(minutes: f64) -> Value {
    json!({ "image_name": "Terminal", "lease_minutes": minutes })
}

/// So many seconds in minutes.
fn seconds(seconds: f64) -> f64 {
    seconds / 60.0
}

async fn create(server: &TestServer, minutes: f64) -> String {
    let data = server.ok("create_kasm_session", leased(minutes)).await;
    assert_eq!(data["lease_minutes"], minutes, "{data}");
    data["kasm_id"].as_str().unwrap().to_owned()
}

async fn run(server: &TestServer, id: &str, command: &str) {
    let arguments = json!({ "kasm_id": id, "command": command });
    server.ok("execute_kasm_command", arguments).await;
}

/// Sessions that a server made, with leases that a clock of the test ends. That server has no part in
/// these leases.
struct TimedLeases {
    server: TestServer,
    kasm: Kasm,
    user: UserId,
    leases: Leases,
    clock: ManualClock,
}

impl TimedLeases {
    async fn start() -> Self {
        let server = TestServer::in_front_of(hasty(24 * HOUR).await, &[]).await;
        let kasm = app::kasm_client(&config(&server.emulator, &[]).kasm.unwrap()).unwrap();
        let clock = ManualClock::new(Timestamp::now());
        Self {
            user: server.emulator.user_id().parse().unwrap(),
            leases: Leases::new(kasm.clone(), None, clock.wall_clock()),
            server,
            kasm,
            clock,
        }
    }

    async fn session(&self, lease: Duration) -> String {
        let kasm_id = self.server.session().await;
        let given = self
            .leases
            .give_lease(self.user, kasm_id.parse().unwrap(), lease);
        given.unwrap();
        kasm_id
    }

    async fn begin_use(&self, kasm_id: &str) -> SessionUse {
        let kasm_id = kasm_id.parse().unwrap();
        let session = self.kasm.session_of(self.user, kasm_id).await.unwrap();
        self.leases.begin_use(self.user, kasm_id, &session)
    }

    /// Waits until `ended` has been destroyed, and asserts that `running` was not.
    async fn ends(&self, ended: &str, running: &str) {
        self.server.becomes(ended, None).await;
        let word = self.server.word_of(running);
        assert_eq!(word.as_deref(), Some("running"));
        let destroyed = self.server.bodies("destroy_kasm");
        assert!(destroyed.iter().all(|body| body["kasm_id"] != running));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_that_is_over_destroys_its_session() {
    let timed = TimedLeases::start().await;
    let (short, long) = (timed.session(HOUR).await, timed.session(2 * HOUR).await);
    timed.clock.advance_by(HOUR);
    timed.ends(&short, &long).await;
    timed.clock.advance_by(HOUR);
    timed.server.becomes(&long, None).await;
    assert_eq!(timed.server.bodies("destroy_kasm").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_does_not_end_during_a_call() {
    let timed = TimedLeases::start().await;
    let (used, left) = (timed.session(HOUR).await, timed.session(HOUR).await);
    let call = timed.begin_use(&used).await;
    timed.clock.advance_by(5 * HOUR);
    timed.ends(&left, &used).await;
    drop(call);
    timed.clock.advance_by(HOUR);
    timed.server.becomes(&used, None).await;
    assert_eq!(timed.server.bodies("destroy_kasm").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: Kasm's own expiry takes real seconds"]
async fn slow_session_in_use_outlives_kasms_expiry() {
    let server = TestServer::in_front_of(hasty(Duration::from_secs(6)).await, &[]).await;
    let (used, left) = (server.session().await, server.session().await);
    for _ in 0..18 {
        run(&server, &used, "true").await;
        sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(server.word_of(&used).as_deref(), Some("running"));
    assert_eq!(server.word_of(&left), None, "was not used");
    let sent = server.bodies("keepalive");
    assert!(sent.iter().all(|body| body["kasm_id"] == used), "{sent:?}");
    assert!(sent.len() >= 2, "{sent:?}");
    // And then it ends as Kasm wants.
    server.becomes(&used, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_and_status_calls_do_not_renew_a_lease() {
    let server = TestServer::in_front_of(hasty(Duration::from_secs(600)).await, &[]).await;
    let id = create(&server, seconds(2.0)).await;
    let end = Instant::now() + Duration::from_secs(15);
    let mut lists = 0;
    while server.word_of(&id).as_deref() == Some("running") {
        assert!(Instant::now() < end, "looking keeps it alive");
        let list = server.ok("list_user_sessions", json!({})).await;
        let listed = list["sessions"].as_array().unwrap().iter();
        for session in listed.filter(|session| session["kasm_id"] == id) {
            // One that is being destroyed has no lease any more.
            let Some(left) = session["lease_ends_in_seconds"].as_i64() else {
                continue;
            };
            assert!((-3..=2).contains(&left), "{session}");
            assert!(session["expiration_date"].is_string(), "{session}");
            lists += 1;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(lists > 5);
    server.becomes(&id, None).await;
    assert_eq!(server.bodies("destroy_kasm").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a person's page sends keepalives in real time"]
async fn slow_session_of_a_person_is_not_destroyed() {
    let server = TestServer::in_front_of(hasty(Duration::from_secs(30)).await, &[]).await;
    let (watched, left) = (
        create(&server, seconds(4.0)).await,
        create(&server, seconds(4.0)).await,
    );
    assert!(server.emulator.attach_viewer(&watched));
    server.becomes(&left, None).await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(server.word_of(&watched).as_deref(), Some("running"));
    assert!(server.emulator.detach_viewers(&watched));
    server.becomes(&watched, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_of_killed_server_is_ended_by_the_next() {
    let emulator = hasty(Duration::from_secs(600)).await;
    let directory = TempDir::new().unwrap();
    let state = directory.path().to_str().unwrap();
    let settings = [("MCP_STATE_DIR", state)];
    let first = Program::start(&emulator, directory.path(), "first", &settings).await;
    let leased_one = first.ok("create_kasm_session", leased(30.0)).await;
    let held = first.ok("create_kasm_session", leased(10.0)).await;
    let plain = first
        .ok("create_kasm_session", json!({ "image_name": "Terminal" }))
        .await;
    first.kill().await;
    let there = |session: &Value| {
        let sessions = emulator.sessions();
        sessions.iter().any(|s| session["kasm_id"] == s.kasm_id)
    };
    assert!(there(&leased_one), "no server was there to end it");
    // As if nobody had used it for a year.
    let file = directory.path().join("leases.json");
    let mut leases: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let entries = leases["leases"].as_array_mut().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        if entry["kasm_id"].as_str().unwrap().replace('-', "") == leased_one["kasm_id"] {
            entry["used"] = "2025-01-01T00:00:00Z".into();
        }
    }
    std::fs::write(&file, leases.to_string()).unwrap();
    let second = Program::start(&emulator, directory.path(), "second", &settings).await;
    until("the abandoned session is gone", || !there(&leased_one)).await;
    let list = second.ok("list_user_sessions", json!({})).await;
    let listed = list["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{list}");
    for session in listed {
        let lease = if session["kasm_id"] == held["kasm_id"] {
            json!(10.0)
        } else {
            assert_eq!(session["kasm_id"], plain["kasm_id"]);
            Value::Null
        };
        assert_eq!(session["lease_minutes"], lease);
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(directory.path().join("leases.json"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn second_server_in_one_state_directory_warns() {
    let emulator = hasty(Duration::from_secs(600)).await;
    let directory = TempDir::new().unwrap();
    let settings = [
        ("MCP_STATE_DIR", directory.path().to_str().unwrap()),
        ("MCP_AUDIT_FILE", "off"),
    ];
    let _first = Program::start(&emulator, directory.path(), "first", &settings).await;
    let second = Program::start(&emulator, directory.path(), "second", &settings).await;
    let reply = second
        .try_call("create_kasm_session", leased(5.0))
        .await
        .unwrap();
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("loses it at a restart"), "{reply}");
    let log = std::fs::read_to_string(directory.path().join("second")).unwrap();
    assert!(log.contains("in use by another kasm-mcp"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_lease_file_is_moved_aside() {
    let emulator = hasty(Duration::from_secs(600)).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("leases.json");
    std::fs::write(&file, "{ not json").unwrap();
    let settings = [("MCP_STATE_DIR", directory.path().to_str().unwrap())];
    let server = Program::start(&emulator, directory.path(), "log", &settings).await;
    server.ok("create_kasm_session", leased(5.0)).await;
    let aside = std::fs::read_to_string(directory.path().join("leases.json.unreadable"));
    assert_eq!(aside.unwrap(), "{ not json");
    let now: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(now["leases"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_after_hang_up_keeps_its_lease() {
    let server = TestServer::in_front_of(hasty(Duration::from_secs(600)).await, &[]).await;
    let late = Fault::TimeoutAfterEffect(Duration::from_millis(600));
    server.emulator.fail_next("request_kasm", late, 1);
    let params = json!({ "name": "create_kasm_session", "arguments": leased(seconds(2.0)) });
    let call = tokio::spawn(server.post(&rpc("tools/call", params)).send());
    until("Kasm was asked", || {
        server.bodies("request_kasm").len() == 1
    })
    .await;
    call.abort();
    assert!(call.await.is_err(), "answered before the hang-up");
    until("it was made", || server.emulator.sessions().len() == 1).await;
    until("it is destroyed", || server.emulator.sessions().is_empty()).await;
    assert_eq!(server.bodies("destroy_kasm").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_impossible_lease_is_validation() {
    let server = TestServer::with(&[("KASM_LEASE_MAX_MINUTES", "30")]).await;
    for minutes in [0.0, -1.0, 30.5, 1e300] {
        let reply = server
            .fails_as(
                "create_kasm_session",
                leased(minutes),
                "validation",
                "lease_invalid",
            )
            .await;
        assert!(words(&reply).0.contains("lease_minutes"), "{reply}");
        assert!(words(&reply).1.contains("30"), "{reply}");
    }
    assert_eq!(server.bodies("request_kasm").len(), 0);
}
