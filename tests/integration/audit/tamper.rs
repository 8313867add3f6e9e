//! Every change of a record is found.

use std::fs;
use std::path::Path;
use std::process::Command;

use kasm_mcp::audit::BrokenChain;
use serde_json::json;
use tempfile::TempDir;

use super::{Recorded, lines, verify};

/// A record of some calls.
async fn record(settings: &[(&str, &str)], calls: usize) -> TempDir {
    let recorded = Recorded::start(settings).await;
    for call in 0..calls {
        let arguments = json!({ "image_name": format!("none {call}") });
        recorded
            .server
            .fails("create_kasm_session", arguments, "not_found")
            .await;
    }
    recorded.stop().await
}

fn text(directory: &Path) -> String {
    fs::read_to_string(directory.join("audit.jsonl")).unwrap()
}

/// The line of its file at which a record is broken, or none where lines are missing at its end.
fn broken_line(directory: &Path) -> Option<u64> {
    match verify(directory).unwrap_err() {
        BrokenChain::Line { line, .. } => Some(line),
        BrokenChain::Missing(_) => None,
        BrokenChain::File(path, error) => panic!("{}: {error}", path.display()),
    }
}

/// Where a record with a changed text is broken.
fn found(directory: &Path, changed: &str) -> Option<u64> {
    let file = directory.join("audit.jsonl");
    let before = text(directory);
    assert_ne!(before, changed);
    fs::write(&file, changed).unwrap();
    let broken = broken_line(directory);
    fs::write(&file, before).unwrap();
    verify(directory).unwrap();
    broken
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_verify_finds_every_kind_of_change() {
    let directory = record(&[], 5).await;
    let path = directory.path();
    let whole = text(path);
    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 11);
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.concat()
    };
    // A byte anywhere, in the last line too.
    for at in [30, whole.len() / 2, whole.len() - 30] {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        found(path, &String::from_utf8(bytes).unwrap());
    }
    let changed = whole.replace("none 2", "none 7");
    assert_eq!(found(path, &changed), Some(7), "the line after it");
    assert_eq!(found(path, &without(4)), Some(5));
    assert_eq!(found(path, &without(0)), Some(1));
    assert_eq!(found(path, &without(10)), None);
    assert_eq!(found(path, &lines[..3].concat()), None);
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    assert_eq!(found(path, &swapped.concat()), Some(5));
    let mut twice = lines.clone();
    twice.insert(4, lines[4]);
    assert_eq!(found(path, &twice.concat()), Some(6));
    assert_eq!(found(path, &whole[..whole.len() - 5]), Some(11));
    assert_eq!(found(path, ""), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_chain_continues_over_files_and_restarts() {
    let settings = [("MCP_AUDIT_FILE_BYTES", "4096")];
    let directory = record(&settings, 30).await;
    let path = directory.path();
    let whole = verify(path).unwrap();
    assert_eq!((whole.first, whole.last), (1, 61));
    assert!(whole.files > 4, "{whole:?}");
    assert_eq!(lines(path).len(), 61);
    // A file in the middle is as much part of it as a line.
    let second = kasm_mcp::audit::chain_files(&path.join("audit.jsonl")).unwrap()[1].clone();
    let aside = path.join("aside");
    fs::rename(&second, &aside).unwrap();
    assert_eq!(broken_line(path), Some(1), "of the third file");
    fs::rename(&aside, &second).unwrap();

    let file = path.join("audit.jsonl");
    let more = [("MCP_AUDIT_FILE", file.to_str().unwrap()), settings[0]];
    let server = crate::support::TestServer::with(&more).await;
    server.ok("list_user_sessions", json!({})).await;
    server.stop().await;
    assert_eq!(verify(path).unwrap().last, 63);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_rotation_keeps_the_configured_number_of_files() {
    let settings = [("MCP_AUDIT_FILE_BYTES", "4096"), ("MCP_AUDIT_FILES", "2")];
    let directory = record(&settings, 30).await;
    let whole = verify(directory.path()).unwrap();
    assert_eq!(whole.files, 3);
    assert!(whole.first > 20, "{whole:?}");
    // But not others.
    let oldest = kasm_mcp::audit::chain_files(&directory.path().join("audit.jsonl")).unwrap();
    fs::remove_file(&oldest[0]).unwrap();
    assert_eq!(broken_line(directory.path()), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_lines_cut_while_stopped_are_found_later() {
    let directory = record(&[], 3).await;
    let path = directory.path();
    let whole = text(path);
    let cut: String = whole.split_inclusive('\n').take(5).collect();
    fs::write(path.join("audit.jsonl"), cut).unwrap();
    let file = path.join("audit.jsonl");
    let settings = [("MCP_AUDIT_FILE", file.to_str().unwrap())];
    let server = crate::support::TestServer::with(&settings).await;
    server.ok("list_user_sessions", json!({})).await;
    server.stop().await;
    verify(path).unwrap_err();
    let told = text(path);
    assert!(
        told.contains("the log ended with line 5, but line 7"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_line_torn_by_a_crash_is_repaired() {
    let directory = record(&[], 2).await;
    let file = directory.path().join("audit.jsonl");
    fs::write(&file, text(directory.path()) + "{\"seq\":6,\"prev").unwrap();
    verify(directory.path()).unwrap_err();
    let settings = [("MCP_AUDIT_FILE", file.to_str().unwrap())];
    crate::support::TestServer::with(&settings)
        .await
        .stop()
        .await;
    assert_eq!(verify(directory.path()).unwrap().last, 6);
    assert_eq!(lines(directory.path())[5]["torn_bytes"], 14);
}

fn program(arguments: &[&str], file: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kasm-mcp"))
        .arg("audit")
        .args(arguments)
        .arg(file)
        .env_clear()
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_command_verifies_and_shows_lines() {
    let directory = record(&[], 2).await;
    let file = directory.path().join("audit.jsonl");
    let (good, said) = program(&["verify"], &file);
    assert!(
        good && said.contains("intact: lines 1 to 5 in 1 files"),
        "{said}"
    );
    let (good, said) = program(&["tail", "-n", "2"], &file);
    assert!(good, "{said}");
    let shown: Vec<_> = said.lines().collect();
    assert_eq!(shown.len(), 2, "{said}");
    assert!(
        shown[1].contains("token create_kasm_session not_found"),
        "{said}"
    );
    assert!(shown[1].contains("none 1"), "{said}");
    let (good, said) = program(&["tail", "-n", "1", "--format", "json"], &file);
    assert!(good && said.starts_with("{\"seq\":5,"), "{said}");
    fs::write(&file, text(directory.path()).replace("none 0", "none 9")).unwrap();
    let (good, said) = program(&["verify"], &file);
    assert!(
        !good && said.contains("line 2 or this one was changed"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_continues_after_an_early_rotated_file() {
    let recorded = Recorded::start(&[("MCP_AUDIT_FILE_BYTES", "4096")]).await;
    // As it is when the disk had no room for the next file.
    let file = recorded.directory.path().join("audit.jsonl");
    fs::rename(&file, file.with_extension("jsonl.000000000001")).unwrap();
    for call in 0..20 {
        let arguments = json!({ "image_name": format!("none {call}") });
        recorded
            .server
            .fails("create_kasm_session", arguments, "not_found")
            .await;
    }
    let directory = recorded.stop().await;
    let whole = verify(directory.path()).unwrap();
    assert!(whole.files > 2, "{whole:?}");
    assert_eq!((whole.first, whole.last), (1, 41));
}
