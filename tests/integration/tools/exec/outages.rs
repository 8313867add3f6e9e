//! The session's web server is away for a while, or for good: what that costs, and what is said of it.

use kasm_emulator::Fault;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server;
use crate::support::TestServer;

/// The web server of the sessions, and how it fails as long as nobody mends it.
const WEB_SERVER: &str = "desktop/vnc";
const FOR_GOOD: usize = usize::MAX;

/// Runs a command and does not wait for it.
async fn dispatched(server: &TestServer, kasm_id: &str, command: &str) -> Value {
    let args = json!({ "kasm_id": kasm_id, "command": command, "wait_seconds": 0 });
    server.ok("execute_kasm_command", args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hiccup_costs_no_output() {
    let server = server(&[]).await;
    let id = server.session().await;
    server.run(&id, "true").await;
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(502),
        Fault::ConnectionReset,
    ];
    for fault in faults {
        server.emulator.fail_next(WEB_SERVER, fault.clone(), 5);
        let data = server.run(&id, "echo out; exit 3").await;
        assert_eq!(data["stdout"], "out\n", "{fault:?}: {data}");
        assert_eq!(data["exit_code"], 3, "{fault:?}: {data}");
        assert_eq!(data["output_channel"], "downloads", "{fault:?}");
        server.emulator.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ran_through_an_outage_is_read_afterwards() {
    let server = server(&[]).await;
    let id = server.session().await;
    server.run(&id, "echo here > ~/f").await;
    let read = json!({ "kasm_id": id, "file_path": "/home/kasm-user/f" });
    for status in [502, 401, 403] {
        let fault = Fault::Status(status);
        server.emulator.fail_next(WEB_SERVER, fault, FOR_GOOD);
        let data = dispatched(&server, &id, "echo kept; exit 4").await;
        assert_eq!(data["running"], Value::Null, "{data}");
        assert_eq!(data["exit_code"], Value::Null, "{data}");
        let job = json!({ "kasm_id": id, "job_id": data["job_id"] });
        let (tool, code) = ("get_command_output", "session_unreachable");
        server
            .fails_as(tool, job.clone(), "unavailable", code)
            .await;
        // A script whose result cannot be read is not sent at all.
        let sent = server.emulator.commands().len();
        server
            .fails_as("read_kasm_file", read.clone(), "unavailable", code)
            .await;
        assert_eq!(server.emulator.commands().len(), sent);

        server.emulator.clear_faults();
        let mut job = job;
        job["wait_seconds"] = 10.into();
        let data = server.ok(tool, job).await;
        assert_eq!(data["stdout"], "kept\n", "{status}: {data}");
        assert_eq!(data["exit_code"], 4, "{status}: {data}");
        let file = server.ok("read_kasm_file", read.clone()).await;
        assert_eq!(file["content"], "here\n", "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_desktop_ends_the_rest_of_the_channel() {
    let server = server(&[]).await;
    let id = server.session().await;
    server.run(&id, "echo here > ~/f").await;
    let fault = Fault::Status(502);
    server.emulator.fail_next(WEB_SERVER, fault, FOR_GOOD);
    dispatched(&server, &id, "true").await;
    server.emulator.clear_faults();
    let look = json!({ "kasm_id": id });
    server.call("get_session_screenshot", look).await;
    let read = json!({ "kasm_id": id, "file_path": "/home/kasm-user/f" });
    let file = server.ok("read_kasm_file", read).await;
    assert_eq!(file["content"], "here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_stopped_during_an_outage() {
    let server = server(&[]).await;
    let id = server.session().await;
    let data = server.run(&id, "true").await;
    assert_eq!(data["exit_code"], 0);
    let args = json!({ "kasm_id": id, "command": "echo on; sleep 60", "wait_seconds": 1 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["stdout"], "on\n");
    server.emulator.fail_next(WEB_SERVER, Fault::Status(502), 4);
    let job = json!({ "kasm_id": id, "job_id": data["job_id"] });
    let stopped = server.ok("stop_command", job).await;
    assert_eq!(stopped["signalled"], true);
    assert_eq!(stopped["processes_left"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nothing_listens_at_is_named() {
    let server = server(&[]).await;
    let probe = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    server
        .emulator
        .configure(|profile| profile.proxy_port = Some(port));
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "true", "wait_seconds": 0 });
    let reply = server.call("execute_kasm_command", args).await;
    assert_eq!(reply["success"], true, "{reply}");
    assert_eq!(reply["data"]["running"], Value::Null, "{reply}");
    let address = format!("http://127.0.0.1:{port}");
    assert!(
        reply["message"].as_str().unwrap().contains(&address),
        "{reply}"
    );
    let job = json!({ "kasm_id": id, "job_id": reply["data"]["job_id"], "wait_seconds": 1 });
    let (tool, code) = ("get_command_output", "session_unreachable");
    let reply = server.fails_as(tool, job, "unavailable", code).await;
    assert!(
        reply["error"].as_str().unwrap().contains(&address),
        "{reply}"
    );
    let diagnosis = server.ok("diagnose_kasm", json!({ "kasm_id": id })).await;
    let checks = diagnosis["checks"].as_array().unwrap();
    let downloads = checks.iter().find(|check| check["what"] == "downloads");
    let downloads = downloads.unwrap();
    assert_eq!(downloads["works"], false, "{downloads}");
    let problem = downloads["problem"].as_str().unwrap();
    assert!(problem.contains(&address), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_goes_on_at_the_pace_of_the_last() {
    let server = server(&[]).await;
    let id = server.session().await;
    let data = dispatched(&server, &id, "sleep 3600").await;
    let job = json!({ "kasm_id": id, "job_id": data["job_id"], "wait_seconds": 0 });
    server.ok("get_command_output", job.clone()).await;
    let before = server.emulator.plane_requests(&id);
    for _ in 0..10 {
        let data = server.ok("get_command_output", job.clone()).await;
        assert_eq!(data["running"], true);
    }
    // One look each, and now and then a proof that the job is still there.
    let cost = server.emulator.plane_requests(&id) - before;
    assert!(cost <= 16, "{cost}");
    let kill = json!({ "kasm_id": id, "job_id": data["job_id"], "signal": "KILL" });
    server.ok("stop_command", kill).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a job is quiet after a minute, and a minute is counted"]
async fn slow_a_quiet_job_costs_six_requests_a_minute() {
    let server = server(&[("MCP_TOOL_TIMEOUT_SECONDS", "120")]).await;
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "sleep 3600", "wait_seconds": 10 });
    let data = server.ok("execute_kasm_command", args).await;
    let job = json!({ "kasm_id": id, "job_id": data["job_id"], "wait_seconds": 10 });
    for _ in 0..10 {
        server.ok("get_command_output", job.clone()).await;
    }
    let before = server.emulator.plane_requests(&id);
    for _ in 0..6 {
        server.ok("get_command_output", job.clone()).await;
    }
    let cost = server.emulator.plane_requests(&id) - before;
    assert!(cost <= 6, "{cost}");
}
