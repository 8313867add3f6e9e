//! How output comes out of a workspace, what it costs, and what is said where it cannot.

use serde_json::json;

use super::{emulator, relayed, server};
use crate::support::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn command_with_downloads_forbidden_uses_the_relay() {
    let server = relayed().await;
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let id = server.session().await;
    let data = server.run(&id, "echo out; echo err >&2; exit 3").await;
    assert_eq!(data["output_channel"], "relay");
    assert_eq!(data["stdout"], "out\n");
    assert_eq!(data["stderr"], "err\n");
    assert_eq!(data["exit_code"], 3);
    let args =
        json!({ "kasm_id": id, "command": "echo a; sleep 0.6; echo b; exit 4", "wait_seconds": 0 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["running"], true);
    let job = data["job_id"].as_str().unwrap();
    let (stdout, _, last) = server.read_on(&id, job, 0).await;
    assert_eq!(stdout, "a\nb\n");
    assert_eq!(last["exit_code"], 4);
    assert_eq!(last["output_channel"], "relay");
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_works_without_curl_or_wget_in_image() {
    for (curl, wget) in [(false, true), (false, false)] {
        let server = relayed().await;
        server.emulator.configure(|profile| {
            profile.downloads_allowed = false;
            profile.curl = curl;
            profile.wget = wget;
        });
        let id = server.session().await;
        let data = server.run(&id, "echo out; exit 3").await;
        assert_eq!(
            data["output_channel"], "relay",
            "curl {curl}, wget {wget}: {data}"
        );
        assert_eq!(data["stdout"], "out\n");
        assert_eq!(data["exit_code"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_refused_during_a_command_change_to_relay() {
    let server = relayed().await;
    let id = server.session().await;
    assert_eq!(server.run(&id, "true").await["output_channel"], "downloads");
    server
        .emulator
        .configure(|profile| profile.plane_policy_status = 403);
    let args = json!({ "kasm_id": id, "command": "sleep 0.5; echo late; exit 6" });
    let call = server.ok("execute_kasm_command", args);
    let forbid = async {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        server
            .emulator
            .configure(|profile| profile.downloads_allowed = false);
    };
    let (data, ()) = tokio::join!(call, forbid);
    assert_eq!(data["output_channel"], "relay", "{data}");
    assert_eq!(data["stdout"], "late\n");
    assert_eq!(data["exit_code"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_without_output_channel_has_no_exit_code() {
    let server = server(&[]).await;
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "echo out; exit 3" });
    let reply = server.call("execute_kasm_command", args).await;
    assert_eq!(reply["success"], true, "{reply}");
    let data = &reply["data"];
    assert_eq!(data["output_channel"], "none");
    assert!(data["exit_code"].is_null(), "{data}");
    assert_eq!(data["stdout"], "");
    let message = reply["message"].as_str().unwrap();
    for word in ["allow_kasm_downloads", "MCP_PUBLIC_URL", "was sent"] {
        assert!(message.contains(word), "{message}");
    }
    let args = json!({ "kasm_id": id, "job_id": data["job_id"] });
    let reply = server
        .fails_as(
            "get_command_output",
            args,
            "unavailable",
            "no_output_channel",
        )
        .await;
    assert!(
        reply["hint"]
            .as_str()
            .unwrap()
            .contains("allow_kasm_downloads")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn short_command_takes_few_requests() {
    let server = server(&[]).await;
    let id = server.session().await;
    let mut costs = Vec::new();
    // The first ones teach how long the shortest take here.
    for _ in 0..8 {
        let before = server.emulator.plane_requests(&id);
        server.run(&id, "true").await;
        costs.push(server.emulator.plane_requests(&id) - before);
    }
    assert!(costs[2..].contains(&1), "{costs:?}");
    assert!(
        costs.iter().filter(|cost| **cost <= 3).count() >= 5,
        "{costs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: that nothing is sent takes a second to see"]
async fn slow_job_without_waiting_call_is_not_polled() {
    let server = server(&[]).await;
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "sleep 3", "wait_seconds": 1 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["running"], true);
    let after = server.emulator.plane_requests(&id);
    assert!(after <= 12, "{after}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.emulator.plane_requests(&id), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_job_takes_few_requests_with_and_without_wait() {
    let server = server(&[]).await;
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "sleep 3600", "wait_seconds": 0 });
    let data = server.ok("execute_kasm_command", args).await;
    let mut args = json!({ "kasm_id": id, "job_id": data["job_id"] });
    let mut before = server.emulator.plane_requests(&id);
    for (wait, most) in [(0, 12), (0, 12), (6, 20)] {
        args["wait_seconds"] = wait.into();
        let data = server.ok("get_command_output", args.clone()).await;
        assert_eq!(data["running"], true);
        let now = server.emulator.plane_requests(&id);
        assert!(now - before <= most, "{wait} s: {}", now - before);
        before = now;
    }
    server
        .ok(
            "stop_command",
            json!({ "kasm_id": id, "job_id": data["job_id"] }),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_command_output_on_another_server_finds_the_job() {
    let first = server(&[]).await;
    let id = first.session().await;
    let command = "for i in 1 2 3 4; do echo $i; sleep 0.3; done; exit 9";
    let args = json!({ "kasm_id": id, "command": command, "wait_seconds": 0 });
    let data = first.ok("execute_kasm_command", args).await;
    let second = TestServer::in_front_of_other(&first).await;
    let job = data["job_id"].as_str().unwrap();
    let (stdout, _, last) = second.read_on(&id, job, 0).await;
    assert_eq!(stdout, "1\n2\n3\n4\n");
    assert_eq!(last["exit_code"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_proxy_login_refused_is_made_again() {
    let emulator = emulator().await;
    emulator.configure(|profile| profile.status_invalidates_tokens = true);
    let server = TestServer::in_front_of(emulator, &[]).await;
    let id = server.session().await;
    for _ in 0..3 {
        assert_eq!(server.run(&id, "exit 2").await["exit_code"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_command_output_after_session_died_is_not_found() {
    let server = server(&[]).await;
    let id = server.session().await;
    let args = json!({ "kasm_id": id, "command": "echo on; sleep 30", "wait_seconds": 0 });
    let data = server.ok("execute_kasm_command", args).await;
    server.emulator.kill_session(&id);
    let args = json!({ "kasm_id": id, "job_id": data["job_id"], "wait_seconds": 1 });
    server.fails("get_command_output", args, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_with_unknown_address_is_404() {
    let server = relayed().await;
    let guess = "0".repeat(64);
    for path in [
        format!("{guess}/0"),
        format!("{guess}/hello"),
        "x/y".to_owned(),
    ] {
        let answer = server
            .http
            .post(format!("{}/relay/{path}", server.base))
            .body("kmcp1")
            .send();
        assert_eq!(answer.await.unwrap().status(), 404, "{path}");
    }
    let answer = server
        .http
        .get(format!("{}/relay/{guess}/0", server.base))
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 405);
}
