//! `create_kasm_session`: names, and what goes to Kasm.

use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::kasm::{NO_SUCH_ID, words};
use crate::tools::refuses;

/// Creates without waiting and returns the data with Kasm's view of the session's image.
async fn start(server: &TestServer, arguments: Value) -> (Value, String) {
    let data = server.ok("create_kasm_session", arguments).await;
    let sessions = server.emulator.sessions().into_iter();
    let mut sessions = sessions.filter(|session| session.kasm_id == data["kasm_id"]);
    let session = sessions.next().unwrap();
    assert_eq!(session.user_id, server.emulator.user_id());
    (data, session.image_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_accepts_each_name_of_a_workspace() {
    let server = TestServer::start().await;
    let terminal = server.image("kasmweb/terminal:1.19.0");
    let dashed = format!(
        "{}-{}-{}-{}-{}",
        &terminal[..8],
        &terminal[8..12],
        &terminal[12..16],
        &terminal[16..20],
        &terminal[20..]
    );
    let (chromium, old) = (
        server.image("kasmweb/chromium:1.19.0"),
        server.image("kasmweb/chromium:1.18.0"),
    );
    let code = server.image("registry.invalid/team/vs-code:1.19.0");
    for (name, image_id, label) in [
        ("Terminal", &terminal, "Terminal"),
        (" terminal ", &terminal, "Terminal"),
        ("kasmweb/terminal:1.19.0", &terminal, "Terminal"),
        ("kasmweb/terminal", &terminal, "Terminal"),
        (terminal.as_str(), &terminal, "Terminal"),
        (&dashed.to_uppercase(), &terminal, "Terminal"),
        ("Chromium", &chromium, "Chromium"),
        ("kasmweb/chromium", &chromium, "Chromium"),
        ("kasmweb/chromium:1.18.0", &old, "Chromium"),
        ("Visual Studio Code", &code, "Visual Studio Code"),
        ("registry.invalid/team/vs-code", &code, "Visual Studio Code"),
    ] {
        let arguments = json!({ "image_name": name, "wait": false });
        let (data, started) = start(&server, arguments).await;
        assert_eq!(&started, image_id, "{name}");
        assert_eq!(data["image_id"], *image_id, "{name}");
        assert_eq!(data["image_name"], label, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_with_unknown_name_suggests_near_names() {
    let server = TestServer::start().await;
    for (name, near, far) in [
        ("Termnal", "Terminal", "Firefox"),
        ("chromum", "Chromium", "Terminal"),
        ("vs-code", "Visual Studio Code", "Ubuntu"),
        ("Ubuntu", "Ubuntu Desktop", "Firefox"),
        ("kasmweb/terminal:9.9.9", "Terminal", "Windows"),
    ] {
        let arguments = json!({ "image_name": name });
        let reply = server
            .fails("create_kasm_session", arguments, "not_found")
            .await;
        let (error, hint) = words(&reply);
        assert!(error.contains(name), "{error}");
        assert!(hint.contains(near), "{name}: {hint}");
        assert!(!hint.contains(far), "{name}: {hint}");
        assert!(hint.contains("get_available_workspaces"), "{name}: {hint}");
    }
    for name in ["qqqqqqqq", NO_SUCH_ID] {
        let arguments = json!({ "image_name": name });
        let reply = server
            .fails("create_kasm_session", arguments, "not_found")
            .await;
        let (_, hint) = words(&reply);
        assert!(hint.starts_with("get_available_workspaces"), "{hint}");
    }
    assert_eq!(server.emulator.request_count("request_kasm"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_of_disabled_workspace_is_conflict() {
    let server = TestServer::start().await;
    let id = server.image("kasmweb/kali-rolling-desktop:1.19.0");
    for name in ["Kali Linux", "kasmweb/kali-rolling-desktop", &id] {
        let arguments = json!({ "image_name": name });
        let reply = server
            .fails("create_kasm_session", arguments, "conflict")
            .await;
        let (error, hint) = words(&reply);
        assert!(error.contains("`Kali Linux` is disabled"), "{error}");
        assert!(hint.contains("get_available_workspaces"), "{hint}");
    }
    let reply = server
        .fails(
            "create_kasm_session",
            json!({ "image_name": "Kali" }),
            "not_found",
        )
        .await;
    assert!(!words(&reply).1.contains("Kali"), "{reply}");
    assert_eq!(server.emulator.request_count("request_kasm"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_sends_all_given_arguments() {
    let server = TestServer::start().await;
    let environment = json!({ "TOKEN_KIND": "a=b \"c\"", "EMPTY": "", "Ü": "ß" });
    let arguments = json!({
        "image_name": "Firefox", "environment": environment, "url": "https://example.org/?a=1",
        "timezone": "Europe/Berlin", "language": "de_DE.UTF-8", "enable_sharing": true,
        "group_id": "anything",
    });
    let (data, image_id) = start(&server, arguments).await;
    let body = json!({
        "user_id": server.emulator.user_id(), "image_id": image_id, "environment": environment,
        "kasm_url": "https://example.org/?a=1", "client_timezone": "Europe/Berlin",
        "client_language": "de_DE.UTF-8", "enable_sharing": true,
    });
    assert_eq!(server.bodies("request_kasm"), [body]);
    let kasm_id = data["kasm_id"].as_str().unwrap();
    let status = json!({ "kasm_id": kasm_id, "user_id": server.emulator.user_id() });
    let kasm = server.kasm("get_kasm_status", status).await;
    assert!(data["share_id"].is_string());
    assert_eq!(data["share_id"], kasm["kasm"]["share_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_omits_arguments_not_given() {
    let server = TestServer::start().await;
    let (data, image_id) = start(&server, json!({ "image_name": "Firefox" })).await;
    let body = json!({
        "user_id": server.emulator.user_id(), "image_id": image_id, "enable_sharing": false,
    });
    assert_eq!(server.bodies("request_kasm"), [body]);
    assert!(data.get("share_id").is_none(), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_with_bad_arguments_starts_nothing() {
    let server = TestServer::start().await;
    let with = |name: &str, value: Value| {
        let mut arguments = json!({ "image_name": "Terminal" });
        arguments[name] = value;
        arguments
    };
    let table = [
        (json!({}), "missing field `image_name`"),
        (json!({ "image_name": "" }), "`image_name` is empty"),
        (json!({ "image_name": " \n" }), "`image_name` is empty"),
        (json!({ "image_name": 7 }), "argument `image_name`"),
        (with("image_id", "x".into()), "unknown argument `image_id`"),
        (with("wait", "yes".into()), "argument `wait`"),
        (
            with("enable_sharing", 1.into()),
            "argument `enable_sharing`",
        ),
        (with("url", json!([])), "argument `url`"),
        (
            with("environment", json!(["A=1"])),
            "argument `environment`",
        ),
        (
            with("environment", json!({ "A": [1] })),
            "argument `environment.A`",
        ),
        (with("environment", json!({ "": "1" })), "`environment`"),
        (with("environment", json!({ "A=B": "1" })), "`A=B`"),
        (with("environment", json!({ "A": "a\0b" })), "`A`"),
        (with("environment", json!({ "A\0": "b" })), "`environment`"),
        (
            with("environment", json!({ "BIG": "x".repeat(128 * 1024 + 1) })),
            "`BIG`",
        ),
    ];
    refuses(&server, "create_kasm_session", &table).await;
    assert!(server.emulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn create_kasm_session_reply_has_no_login_secret() {
    let server = TestServer::start().await;
    for wait in [true, false] {
        let arguments = json!({ "image_name": "Terminal", "wait": wait, "enable_sharing": true });
        let reply = server.call("create_kasm_session", arguments).await;
        assert_eq!(reply["success"], true);
        let text = reply.to_string();
        for secret in ["session_token", "kasm_url", "connect", "eyJ"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
