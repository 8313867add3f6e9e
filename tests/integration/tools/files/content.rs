//! What is written is what is read.

use serde_json::{Value, json};

use super::{HOME, base64, noise, server, sha256, unbase64};

#[tokio::test(flavor = "multi_thread")]
async fn written_bytes_of_each_size_are_read_back() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    for size in [0, 1, 90 * 1024, 91 * 1024, 5 << 20] {
        let bytes = noise(size);
        let path = format!("{HOME}/sizes/{size}");
        let args = json!({
            "kasm_id": id, "file_path": path, "content": base64(&bytes), "encoding": "base64",
        });
        let written = server.ok("write_kasm_file", args).await;
        assert_eq!(written["size"], size, "{written}");
        assert_eq!(written["sha256"], sha256(&bytes), "{size}");
        let on_disk = server
            .emulator
            .session_dir(&id)
            .unwrap()
            .join(format!("sizes/{size}"));
        assert!(std::fs::read(on_disk).unwrap() == bytes, "{size} on disk");
        assert!(server.read_whole(&id, &path).await == bytes, "{size} back");
    }
    // Nothing is left of the way there, but what is swept later.
    let left = server.run(&id, "ls -A ~/Uploads ~/sizes").await;
    assert!(!left["stdout"].as_str().unwrap().contains("kmcp"), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn write_kasm_file_with_uploads_forbidden_writes_large_content() {
    let Some(server) = server(&[]).await else {
        return;
    };
    server
        .emulator
        .configure(|profile| profile.uploads_allowed = false);
    let id = server.session().await;
    let bytes = noise(1_500_000);
    let args = json!({
        "kasm_id": id, "file_path": format!("{HOME}/big"), "content": base64(&bytes), "encoding": "base64",
    });
    let written = server.ok("write_kasm_file", args).await;
    assert_eq!(written["sha256"], sha256(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn file_tools_accept_every_name_that_linux_allows() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let names = [
        "two words",
        "it's \"quoted\"",
        "line\nbreak\n",
        "ümläut 漢字 🦀",
        "-rf",
        "$(id)`id`",
        "*?[a]",
        "tab\tand\\n",
        "kmcp",
        " ",
    ];
    for name in names {
        let path = format!("{HOME}/names/{name}");
        server.write_text(&id, &path, name).await;
        let args = json!({ "kasm_id": id, "file_path": path });
        let read = server.ok("read_kasm_file", args).await;
        assert_eq!(read["content"], name);
        assert_eq!(read["encoding"], "text");
        let args = json!({ "kasm_id": id, "file_path": path, "old_text": name, "new_text": "new" });
        server.ok("edit_kasm_file", args).await;
    }
    let args = json!({ "kasm_id": id, "path": format!("{HOME}/names") });
    let listing = server.ok("list_kasm_files", args).await;
    let mut listed: Vec<_> = listing["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    let mut names = names.to_vec();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);
    assert_eq!(listing["truncated"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_kasm_file_picks_text_or_base64() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let read = async |extra: Value| {
        let mut args = json!({ "kasm_id": id, "file_path": format!("{HOME}/f") });
        args.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        server.call("read_kasm_file", args).await
    };
    server
        .run(
            &id,
            r"printf 'a\r\nb\rc' > ~/f; chmod 640 ~/f; touch -d @1700000000 ~/f",
        )
        .await;
    let data = read(json!({})).await["data"].clone();
    assert_eq!(data["content"], "a\r\nb\rc");
    assert_eq!(data["size"], 6);
    assert_eq!(data["mode"], "640");
    assert_eq!(data["modified"], "2023-11-14T22:13:20Z");
    assert_eq!(data["sha256"], sha256(b"a\r\nb\rc"));
    assert_eq!(data["truncated"], false);
    assert!(data["next_offset"].is_null());
    assert_eq!(
        unbase64(&read(json!({ "encoding": "base64" })).await["data"]["content"]),
        b"a\r\nb\rc"
    );

    server.run(&id, r"printf 'a\0b' > ~/f").await;
    assert_eq!(read(json!({})).await["data"]["encoding"], "base64");
    assert_eq!(
        read(json!({ "encoding": "text" })).await["data"]["content"],
        "a\0b"
    );
    server.run(&id, r"printf 'a\377b' > ~/f").await;
    assert_eq!(
        unbase64(&read(json!({})).await["data"]["content"]),
        b"a\xffb"
    );
    let reply = read(json!({ "encoding": "text" })).await;
    assert_eq!(reply["error_type"], "validation", "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_kasm_file_pages_of_long_file_fit_together() {
    let Some(server) = server(&[("KASM_FILE_READ_BYTES", "1024")]).await else {
        return;
    };
    let id = server.session().await;
    let text = "äöü€🦀".repeat(300);
    let path = format!("{HOME}/long");
    server.write_text(&id, &path, &text).await;
    let (mut read, mut offset) = (String::new(), 0);
    loop {
        let args = json!({ "kasm_id": id, "file_path": path, "offset": offset });
        let data = server.ok("read_kasm_file", args).await;
        assert_eq!(data["encoding"], "text", "{data}");
        read.push_str(data["content"].as_str().unwrap());
        assert_eq!(data["truncated"], !data["next_offset"].is_null());
        match data["next_offset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!(read, text);
    let args = json!({ "kasm_id": id, "file_path": path, "offset": 10_000_000, "limit": 5 });
    let beyond = server.ok("read_kasm_file", args).await;
    assert_eq!(beyond["content"], "");
    assert_eq!(beyond["truncated"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn write_kasm_file_appends_keeps_mode_and_makes_folders() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/a/b/script.sh");
    let args = json!({ "kasm_id": id, "file_path": path, "content": "echo 1\n", "mode": "755" });
    assert_eq!(server.ok("write_kasm_file", args).await["mode"], "755");
    let args = json!({ "kasm_id": id, "file_path": path, "content": "echo 2\n", "append": true });
    let written = server.ok("write_kasm_file", args).await;
    assert_eq!(written["size"], 14);
    assert_eq!(written["mode"], "755");
    assert_eq!(server.run(&id, "~/a/b/script.sh").await["stdout"], "1\n2\n");
    let fresh = server.write_text(&id, &format!("{HOME}/plain"), "").await;
    assert_eq!(fresh["mode"], "644");
    // Through a link its target is written, and the link stays.
    server.run(&id, "ln -s plain ~/link").await;
    server
        .write_text(&id, &format!("{HOME}/link"), "through")
        .await;
    let data = server.run(&id, "cat ~/plain; readlink ~/link").await;
    assert_eq!(data["stdout"], "throughplain\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn write_kasm_file_replaces_content_atomically() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/whole");
    server.write_text(&id, &path, &"a".repeat(80_000)).await;
    let watch = "for i in $(seq 400); do sha256sum < ~/whole; done | sort | uniq -c | wc -l";
    let args = json!({ "kasm_id": id, "command": watch });
    let writes = async {
        for _ in 0..3 {
            server.write_text(&id, &path, &"b".repeat(80_000)).await;
            server.write_text(&id, &path, &"a".repeat(80_000)).await;
        }
    };
    let (seen, ()) = tokio::join!(server.ok("execute_kasm_command", args), writes);
    let seen: u32 = seen["stdout"].as_str().unwrap().trim().parse().unwrap();
    assert!((1..=2).contains(&seen), "{seen} different contents");
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_kasm_file_replaces_exact_text_only() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let path = format!("{HOME}/code.py");
    server.write_text(&id, &path, "x = 1\ny = 1\nz = 2\n").await;
    let edit = async |old: &str, new: &str, all: bool| {
        let args = json!({
            "kasm_id": id, "file_path": path, "old_text": old, "new_text": new, "replace_all": all,
        });
        server.call("edit_kasm_file", args).await
    };
    let reply = edit("= 1", "= 9", false).await;
    assert_eq!(reply["error_type"], "conflict");
    assert!(
        reply["error"].as_str().unwrap().contains("2 times"),
        "{reply}"
    );
    let reply = edit("= 7", "= 9", false).await;
    assert!(
        reply["error"].as_str().unwrap().contains("0 times"),
        "{reply}"
    );
    assert_eq!(edit("", "x", false).await["error_type"], "validation");
    assert_eq!(edit("x", "x", false).await["error_type"], "validation");
    let reply = edit("z = 2", "z = 3", false).await;
    assert_eq!(reply["message"], "replaced one occurrence", "{reply}");
    let reply = edit("= 1", "= 9", true).await;
    assert_eq!(reply["message"], "replaced 2 occurrences", "{reply}");
    assert_eq!(
        server.run(&id, "cat ~/code.py").await["stdout"],
        "x = 9\ny = 9\nz = 3\n"
    );
    server.run(&id, r"printf 'a\r\nb\r\n' > ~/code.py").await;
    let reply = edit("a\nb", "c", false).await;
    assert!(reply["hint"].as_str().unwrap().contains("CRLF"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn list_kasm_files_lists_kinds_sizes_and_hidden_files() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let make = "mkdir -p ~/d/sub/deep && cd ~/d && printf abc > f && touch .hidden sub/x sub/deep/y && ln -s f l && \
                mkfifo p && touch $'bad\\377name' && chmod 600 f";
    assert_eq!(server.run(&id, make).await["exit_code"], 0);
    let list = async |extra: Value| {
        let mut args = json!({ "kasm_id": id, "path": format!("{HOME}/d") });
        args.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        server.ok("list_kasm_files", args).await
    };
    let listing = list(json!({})).await;
    let entries = listing["entries"].as_array().unwrap();
    let find = |name: &str| entries.iter().find(|entry| entry["name"] == name).unwrap();
    assert_eq!(entries.len(), 6, "{listing}");
    assert_eq!(find("f")["type"], "file");
    assert_eq!(find("f")["size"], 3);
    assert_eq!(find("f")["mode"], "600");
    assert_eq!(find("sub")["type"], "folder");
    assert_eq!(find("l")["type"], "link");
    assert_eq!(find("l")["target"], "f");
    assert_eq!(find("p")["type"], "other");
    assert_eq!(find(".hidden")["size"], 0);
    let odd = find("bad\u{fffd}name");
    assert_eq!(unbase64(&odd["name_base64"]), b"bad\xffname");
    let args = json!({ "kasm_id": id, "path": format!("{HOME}/Downloads"), "depth": 2 });
    let downloads = server.ok("list_kasm_files", args).await;
    assert_eq!(
        downloads["entries"],
        json!([]),
        "folders of jobs are not shown"
    );
    let deep = list(json!({ "depth": 3 })).await;
    let names: Vec<_> = deep["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"sub/deep/y"), "{names:?}");
    let few = list(json!({ "limit": 2 })).await;
    assert_eq!(few["entries"].as_array().unwrap().len(), 2);
    assert_eq!(few["truncated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_kasm_file_of_changing_file_is_conflict() {
    let Some(server) = server(&[]).await else {
        return;
    };
    let id = server.session().await;
    let grow = "head -c 30000000 /dev/zero > ~/f; while :; do echo x >> ~/f; done";
    let args = json!({ "kasm_id": id, "command": grow, "wait_seconds": 1 });
    let job = server.ok("execute_kasm_command", args).await["job_id"].clone();
    let path = format!("{HOME}/f");
    let read = json!({ "kasm_id": id, "file_path": path });
    server
        .fails("read_kasm_file", read.clone(), "conflict")
        .await;
    let stop = json!({ "kasm_id": id, "job_id": job, "signal": "KILL" });
    server.ok("stop_command", stop).await;
    server.ok("read_kasm_file", read).await;
}
