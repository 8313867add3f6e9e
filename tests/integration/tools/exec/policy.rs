//! What is not run, and where nothing runs.

use serde_json::json;

use super::server;
use crate::support::kasm::words;

#[tokio::test(flavor = "multi_thread")]
async fn blocked_commands_never_reach_kasm() {
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
async fn what_needs_a_person_does_not_run_where_nobody_can_be_asked() {
    let server = server(&[]).await;
    let id = server.session().await;
    let before = server.emulator.commands().len();
    for command in ["$TOOL --version", "echo \"unfinished"] {
        let args = json!({ "kasm_id": id, "command": command });
        server.fails("execute_kasm_command", args, "security").await;
    }
    assert_eq!(server.emulator.commands().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_arguments_are_refused() {
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
async fn links_do_not_lead_a_working_dir_out_of_the_roots() {
    if !kasm_emulator::confinement_works() {
        // The folders of a session are only where they belong inside bubblewrap.
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
