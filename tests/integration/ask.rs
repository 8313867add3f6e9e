//! Asking a person: a tool that needs consent, behind the production stack.

mod legacy;
mod modern;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use kasm_mcp::caller::{Level, Realm, Scope};
use kasm_mcp::mcp::approvals::ApprovalBook;
use kasm_mcp::tool::{
    AnyTool, ApprovalQuestion, Effect, Tool, ToolCallContext, ToolError, ToolReply, Toolset,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::toolbox::{Toolbox, caller};

/// Counts what was done.
#[derive(Default)]
struct World {
    done: AtomicUsize,
    /// What the rules say today; part of what is approved.
    rules: AtomicUsize,
}

struct Run;

/// Needs no consent for `ls`.
#[derive(Deserialize, JsonSchema)]
struct RunArgs {
    /// What to run.
    command: String,
    /// Where.
    place: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Ran {
    times: usize,
}

impl Tool for Run {
    type Provider = World;
    type Args = RunArgs;
    type Output = Ran;
    const NAME: &'static str = "run";
    const TITLE: &'static str = "Run";
    const ABOUT: &'static str = "Runs something.";
    const EFFECT: Effect = Effect::Write;
    const ASKS: bool = true;

    async fn call(
        &self,
        cx: ToolCallContext<'_, World>,
        args: RunArgs,
    ) -> Result<ToolReply<Ran>, ToolError> {
        if args.command != "ls" {
            let rules = cx.provider.rules.load(Ordering::SeqCst);
            cx.ask_for_approval(ApprovalQuestion {
                title: "Run a command".to_owned(),
                text: format!(
                    "{} in {}",
                    args.command,
                    args.place.as_deref().unwrap_or("~")
                ),
                what: format!("{rules}:{}", args.command),
            })
            .await?;
        }
        let times = cx.provider.done.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(ToolReply::new(Ran { times }, "done"))
    }
}

/// The same under another name.
struct RunElsewhere;

impl Tool for RunElsewhere {
    type Provider = World;
    type Args = RunArgs;
    type Output = Ran;
    const NAME: &'static str = "run_elsewhere";
    const TITLE: &'static str = "Run elsewhere";
    const ABOUT: &'static str = "Runs something elsewhere.";
    const EFFECT: Effect = Effect::Write;
    const ASKS: bool = true;

    async fn call(
        &self,
        cx: ToolCallContext<'_, World>,
        args: RunArgs,
    ) -> Result<ToolReply<Ran>, ToolError> {
        Run.call(cx, args).await
    }
}

const TOOLS: &[&dyn AnyTool<World>] = &[&Run, &RunElsewhere];
const TOOLSET: Toolset<World> = Toolset {
    name: "test",
    about: "Tools of a test.",
    scope: Scope::new(Realm::KASM, Level::Use),
    tools: TOOLS,
};

/// One key for all servers of a test binary, as replicas with a configured key would have it.
static SHARED: LazyLock<ApprovalBook> =
    LazyLock::new(|| ApprovalBook::new(Duration::from_secs(60)));

type Server = Toolbox<World>;

async fn start(name: &str, consent: &ApprovalBook) -> Server {
    Toolbox::start(Arc::default(), TOOLSET, caller(name), consent).await
}

impl Server {
    fn times(&self) -> usize {
        self.provider.done.load(Ordering::SeqCst)
    }
}

fn refused(reply: &Value, code: &str) {
    assert_eq!(reply["success"], false, "{reply}");
    assert_eq!(reply["error_type"], "security", "{reply}");
    assert_eq!(reply["code"], code, "{reply}");
    assert!(reply["hint"].as_str().unwrap().len() > 20, "{reply}");
}

#[tokio::test]
async fn approval_without_elicitation_is_refused() {
    let server = start("bare", &SHARED).await;
    let call = |command: &str, meta: Value| {
        let arguments = json!({ "command": command });
        let params = json!({ "name": "run", "arguments": arguments, "_meta": meta });
        server.post(&crate::support::rpc("tools/call", params))
    };
    let answer = |request: reqwest::RequestBuilder| async {
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["result"]["structuredContent"].clone()
    };
    let reply = answer(call("rm", json!({}))).await;
    refused(&reply, "approval_unavailable");
    // A claim without a handshake opens no way to a person.
    let claim = json!({ "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } });
    refused(&answer(call("rm", claim)).await, "approval_unavailable");
    assert_eq!(server.times(), 0);
    assert_eq!(answer(call("ls", json!({}))).await["success"], true);
}
