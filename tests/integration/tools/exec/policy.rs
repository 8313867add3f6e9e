//! What is not run, and where nothing runs.

use serde_json::json;

use super::server;
use crate::support::TestServer;
use crate::support::kasm::{NO_SUCH_ID, words};

#[tokio::test(flavor = "multi_thread")]
async fn blocked_command_is_security_and_not_sent_to_kasm() {
    let server = server(&[]).await;
    let id = server.session().await;
    let before = server.emulator.commands().len();
    for command in [
        "sudo ls",
        "echo $(su)",
        "env A=1 reboot",
        "chmod 777 /etc/passwd",
        "\"re\"boot",
    ] {
        let args = json!({ "kasm_id": id, "command": command });
        let reply = server.fails("execute_kasm_command", args, "security").await;
        let (error, hint) = words(&reply);
        assert!(error.contains("rule `"), "{error}");
        assert!(!hint.is_empty());
    }
    let preload = json!({ "kasm_id": id, "command": "ls", "as_root": true });
    server
        .fails("execute_kasm_command", preload, "security")
        .await;
    assert_eq!(server.emulator.commands().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_that_needs_approval_without_elicitation_is_security() {
    let server = server(&[]).await;
    let id = server.session().await;
    let before = server.emulator.commands().len();
    for command in ["$TOOL --version", "eval \"$CODE\""] {
        let args = json!({ "kasm_id": id, "command": command });
        server.fails("execute_kasm_command", args, "security").await;
    }
    assert_eq!(server.emulator.commands().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn execute_kasm_command_with_bad_arguments_is_validation() {
    let server = server(&[]).await;
    let id = server.session().await;
    for (name, value) in [("A B", "1"), ("", "1"), ("1A", "1")] {
        let args = json!({ "kasm_id": id, "command": "ls", "environment": { name: value } });
        server
            .fails("execute_kasm_command", args, "validation")
            .await;
    }
    let args = json!({ "kasm_id": id, "command": "cat", "stdin": "x".repeat(100_000) });
    server
        .fails("execute_kasm_command", args, "validation")
        .await;
    for folder in [
        "relative",
        "/home/kasm-user/../../etc",
        "/etc",
        "/home/kasm-user/.ssh",
    ] {
        let args = json!({ "kasm_id": id, "command": "ls", "working_dir": folder });
        server.fails("execute_kasm_command", args, "security").await;
    }
    server
        .ok("pause_kasm_session", json!({ "kasm_id": id }))
        .await;
    let args = json!({ "kasm_id": id, "command": "ls" });
    server.fails("execute_kasm_command", args, "conflict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn working_dir_through_symlink_out_of_roots_does_not_start() {
    if crate::support::confinement::skips_test() {
        return;
    }
    let server = server(&[]).await;
    let id = server.session().await;
    let home = "/home/kasm-user";
    server.run(&id, "mkdir -p work 'a b'; ln -s /etc out; ln -s /proc/self/root/etc out2; ln -s work in; ln -s out/../out chain").await;
    for folder in ["out", "out2", "chain", "out/ssl", "missing"] {
        let args =
            json!({ "kasm_id": id, "command": "pwd", "working_dir": format!("{home}/{folder}") });
        let data = server.ok("execute_kasm_command", args).await;
        assert_eq!(data["ended"], "not_started", "{folder}: {data}");
        assert!(data["exit_code"].is_null(), "{folder}: {data}");
        assert_eq!(data["stdout"], "", "{folder}");
    }
    for (folder, real) in [("in", "work"), ("a b", "a b")] {
        let args = json!({ "kasm_id": id, "command": "pwd -P", "working_dir": format!("{home}/{folder}") });
        let data = server.ok("execute_kasm_command", args).await;
        assert_eq!(data["stdout"], format!("{home}/{real}\n"), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_as_root_with_setting_runs_as_root() {
    let server = server(&[("KASM_ALLOW_ROOT", "true")]).await;
    let id = server.session().await;
    let command = "id -u; sleep 1; echo done; exit 3";
    let args = json!({ "kasm_id": id, "command": command, "as_root": true, "wait_seconds": 0 });
    let data = server.ok("execute_kasm_command", args).await;
    assert_eq!(data["running"], true, "{data}");
    let dispatched = server.emulator.commands().pop().unwrap();
    assert_eq!(dispatched.user.as_deref(), Some("root"));
    // Whoever reads on need not say that it is root's: a server that knows nothing of it can.
    let second = TestServer::in_front_of_other(&server).await;
    let job = data["job_id"].as_str().unwrap();
    for server in [&server, &second] {
        let (stdout, stderr, last) = server.read_on(&id, job, 0).await;
        let (uid, rest) = stdout.split_once('\n').unwrap();
        assert_eq!(rest, "done\n", "{stderr}");
        assert_eq!(last["exit_code"], 3);
        // Where the emulator may not change owners, both users are one.
        let own = server.run(&id, "id -u").await["stdout"].clone();
        assert!(uid == "0" || own == format!("{uid}\n"), "{uid}, {own}");
    }
    let args = json!({ "kasm_id": id, "command": "sleep 60", "as_root": true, "wait_seconds": 1 });
    let data = server.ok("execute_kasm_command", args).await;
    let handle = json!({ "kasm_id": id, "job_id": data["job_id"] });
    // Signals are sent by root too, whatever number the job is said to have.
    second
        .fails("stop_command", handle.clone(), "security")
        .await;
    let stopped = server.ok("stop_command", handle).await;
    assert_eq!(stopped["signalled"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_as_root_without_setting_is_security() {
    let server = server(&[]).await;
    let id = server.session().await;
    let before = server.emulator.commands().len();
    let args = json!({ "kasm_id": id, "command": "id", "as_root": true });
    let reply = server.fails("execute_kasm_command", args, "security").await;
    assert!(words(&reply).1.contains("KASM_ALLOW_ROOT"), "{reply}");
    let args = json!({ "kasm_id": id, "job_id": format!("{NO_SUCH_ID}r") });
    server.fails("stop_command", args, "security").await;
    assert_eq!(server.emulator.commands().len(), before);
}
