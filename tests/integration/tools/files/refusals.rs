//! Paths that are off limits, and files that cannot be had.

use serde_json::{Value, json};

use super::{HOME, base64, noise, server};
use crate::support::TestServer;
use crate::support::kasm::words;

/// Every file tool on one path, with arguments that are right otherwise.
fn calls(kasm_id: &str, path: &str) -> Vec<(&'static str, Value)> {
    vec![
        (
            "read_kasm_file",
            json!({ "kasm_id": kasm_id, "file_path": path }),
        ),
        (
            "write_kasm_file",
            json!({ "kasm_id": kasm_id, "file_path": path, "content": "x" }),
        ),
        (
            "edit_kasm_file",
            json!({ "kasm_id": kasm_id, "file_path": path, "old_text": "a", "new_text": "b" }),
        ),
        (
            "list_kasm_files",
            json!({ "kasm_id": kasm_id, "path": path }),
        ),
    ]
}

/// The link tool on one path, both ways.
fn links(kasm_id: &str, path: &str) -> Vec<(&'static str, Value)> {
    let args = |way: &str| json!({ "kasm_id": kasm_id, "file_path": path, "direction": way });
    vec![
        ("link_kasm_file", args("download")),
        ("link_kasm_file", args("upload")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn file_tools_with_forbidden_path_text_send_nothing_to_kasm() {
    let public = [("MCP_PUBLIC_URL", "http://127.0.0.1:1")];
    let Some(server) = server(&public).await else {
        return;
    };
    let id = server.session().await;
    let before = server.emulator.commands().len();
    let long = format!("{HOME}/{}", "x".repeat(5_000));
    for path in [
        "",
        "relative",
        "~/f",
        "/",
        "/etc/passwd",
        "/home/kasm-user-2/f",
        "/home/kasm-user/../../etc/passwd",
        "/home/kasm-user/a/../b",
        "/home/kasm-user/.ssh/id_ed25519",
        "/home/kasm-user/f\0",
        &long,
    ] {
        for (tool, args) in calls(&id, path).into_iter().chain(links(&id, path)) {
            server.fails(tool, args, "security").await;
        }
    }
    assert_eq!(
        server.emulator.commands().len(),
        before,
        "nothing was dispatched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn file_tools_through_symlink_out_of_roots_are_security() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    server.run(&id, "mkdir -p ~/w/; ls").await;
    let home = server.emulator.session_dir(&id).unwrap();
    std::fs::create_dir(home.join(".ssh")).unwrap();
    std::fs::write(home.join(".ssh/key"), "secret\n").unwrap();
    for (name, target) in [
        ("file", "/etc/passwd"),
        ("folder", "/etc"),
        ("proc", "/proc/self/root/etc"),
        ("chain", "file"),
        ("climb", "folder/../etc/passwd"),
        ("relative", "../../../etc/passwd"),
        ("hidden", "../.ssh"),
        ("hidden-file", "../.ssh/key"),
        ("dangling", "/etc/kmcp-new"),
        ("dangling-deep", "/etc/kmcp/new/deep"),
        ("loop", "loop"),
        ("tmp", "/tmp"),
        ("shm", "/dev/shm"),
    ] {
        std::os::unix::fs::symlink(target, home.join("w").join(name)).unwrap();
    }
    let escapes = [
        "file",
        "folder",
        "folder/passwd",
        "proc/passwd",
        "chain",
        "climb",
        "relative",
        "hidden",
        "hidden/key",
        "hidden-file",
        "hidden/new",
        "dangling",
        "tmp/new",
        "shm/new",
        "folder/new/deep",
    ];
    // None of them has an effect, so none waits for another.
    let (server, id) = (&server, id.as_str());
    let tries = escapes.map(|name| async move {
        for (tool, args) in calls(id, &format!("{HOME}/w/{name}")) {
            let reply = server.call(tool, args).await;
            assert_eq!(reply["error_type"], "security", "{tool} {name}: {reply}");
        }
        for way in ["GET", "PUT"] {
            let answer = transfer(server, id, way, &format!("{HOME}/w/{name}")).await;
            assert_eq!(answer.status(), 403, "{way} {name}");
        }
    });
    futures::future::join_all(tries).await;
    for name in ["dangling-deep", "loop"] {
        for (tool, args) in calls(id, &format!("{HOME}/w/{name}")) {
            let reply = server.call(tool, args).await;
            assert!(
                tool == "write_kasm_file" || reply["success"] == false,
                "{tool} {name}: {reply}"
            );
        }
    }
    let outside = server
        .run(
            id,
            "ls /etc/kmcp* /tmp/new /dev/shm/new; cat ~/.ssh/key; ls ~/.ssh",
        )
        .await;
    assert_eq!(outside["stdout"], "secret\nkey\n", "{outside}");
}

async fn transfer(server: &TestServer, kasm_id: &str, way: &str, path: &str) -> reqwest::Response {
    let url = format!("{}/files/{kasm_id}{path}", server.base);
    let request = server.http.request(way.parse().unwrap(), url);
    let request = request.bearer_auth(crate::support::TOKEN);
    let request = if way == "PUT" {
        request.body("x")
    } else {
        request
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn read_kasm_file_of_folder_pipe_or_missing_file_fails() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let make = "mkdir ~/folder ~/locked && touch ~/secret ~/locked/f && chmod 0 ~/secret ~/locked && mkfifo ~/pipe && \
                touch ~/file";
    assert_eq!(server.run(&id, make).await["exit_code"], 0);
    for (name, error_type, says) in [
        ("missing", "not_found", "no such file"),
        ("folder", "validation", "is a folder"),
        ("secret", "permission", "lacks permission"),
        ("pipe", "validation", "not a regular file"),
    ] {
        let args = json!({ "kasm_id": id, "file_path": format!("{HOME}/{name}") });
        let reply = server.fails("read_kasm_file", args, error_type).await;
        assert!(words(&reply).0.contains(says), "{name}: {reply}");
        let status = match error_type {
            "not_found" => 404,
            "permission" => 403,
            _ => 400,
        };
        let answer = transfer(&server, &id, "GET", &format!("{HOME}/{name}")).await;
        assert_eq!(answer.status(), status, "{name}");
    }
    for (path, error_type) in [
        ("folder", "validation"),
        ("pipe", "validation"),
        ("secret", "permission"),
        ("file/x", "validation"),
    ] {
        let args = json!({ "kasm_id": id, "file_path": format!("{HOME}/{path}"), "content": "x" });
        server.fails("write_kasm_file", args, error_type).await;
    }
    for (path, error_type) in [
        ("missing", "not_found"),
        ("file", "validation"),
        ("locked", "permission"),
    ] {
        let args = json!({ "kasm_id": id, "path": format!("{HOME}/{path}") });
        server.fails("list_kasm_files", args, error_type).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_tools_with_bad_arguments_are_validation() {
    let Some(server) = server(&[("KASM_FILE_EDIT_BYTES", "2048")]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server
        .run(
            &id,
            r"printf '\377' > ~/bytes; head -c 3000 /dev/zero > ~/long",
        )
        .await;
    for (tool, args) in [
        (
            "write_kasm_file",
            json!({ "file_path": path, "content": "?", "encoding": "base64" }),
        ),
        (
            "write_kasm_file",
            json!({ "file_path": path, "content": "", "mode": "0999" }),
        ),
        (
            "write_kasm_file",
            json!({ "file_path": path, "content": "", "mode": "4755" }),
        ),
        (
            "write_kasm_file",
            json!({ "file_path": path, "content": "", "mode": "u+x" }),
        ),
        ("write_kasm_file", json!({ "file_path": path })),
        (
            "read_kasm_file",
            json!({ "file_path": path, "encoding": "utf-16" }),
        ),
        ("read_kasm_file", json!({ "file_path": path, "offset": -1 })),
        ("list_kasm_files", json!({ "path": path, "depth": "all" })),
        (
            "link_kasm_file",
            json!({ "file_path": path, "direction": "up" }),
        ),
        (
            "edit_kasm_file",
            json!({ "file_path": format!("{HOME}/bytes"), "old_text": "a", "new_text": "b" }),
        ),
        (
            "edit_kasm_file",
            json!({ "file_path": format!("{HOME}/long"), "old_text": "a", "new_text": "b" }),
        ),
    ] {
        let mut args = args;
        args["kasm_id"] = id.as_str().into();
        server.fails(tool, args, "validation").await;
    }
    let left = server.run(&id, "ls ~/f").await;
    assert_eq!(left["exit_code"], 2, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn file_tools_on_foreign_session_are_not_found() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let foreign = server.foreign_session().await;
    let never = crate::support::kasm::NO_SUCH_ID;
    let path = format!("{HOME}/f");
    for ((tool, theirs), (_, none)) in calls(&foreign, &path).into_iter().zip(calls(never, &path)) {
        let theirs = server.fails(tool, theirs, "not_found").await;
        assert_eq!(
            theirs,
            server.fails(tool, none, "not_found").await,
            "{tool}"
        );
    }
    for way in ["GET", "PUT"] {
        let theirs = transfer(&server, &foreign, way, &path).await;
        let none = transfer(&server, never, way, &path).await;
        assert_eq!(
            (theirs.status(), none.status()),
            (404.try_into().unwrap(), 404.try_into().unwrap())
        );
        assert_eq!(theirs.text().await.unwrap(), none.text().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn write_kasm_file_without_output_channel_is_unavailable() {
    let Some(server) = server(&[]).await else {
        return;
    };
    server
        .emulator
        .configure(|profile| profile.downloads_allowed = false);
    let id = server.session().await;
    let path = format!("{HOME}/f");
    let args = json!({ "kasm_id": id, "file_path": path, "content": base64(&noise(10)) });
    let reply = server.fails("write_kasm_file", args, "unavailable").await;
    assert!(words(&reply).0.contains("its result is unknown"), "{reply}");
    assert!(words(&reply).1.contains("allow_kasm_downloads"), "{reply}");
    let args = json!({ "kasm_id": id, "file_path": path });
    server.fails("read_kasm_file", args, "unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_to_full_disk_fails_and_keeps_the_old_file() {
    if crate::support::confinement::skips_test() {
        return;
    }
    let emulator = crate::tools::exec::emulator().await;
    emulator.configure(|profile| profile.disk_bytes = Some(2 << 20));
    let public = [("MCP_PUBLIC_URL", "http://127.0.0.1:1")];
    let server = TestServer::in_front_of(emulator, &public).await;
    let id = server.session().await;
    let path = format!("{HOME}/f");
    server.write_text(&id, &path, "old").await;
    // Larger than what is free, by each of the ways in.
    for size in [3 << 20, 5 << 20] {
        let bytes = noise(size);
        let args = json!({
            "kasm_id": id, "file_path": path, "content": base64(&bytes), "encoding": "base64",
        });
        let reply = server.call("write_kasm_file", args).await;
        assert_eq!(reply["success"], false, "{size}: {reply}");
        assert!(reply.to_string().contains("full"), "{size}: {reply}");
    }
    assert_eq!(server.read_whole(&id, &path).await, b"old");
    assert!(server.emulator.fill_disk(&id));
    for args in [
        json!({ "kasm_id": id, "file_path": path, "content": "new" }),
        json!({ "kasm_id": id, "file_path": path, "content": "x".repeat(200_000) }),
    ] {
        let reply = server.fails("write_kasm_file", args, "unavailable").await;
        assert!(words(&reply).0.contains("full"), "{reply}");
    }
    let reply = server
        .fails(
            "execute_kasm_command",
            json!({ "kasm_id": id, "command": "true" }),
            "unavailable",
        )
        .await;
    assert!(words(&reply).0.contains("full"), "{reply}");
    assert!(server.emulator.free_disk(&id));
    assert_eq!(
        server.read_whole(&id, &path).await,
        b"old",
        "nothing was lost"
    );
    server.write_text(&id, &path, "new").await;
}
