//! Contents of a workspace, in and out by every way.

use serde_json::{Value, json};

use super::{CLIPBOARD, FILE, Program, STDIN, TOKEN, TYPED};

/// The workspace's own contents, in and out.
pub(super) async fn play(program: &mut Program) {
    let session = program.session().await;
    let with = |more: Value| {
        let mut arguments = session.clone();
        for (name, value) in more.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        arguments
    };
    let path = "/home/kasm-user/notes";
    let command = json!({ "command": "cat; printenv SECRET_OF_MINE >&2; exit 3", "stdin": STDIN, "environment": { "SECRET_OF_MINE": FILE } });
    let typing = json!([{ "type": "click", "x": 40, "y": 40 }, { "type": "type", "text": TYPED }]);
    let calls = [
        ("execute_kasm_command", command),
        (
            "write_kasm_file",
            json!({ "file_path": path, "content": FILE }),
        ),
        (
            "edit_kasm_file",
            json!({ "file_path": path, "old_text": FILE, "new_text": format!("{FILE} {STDIN}") }),
        ),
        ("read_kasm_file", json!({ "file_path": path })),
        ("list_kasm_files", json!({ "path": "/home/kasm-user" })),
        (
            "control_desktop",
            json!({ "actions": typing, "screenshot": "never" }),
        ),
        ("get_session_screenshot", json!({})),
        ("desktop_clipboard", json!({ "text": CLIPBOARD })),
    ];
    for (tool, arguments) in calls {
        program.reply(tool, with(arguments)).await;
    }
    let id = session["kasm_id"].as_str().unwrap();
    let url = format!("{}/files/{id}{path}", program.server.base);
    let put = program.server.http.put(&url).bearer_auth(TOKEN).body(FILE);
    assert_eq!(put.send().await.unwrap().status(), 201);
    let get = program.server.http.get(&url).bearer_auth(TOKEN);
    assert_eq!(get.send().await.unwrap().text().await.unwrap(), FILE);
}
