//! What is left of a command after it was stopped, and of its folders.

use serde_json::{Value, json};

use super::server;
use crate::support::TestServer;
use crate::support::kasm::until;

/// Runs a command until it has made `~/ready`, and returns its job.
async fn started(server: &TestServer, kasm_id: &str, command: &str) -> Value {
    let args = json!({ "kasm_id": kasm_id, "command": command, "wait_seconds": 0 });
    let data = server.ok("execute_kasm_command", args).await;
    let ready = server.emulator.session_dir(kasm_id).unwrap().join("ready");
    until("the command has begun", || ready.exists()).await;
    json!({ "kasm_id": kasm_id, "job_id": data["job_id"] })
}

/// How many processes run whose command line matches.
async fn count(server: &TestServer, kasm_id: &str, pattern: &str) -> u32 {
    let data = server.run(kasm_id, &format!("pgrep -fc '{pattern}'")).await;
    data["stdout"].as_str().unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_what_made_a_session_of_its_own() {
    let server = server(&[]).await;
    let id = server.session().await;
    let commands = [
        // A session of its own, and no parent in the job any more.
        "setsid -f sleep 71",
        // The same in another group of the session.
        "(set -m; sleep 71 & disown) ",
        // Neither the environment nor the session of the job, but its parent.
        "env -i setsid -w sleep 71 & true",
    ];
    for command in commands {
        let script = format!("{command}; sleep 0.3; touch ~/ready; sleep 71");
        let job = started(&server, &id, &script).await;
        assert!(count(&server, &id, "sleep 7[1]").await >= 2, "{command}");
        let stopped = server.ok("stop_command", job).await;
        assert_eq!(stopped["signalled"], true, "{command}");
        assert_eq!(stopped["processes_left"], 0, "{command}: {stopped}");
        assert_eq!(count(&server, &id, "sleep 7[1]").await, 0, "{command}");
        server.run(&id, "rm ~/ready").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_stopped_when_its_command_is_over() {
    let server = server(&[]).await;
    let id = server.session().await;
    let data = server.run(&id, "setsid -f sleep 72 >/dev/null 2>&1").await;
    assert_eq!(data["exit_code"], 0);
    let other = server.run(&id, "setsid -f sleep 73 >/dev/null 2>&1").await;
    let job = json!({ "kasm_id": id, "job_id": data["job_id"] });
    let stopped = server.ok("stop_command", job.clone()).await;
    assert_eq!(stopped["signalled"], true, "{stopped}");
    assert_eq!(count(&server, &id, "sleep 7[2]").await, 0);
    assert_eq!(count(&server, &id, "sleep 7[3]").await, 1, "of another job");
    let again = server.ok("stop_command", job).await;
    assert_eq!(again["signalled"], false);
    let other = json!({ "kasm_id": id, "job_id": other["job_id"], "signal": "KILL" });
    server.ok("stop_command", other).await;
    assert_eq!(count(&server, &id, "sleep 7[3]").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_signal_leaves_is_told() {
    let server = server(&[]).await;
    let id = server.session().await;
    let job = started(
        &server,
        &id,
        "trap '' USR1; touch ~/ready; sleep 74; sleep 74",
    )
    .await;
    let mut signal = job.clone();
    signal["signal"] = "USR1".into();
    let report = server.ok("stop_command", signal).await;
    assert_eq!(report["signalled"], true);
    assert_eq!(report["processes_left"], 2, "{report}");
    let processes = report["processes"].as_array().unwrap();
    let sleep = processes.iter().find(|process| process["name"] == "sleep");
    assert!(sleep.unwrap()["pid"].as_u64().unwrap() > 1, "{report}");
    let report = server.ok("stop_command", job).await;
    assert_eq!(report["processes_left"], 0, "{report}");
    assert_eq!(report["processes"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_what_made_a_session_of_its_own() {
    let server = server(&[]).await;
    let id = server.session().await;
    let command = "setsid -f sleep 75; sleep 75";
    let args = json!({ "kasm_id": id, "command": command, "timeout_seconds": 1 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["ended"], "time_limit");
    assert_eq!(count(&server, &id, "sleep 7[5]").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_leave_a_dozen_folders_and_cost_no_request_of_their_own() {
    let server = server(&[]).await;
    let id = server.session().await;
    let before = server.emulator.commands().len();
    for number in 0..30 {
        server.run(&id, &format!("exit {number}")).await;
    }
    assert_eq!(server.emulator.commands().len() - before, 30);
    let downloads = server.emulator.session_dir(&id).unwrap().join("Downloads");
    let folders = || std::fs::read_dir(&downloads).unwrap().count();
    // The last job removes those before it after it has told its end.
    until("a dozen folders are left", || folders() <= 12).await;
}
