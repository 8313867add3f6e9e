//! Output as it comes, and many commands at once.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rmcp::model::{
    CallToolRequestParams, NumberOrString, ProgressNotificationParam, ProgressToken,
    RequestParamsMeta,
};
use rmcp::service::NotificationContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::json;

use super::server;
use crate::support::TOKEN;

/// A line is seen this long after it was printed, at most.
const LATE_MAX_MS: u128 = 1_500;

fn now_ms() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_millis()
}

/// A client that keeps what it is shown, and when.
#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<Vec<(u128, String)>>>);

impl ClientHandler for Watcher {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let message = params.message.unwrap_or_default();
        self.0.lock().unwrap().push((now_ms(), message));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_seen_while_they_are_printed() {
    let server = server(&[]).await;
    let id = server.session().await;
    let watcher = Watcher::default();
    let config = StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = watcher.clone().serve(transport).await.unwrap();
    let command = "for i in 1 2 3 4; do date +'line %s%3N'; sleep 1; done; exit 3";
    let arguments = json!({ "kasm_id": id, "command": command });
    let mut params = CallToolRequestParams::new("execute_kasm_command")
        .with_arguments(arguments.as_object().cloned().unwrap());
    params.set_progress_token(ProgressToken(NumberOrString::Number(7)));
    let result = client.call_tool(params).await.unwrap();
    let data = result.structured_content.unwrap()["data"].clone();
    assert_eq!(data["exit_code"], 3, "{data}");
    let shown = watcher.0.lock().unwrap().clone();
    let lines: Vec<(u128, &str)> = shown
        .iter()
        .filter(|(_, text)| text.starts_with("line "))
        .map(|(seen, text)| (*seen, text.as_str()))
        .collect();
    assert_eq!(lines.len(), 4, "one by one: {shown:?}");
    let whole: String = lines.iter().map(|(_, text)| *text).collect();
    assert_eq!(data["stdout"], whole);
    for (seen, text) in lines {
        let printed: u128 = text["line ".len()..].trim_end().parse().unwrap();
        assert!(seen < printed + LATE_MAX_MS, "{text} seen at {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_at_once_keep_their_own_output() {
    let server = server(&[("MCP_MAX_CALLS_PER_CALLER", "100")]).await;
    let sessions = futures::future::join_all((0..64).map(|_| server.session())).await;
    let calls = sessions.iter().enumerate().map(|(n, id)| {
        let server = &server;
        async move {
            let command = format!("echo {n} | tee -a ~/mine; cat ~/mine >&2; exit {n}");
            let args = json!({ "kasm_id": id, "command": command, "wait_seconds": 25 });
            let data = server.ok("execute_kasm_command", args).await;
            assert_eq!(data["stdout"], format!("{n}\n"), "{data}");
            assert_eq!(data["stderr"], format!("{n}\n"), "{data}");
            assert_eq!(data["exit_code"], n, "{data}");
        }
    });
    futures::future::join_all(calls).await;
}
