//! No secret in any reply or log line, played against the program itself at its most talkative.

mod contents;

use std::time::Duration;

use kasm_emulator::{Emulator, Fault, RecordingSpec};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::kasm::NO_SUCH_ID;
use crate::support::{self, rpc};
use crate::tools::TOOLS_OF_A_SESSION;

const KEY: &str = "mark-of-the-key";
const SECRET: &str = "mark-of-the-secret-0123456789";
const TOKEN: &str = "mark-of-the-token-0123456789";
const WRONG_TOKEN: &str = "mark-of-a-wrong-token-0123456789";
const PASSWORD: &str = "Mark-of-the-Passw0rd";
const ENVIRONMENT: &str = "mark-of-the-environment";
const TYPED: &str = "mark-of-typed-text";
const FILE: &str = "mark-of-a-file";
const STDIN: &str = "mark-of-the-input";
const CLIPBOARD: &str = "mark-of-the-clipboard";

/// What must be in no log and no reply. The last ones are of the emulator: the head of its session
/// tokens, its login links, its download links and the registry's credential.
const MARKS: [&str; 10] = [
    KEY,
    SECRET,
    TOKEN,
    WRONG_TOKEN,
    PASSWORD,
    ENVIRONMENT,
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9",
    "/#/connect/",
    "storage.invalid",
    "emulated-docker-token",
];

/// What a tool's own reply may have, and a log or a record may not.
const CONTENTS: [&str; 4] = [TYPED, FILE, STDIN, CLIPBOARD];

/// `kasm-mcp serve` in front of an emulator, and everything it said.
struct Program {
    emulator: Emulator,
    server: support::program::Program,
    directory: TempDir,
    replies: Vec<String>,
}

impl Program {
    async fn start(log_format: &str) -> Self {
        let emulator = Emulator::builder()
            .key(KEY, SECRET)
            .start_time(Duration::from_millis(20))
            .start()
            .await
            .unwrap();
        let directory = TempDir::new().unwrap();
        let audit = directory.path().join("audit.jsonl");
        let settings = [
            ("MCP_AUTH_TOKEN", TOKEN),
            ("MCP_AUDIT_FILE", audit.to_str().unwrap()),
            ("LOG_LEVEL", "trace"),
            ("LOG_FORMAT", log_format),
            ("KASM_REQUEST_TIMEOUT_SECONDS", "1"),
            ("KASM_TIMEOUT_SECONDS", "1"),
            ("KASM_RETRIES", "1"),
        ];
        let server =
            support::program::Program::start(&emulator, directory.path(), "log", &settings).await;
        Self {
            emulator,
            server,
            directory,
            replies: Vec::new(),
        }
    }

    /// Posts a call and returns the reply with its headers, as text and as JSON.
    async fn reply(&self, tool: &str, arguments: Value) -> (String, Value) {
        let body = rpc(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        );
        let request = self.server.http.post(format!("{}/mcp", self.server.base));
        let answer = request.bearer_auth(TOKEN).json(&body).send().await.unwrap();
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        (headers + &text, json["result"]["structuredContent"].clone())
    }

    /// Calls a tool and keeps the reply for the end.
    async fn play(&mut self, tool: &str, arguments: Value) -> Value {
        let (text, reply) = self.reply(tool, arguments).await;
        self.replies.push(format!("{tool}: {text}"));
        reply
    }

    /// A call that must succeed, or must not.
    async fn expect(&mut self, success: bool, tool: &str, arguments: Value) -> Value {
        let reply = self.play(tool, arguments.clone()).await;
        assert_eq!(reply["success"], success, "{tool} {arguments}: {reply}");
        reply
    }

    /// Ends the program and looks through all it said. Returns the log and the record.
    async fn search(self) -> (String, String) {
        self.server.kill().await;
        let read = |name: &str| std::fs::read_to_string(self.directory.path().join(name)).unwrap();
        let (log, record) = (read("log"), read("audit.jsonl"));
        for mark in MARKS {
            for reply in &self.replies {
                assert!(!reply.contains(mark), "{mark} in a reply: {reply}");
            }
        }
        for mark in MARKS.iter().chain(&CONTENTS) {
            for text in [&log, &record] {
                let line = text.lines().find(|line| line.contains(mark));
                assert_eq!(line, None, "{mark} in the log or the record");
            }
        }
        (log, record)
    }

    async fn session(&mut self) -> Value {
        let arguments = json!({
            "image_name": "Visual Studio Code", "enable_sharing": true,
            "environment": { "PASSWORD": ENVIRONMENT },
        });
        let reply = self.expect(true, "create_kasm_session", arguments).await;
        json!({ "kasm_id": reply["data"]["kasm_id"] })
    }
}

/// Every tool, with what it is meant for.
async fn play_good(program: &mut Program) {
    let session = program.session().await;
    let kasm_id = session["kasm_id"].as_str().unwrap().to_owned();
    let other = program.emulator.other_user_id().to_owned();
    program.emulator.attach_viewer(&kasm_id);
    let spec = RecordingSpec::default();
    program.emulator.add_recording(&kasm_id, &spec).unwrap();
    let new = json!({ "username": "new", "password": PASSWORD });
    let new = program.expect(true, "create_kasm_user", new).await["data"]["user_id"].clone();
    let calls = [
        ("get_available_workspaces", json!({})),
        ("get_session_status", session.clone()),
        ("list_user_sessions", json!({})),
        ("list_all_sessions", json!({})),
        ("get_session_frame_stats", session.clone()),
        ("get_session_bottleneck_stats", session.clone()),
        ("get_session_recordings", session.clone()),
        ("pause_kasm_session", session.clone()),
        ("resume_kasm_session", session.clone()),
        ("extend_kasm_session", session.clone()),
        ("share_kasm_session", session.clone()),
        (
            "share_kasm_session",
            json!({ "kasm_id": kasm_id, "user_id": other }),
        ),
        ("get_kasm_users", json!({})),
        ("get_kasm_user", json!({ "username": "new" })),
        (
            "update_kasm_user",
            json!({ "user_id": new, "password": PASSWORD }),
        ),
        ("logout_kasm_user", json!({ "user_id": new })),
        ("delete_kasm_user", json!({ "user_id": new, "force": true })),
        ("destroy_kasm_session", session),
    ];
    for (tool, arguments) in calls {
        program.expect(true, tool, arguments).await;
    }
}

/// Every tool, with what it refuses.
async fn play_bad(program: &mut Program) {
    let other = program.emulator.other_user_id().to_owned();
    let environment = json!({ "A=B": ENVIRONMENT });
    let text = json!({ "A": [ENVIRONMENT] });
    let calls = [
        ("create_kasm_session", json!({ "image_name": "nothing" })),
        (
            "create_kasm_session",
            json!({ "image_name": "Terminal", "environment": environment }),
        ),
        (
            "create_kasm_session",
            json!({ "image_name": "Terminal", "environment": text }),
        ),
        ("create_kasm_user", json!({ "password": PASSWORD })),
        (
            "create_kasm_user",
            json!({ "username": "demo@kasm.local", "password": PASSWORD }),
        ),
        (
            "create_kasm_user",
            json!({ "username": "x", "password": [PASSWORD] }),
        ),
        (
            "create_kasm_user",
            json!({ "username": "x", "password": PASSWORD, "locked": "yes" }),
        ),
        (
            "create_kasm_user",
            json!({ "username": "x", "passwort": PASSWORD }),
        ),
        (
            "update_kasm_user",
            json!({ "user_id": NO_SUCH_ID, "password": PASSWORD }),
        ),
        (
            "update_kasm_user",
            json!({ "user_id": "x", "password": PASSWORD }),
        ),
        (
            "update_kasm_user",
            json!({ "user_id": other, "password": { "new": PASSWORD } }),
        ),
        ("get_kasm_user", json!({})),
        ("get_kasm_users", json!({ "page": 99 })),
        ("delete_kasm_user", json!({ "user_id": NO_SUCH_ID })),
        ("logout_kasm_user", json!({ "user_id": NO_SUCH_ID })),
        ("list_user_sessions", json!({ "token": PASSWORD })),
        ("list_all_sessions", json!({ "password": PASSWORD })),
        ("get_available_workspaces", json!({ "password": PASSWORD })),
    ];
    for (tool, arguments) in calls {
        program.expect(false, tool, arguments).await;
    }
    for tool in TOOLS_OF_A_SESSION {
        program
            .expect(false, tool, json!({ "kasm_id": NO_SUCH_ID }))
            .await;
        program.expect(false, tool, json!({ "kasm_id": 1 })).await;
    }
}

/// Kasm in trouble, and Kasm that repeats what it was sent.
async fn play_failures(program: &mut Program) {
    let echo = format!("bad login {KEY} with {SECRET} ({KEY}:{SECRET})");
    let list = ("list_user_sessions", "get_kasms", json!({}));
    let create = (
        "create_kasm_session",
        "request_kasm",
        json!({ "image_name": "Terminal", "environment": { "PASSWORD": ENVIRONMENT } }),
    );
    let new = json!({ "username": "x", "password": PASSWORD });
    let user = ("create_kasm_user", "create_user", new);
    for fault in [
        Fault::ErrorMessage(echo),
        Fault::HtmlError,
        Fault::Status(500),
        Fault::Forbidden,
        Fault::ConnectionReset,
        Fault::InvalidJson,
        Fault::Latency(Duration::from_secs(60)),
        Fault::SlowBody(Duration::from_secs(60)),
    ] {
        for (tool, endpoint, arguments) in [&list, &create, &user] {
            program.emulator.fail_next(endpoint, fault.clone(), 2);
            program.play(tool, arguments.clone()).await;
            program.emulator.clear_faults();
        }
    }
}

/// Requests that do not get as far as a tool.
async fn play_strangers(program: &mut Program) {
    let list = rpc("tools/list", json!({}));
    let urls = [
        format!("{}/mcp", program.server.base),
        format!("{}/mcp?token={TOKEN}", program.server.base),
        format!("{}/sse?api_key={KEY}", program.server.base),
    ];
    for url in urls {
        let request = program
            .server
            .http
            .post(&url)
            .bearer_auth(WRONG_TOKEN)
            .json(&list);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
        let headers = format!("{:?}", answer.headers());
        program
            .replies
            .push(headers + &answer.text().await.unwrap());
    }
    let malformed = program
        .server
        .http
        .post(format!("{}/mcp", program.server.base));
    let malformed = malformed
        .bearer_auth(TOKEN)
        .header("content-type", "application/json")
        .body(format!(r#"{{"password": "{PASSWORD}", "#));
    let answer = malformed.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    program.replies.push(answer.text().await.unwrap());
    for (path, token) in [
        ("health", TOKEN),
        ("health", WRONG_TOKEN),
        ("metrics", TOKEN),
        ("sse", WRONG_TOKEN),
    ] {
        let request = program
            .server
            .http
            .get(format!("{}/{path}", program.server.base));
        let answer = request.bearer_auth(token).send().await.unwrap();
        program.replies.push(answer.text().await.unwrap());
    }
}

/// Plays everything, and looks that the log was there to be searched.
async fn play(log_format: &str) {
    let mut program = Program::start(log_format).await;
    play_good(&mut program).await;
    contents::play(&mut program).await;
    play_bad(&mut program).await;
    play_failures(&mut program).await;
    play_strangers(&mut program).await;
    let (log, record) = program.search().await;
    for tool in [
        "create_kasm_user",
        "get_session_recordings",
        "control_desktop",
    ] {
        assert!(log.contains(tool), "{log}");
        assert!(record.contains(tool), "{record}");
    }
    assert!(record.contains("PUT /files"), "{record}");
    assert!(log.contains("[redacted]"), "Kasm's echo was met");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_log_and_replies_have_no_secret() {
    play("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_log_and_replies_have_no_secret() {
    play("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_url_is_in_its_own_reply_only() {
    let mut program = Program::start("text").await;
    let mut session = program.session().await;
    let kasm_id = session["kasm_id"].as_str().unwrap().to_owned();
    let spec = RecordingSpec::default();
    program.emulator.add_recording(&kasm_id, &spec).unwrap();

    let mut with_link = session.clone();
    with_link["include_url"] = true.into();
    let (text, reply) = program.reply("get_session_status", with_link).await;
    let link = reply["data"]["kasm_url"].as_str().unwrap();
    assert!(link.starts_with("/#/connect/kasm/"), "{link}");
    for mark in [KEY, SECRET, TOKEN, "session_token"] {
        assert!(!text.contains(mark), "{text}");
    }
    session["download_links"] = true.into();
    let (_, reply) = program.reply("get_session_recordings", session).await;
    let link = reply["data"]["recordings"][0]["download_url"].as_str();
    assert!(link.unwrap().contains("storage.invalid"));

    let (log, _) = program.search().await;
    assert!(log.contains("a login link was returned"), "{log}");
    assert!(log.contains(&kasm_id), "{log}");
}
