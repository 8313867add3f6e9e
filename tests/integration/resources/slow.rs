//! A listener that does not keep up.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kasm_mcp::caller::{Level, Realm, Scope};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::mcp::sessions::{McpSessions, SessionLimits};
use kasm_mcp::tool::catalogue::{ArgumentValues, Catalogue, Resource, ResourceContent};
use kasm_mcp::tool::invocation::CallOptions;
use kasm_mcp::tool::provider::Provider;
use kasm_mcp::tool::registry::Registry;
use kasm_mcp::tool::{
    ApprovalChannel, CallPosition, Effect, ProgressReporter, Tool, ToolCallContext, ToolError,
    ToolReply, Toolset,
};
use rmcp::model::{ClientCapabilities, Implementation, InitializeRequestParams};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::support::toolbox::{DESCRIPTION, caller};

struct Touch;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct NoArgs {}

impl Tool for Touch {
    type Provider = ();
    type Args = NoArgs;
    type Output = ();
    const NAME: &'static str = "touch";
    const TITLE: &'static str = "Touch";
    const ABOUT: &'static str = "Changes something.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        _: ToolCallContext<'_, ()>,
        _: NoArgs,
    ) -> Result<ToolReply<()>, ToolError> {
        Ok(ToolReply::new((), "it is changed"))
    }
}

const TOOLSET: Toolset<()> = Toolset {
    name: "test",
    about: "A tool of this test",
    scope: Scope::new(Realm::KASM, Level::Read),
    tools: &[&Touch],
};

const CATALOGUE: Catalogue = Catalogue {
    resources: &[Resource {
        uri: "test://{thing}",
        name: "thing",
        title: "Thing",
        about: "A thing.",
        tool: "touch",
        shows: ResourceContent::Data,
        fresh: Duration::ZERO,
        only: None,
        changed_by: &[],
    }],
    prompts: &[],
    values: &[ArgumentValues {
        argument: "thing",
        tool: "touch",
        list: "things",
        names: &["thing"],
        changed_by: &["touch"],
    }],
};

#[tokio::test]
async fn listener_that_falls_behind_is_notified_once() {
    let provider = Provider::new(DESCRIPTION)
        .with_toolsets(&Arc::new(()), &[TOOLSET])
        .with_catalogue(CATALOGUE);
    let registry = Registry::new(Duration::from_secs(5), 8).mount_provider(provider);
    let registry = Arc::new(registry);
    let server = McpServer::new(registry.clone());
    let caller = caller("slow");
    let sessions = McpSessions::new(SessionLimits {
        all_max: 1,
        per_caller_max: 1,
        idle: Duration::from_secs(60),
    });
    let client = InitializeRequestParams::new(
        ClientCapabilities::default(),
        Implementation::new("slow", "1"),
    );
    let session = sessions.open_session(&caller, client).unwrap();
    session.watched.add_list();
    let mut stream = pin!(
        server
            .change_notices()
            .notify_session(session, caller.clone())
    );
    let touch = async || {
        let options = CallOptions {
            origin: None,
            caller: caller.clone(),
            cancelled: CancellationToken::new(),
            progress: ProgressReporter::without_listener(),
            confirm: ApprovalChannel::unavailable(),
            conversation: None,
            position: CallPosition::default(),
        };
        registry
            .call_tool("touch", Map::new(), options)
            .await
            .unwrap();
    };
    for _ in 0..1_000 {
        touch().await;
    }
    // One for all that were missed, and the last 256, which were kept.
    let mut heard = 0;
    while let Some(message) = stream.next().now_or_never() {
        let message: Value = serde_json::to_value(message.unwrap()).unwrap();
        assert_eq!(message["method"], "notifications/resources/list_changed");
        heard += 1;
        // A task that never waits is made to, and would look as if it had heard all.
        tokio::task::yield_now().await;
    }
    assert_eq!(heard, 257);
    touch().await;
    assert!(stream.next().now_or_never().is_some());
}
