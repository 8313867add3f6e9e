//! Which status a failure has, and which form.

use std::sync::Arc;

use kasm_mcp::caller::{Level, Realm, Scope};
use kasm_mcp::mcp::approvals::ApprovalBook;
use kasm_mcp::tool::{
    AnyTool, ApprovalQuestion, Effect, ErrorType, Tool, ToolCallContext, ToolError, ToolReply,
    Toolset,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, answer_of, assert_problem, send};
use crate::support::toolbox::{Toolbox, caller};
use crate::support::{TOKEN, TestServer};

const KINDS: [(ErrorType, u16); 11] = [
    (ErrorType::Validation, 400),
    (ErrorType::Security, 403),
    (ErrorType::Permission, 403),
    (ErrorType::NotFound, 404),
    (ErrorType::Conflict, 409),
    (ErrorType::RateLimited, 429),
    (ErrorType::Internal, 500),
    (ErrorType::Unsupported, 501),
    (ErrorType::Api, 502),
    (ErrorType::Unavailable, 503),
    (ErrorType::Timeout, 504),
];

struct World;

struct Fail;

#[derive(Deserialize, JsonSchema)]
struct FailArgs {
    /// How to fail.
    how: String,
}

#[derive(Serialize, JsonSchema)]
struct Failed {}

impl Tool for Fail {
    type Provider = World;
    type Args = FailArgs;
    type Output = Failed;
    const NAME: &'static str = "fail";
    const TITLE: &'static str = "Fail";
    const ABOUT: &'static str = "Fails.";
    const ASKS: bool = true;
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, World>,
        args: FailArgs,
    ) -> Result<ToolReply<Failed>, ToolError> {
        if args.how == "ask" {
            cx.ask_for_approval(ApprovalQuestion {
                title: "Do it".to_owned(),
                text: "It is asked for.".to_owned(),
                what: "it".to_owned(),
            })
            .await?;
        }
        let (kind, _) = KINDS
            .into_iter()
            .find(|(kind, _)| kind.type_name() == args.how)
            .expect("a kind of error, or a panic");
        Err(ToolError::new(kind, "it failed", "do something else"))
    }
}

static TOOLS: &[&dyn AnyTool<World>] = &[&Fail];

async fn toolbox() -> Toolbox<World> {
    let toolset = Toolset {
        name: "failures",
        about: "Failures",
        scope: Scope::new(Realm::KASM, Level::Read),
        tools: TOOLS,
    };
    let consent = ApprovalBook::new(std::time::Duration::from_secs(5));
    Toolbox::start(Arc::new(World), toolset, caller("rest"), &consent).await
}

async fn fail(toolbox: &Toolbox<World>, how: &str) -> Answer {
    let url = format!("{}/api/v1/tools/fail", toolbox.base);
    let body = json!({ "how": how });
    send(toolbox.http.post(url).bearer_auth(TOKEN).json(&body)).await
}

#[tokio::test]
async fn rest_failure_of_each_error_type_has_its_status() {
    let toolbox = toolbox().await;
    for (kind, status) in KINDS {
        let answer = fail(&toolbox, kind.type_name()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.kind, "application/json");
        let form = json!({
            "success": false, "error": "it failed", "error_type": kind.type_name(), "code": kind.type_name(),
            "hint": "do something else",
        });
        assert_eq!(answer.body, form);
    }
    let panicked = fail(&toolbox, "panic").await;
    assert_eq!(panicked.status, 500);
    assert_eq!(panicked.body["error_type"], "internal");
}

#[tokio::test]
async fn rest_call_that_needs_approval_is_403() {
    let answer = fail(&toolbox().await, "ask").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body["error_type"], "security");
    assert_eq!(answer.body["code"], "approval_unavailable");
}

#[tokio::test]
async fn rest_request_that_is_no_call_is_problem_json() {
    let server = TestServer::with(&[("MCP_MAX_BODY_BYTES", "4096")]).await;
    let post = |path: &str| {
        let url = format!("{}{path}", server.base);
        server
            .http
            .post(url)
            .header("content-type", "application/json")
    };
    let path = "/api/v1/tools/list_user_sessions";
    let with = |path: &str, body: &str| post(path).bearer_auth(TOKEN).body(body.to_owned());
    for (path, body, about) in [
        (path, "{", "object with the arguments"),
        (path, "[1]", "object with the arguments"),
        (path, "3", "object with the arguments"),
        ("/tools/call", "", "\"arguments\""),
        ("/tools/call", "{}", "missing field `name`"),
        (
            "/tools/call",
            r#"{"name": "x", "args": {}}"#,
            "unknown field `args`",
        ),
        (
            "/tools/call",
            r#"{"name": "x", "arguments": 3}"#,
            "arguments",
        ),
        ("/api/v1/tools/%FF", "{}", "UTF-8"),
    ] {
        assert_problem(&send(with(path, body)).await, 400, about);
    }
    for path in ["/tools/call", "/api/v1/tools/no_such"] {
        let answer = send(with(path, r#"{"name": "no_such"}"#)).await;
        assert_problem(&answer, 404, "no_such");
    }
    let large = "x".repeat(5_000);
    assert_problem(&send(with(path, &large)).await, 413, "4096");
    let url = format!("{}{path}", server.base);
    let form = server.http.post(url).bearer_auth(TOKEN).body("{}");
    assert_problem(&send(form).await, 415, "application/json");
    for request in [
        post(path).body("{}"),
        post("/tools/call").bearer_auth("wrong").body("{}"),
        server.http.get(format!("{}/tools/list", server.base)),
        server.http.get(format!("{}/openapi.json", server.base)),
    ] {
        assert_problem(&send(request).await, 401, "token");
    }
}

#[tokio::test]
async fn rest_call_without_or_with_null_arguments_is_200() {
    let server = TestServer::start().await;
    let url = format!("{}/api/v1/tools/list_user_sessions", server.base);
    let nothing = send(server.http.post(url).bearer_auth(TOKEN)).await;
    let url = format!("{}/tools/call", server.base);
    let null: Value = json!({ "name": "list_user_sessions", "arguments": null });
    let null = send(server.http.post(url).bearer_auth(TOKEN).json(&null)).await;
    for answer in [nothing, null] {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["success"], true);
    }
}

#[tokio::test]
async fn rest_call_obeys_policy_scope_and_schema() {
    let server = TestServer::with(&[("MCP_AUTH_SCOPE", "kasm:use")]).await;
    let command = json!({ "kasm_id": server.session().await, "command": "sudo ls" });
    let refused = send(server.rest("execute_kasm_command", &command)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["error_type"], "security", "{}", refused.body);
    let refused = send(server.rest("get_kasm_users", &json!({}))).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["error_type"], "permission", "{}", refused.body);
    let misspelt = send(server.rest("get_session_status", &json!({ "kasmid": "x" }))).await;
    assert_eq!(misspelt.status, 400);
    assert_eq!(misspelt.body["error_type"], "validation");
}

#[tokio::test]
async fn rest_call_over_rate_is_429_with_retry_after() {
    let settings = [
        ("MCP_RATE_COSTLY_TOOLS", "1/1"),
        ("MCP_RATE_PER_CALLER", "6/4"),
    ];
    let server = TestServer::with(&settings).await;
    let start = json!({ "image_name": "no such image" });
    assert_eq!(
        send(server.rest("create_kasm_session", &start))
            .await
            .status,
        404
    );
    let again = server
        .rest("create_kasm_session", &start)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 429);
    let wait: u64 = again.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    let told: Value = again.json().await.unwrap();
    assert_eq!(told["error_type"], "rate_limited");
    for _ in 0..5 {
        let refused = server
            .rest("list_user_sessions", &json!({}))
            .send()
            .await
            .unwrap();
        if refused.status() == 200 {
            continue;
        }
        assert!(refused.headers().contains_key("retry-after"));
        return assert_problem(&answer_of(refused).await, 429, "this token");
    }
    panic!("it is never too often");
}
