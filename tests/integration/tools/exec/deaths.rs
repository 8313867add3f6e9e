//! The server or the container dies while a command runs.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{emulator, server};
use crate::support::kasm::words;
use crate::support::program::Program;
use crate::support::{TestServer, signal};

#[tokio::test(flavor = "multi_thread")]
async fn command_survives_a_killed_server_and_is_read_by_the_next() {
    let emulator = emulator().await;
    let directory = TempDir::new().unwrap();
    let mut first = Program::start(&emulator, directory.path(), "first", &[]).await;
    let session = json!({ "image_name": "Terminal" });
    let id = first.ok("create_kasm_session", session).await["kasm_id"].clone();
    let command = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.4; done; exit 9";
    let args = json!({ "kasm_id": id, "command": command, "wait_seconds": 1 });
    let data = first.ok("execute_kasm_command", args).await;
    assert_eq!(data["running"], true, "{data}");
    let heard = data["stdout"].as_str().unwrap().to_owned();
    assert!(heard.starts_with("1\n") && !heard.contains('6'), "{heard}");
    let offset = data["next_offset"].clone();
    let mut args =
        json!({ "kasm_id": id, "job_id": data["job_id"], "wait_seconds": 20, "offset": offset });
    // Killed with a call under way; nobody hears what it may have read.
    let call = first.try_call("get_command_output", args.clone());
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        signal("KILL", first.child.id().unwrap());
    };
    let (lost, ()) = tokio::join!(call, end);
    assert!(lost.is_err(), "{lost:?}");
    assert!(!first.child.wait().await.unwrap().success());

    let second = Program::start(&emulator, directory.path(), "second", &[]).await;
    let mut all = heard;
    let last = loop {
        let reply = second.ok("get_command_output", args.clone()).await;
        all.push_str(reply["stdout"].as_str().unwrap());
        if reply["running"] == false {
            break reply;
        }
        args["offset"] = reply["next_offset"].clone();
    };
    assert_eq!(all, "1\n2\n3\n4\n5\n6\n");
    assert_eq!(last["exit_code"], 9);
}

/// A command that has said something and goes on, and the arguments that ask for it.
async fn busy(server: &TestServer) -> (String, Value) {
    let id = server.session().await;
    let args =
        json!({ "kasm_id": id, "command": "echo on; sleep 60; echo off", "wait_seconds": 1 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["running"], true, "{data}");
    assert_eq!(data["stdout"], "on\n", "{data}");
    let args = json!({ "kasm_id": id, "job_id": data["job_id"], "wait_seconds": 20 });
    (id, args)
}

#[tokio::test(flavor = "multi_thread")]
async fn command_ended_by_container_restart_is_lost() {
    let server = server(&[]).await;
    let (id, args) = busy(&server).await;
    assert!(server.emulator.restart_container(&id));
    // The numbers of processes begin anew, so others may have the one of the command.
    for _ in 0..3 {
        server.run(&id, "sleep 70 >/dev/null 2>&1 & true").await;
    }
    let reply = server.call("get_command_output", args.clone()).await;
    let data = &reply["data"];
    assert_eq!(data["ended"], "lost", "{reply}");
    assert_eq!(data["running"], false);
    assert_eq!(data["stdout"], "on\n");
    assert!(data["exit_code"].is_null());
    assert!(reply["message"].as_str().unwrap().contains("ended without"));
    let args = json!({ "kasm_id": id, "job_id": args["job_id"] });
    let stopped = server.ok("stop_command", args).await;
    assert_eq!(stopped["signalled"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_command_output_from_dead_container_is_unavailable() {
    let server = server(&[]).await;
    let (id, mut args) = busy(&server).await;
    assert!(server.emulator.kill_container(&id));
    // Kasm says that it runs. Neither that nor silence is news of the command.
    for wait in [0, 1, 12] {
        args["wait_seconds"] = wait.into();
        let reply = server.call("get_command_output", args.clone()).await;
        assert_eq!(reply["success"], false, "{reply}");
        assert_eq!(reply["error_type"], "unavailable", "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn container_stopped_during_wait_is_conflict_at_once() {
    let server = server(&[]).await;
    let (id, args) = busy(&server).await;
    let tool = "get_command_output";
    let call = server.fails_as(tool, args.clone(), "conflict", "invalid_state");
    let stop = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(server.emulator.stop_container(&id));
    };
    tokio::join!(call, stop);
    let reply = server
        .fails_as(tool, args.clone(), "conflict", "session_not_running")
        .await;
    assert!(words(&reply).1.contains("resume_kasm_session"), "{reply}");
    let resume = json!({ "kasm_id": id });
    server.ok("resume_kasm_session", resume).await;
    server.becomes(&id, Some("running")).await;
    let data = server.ok("get_command_output", args).await;
    assert_eq!(data["ended"], "lost", "{data}");
    assert!(data["exit_code"].is_null());
}
