//! Output as it comes, and many commands at once.

use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, NumberOrString,
    ProgressNotificationParam, ProgressToken, RequestParamsMeta,
};
use rmcp::service::{NotificationContext, PeerRequestOptions};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::json;

use super::server;
use crate::support::clients::modern_request;
use crate::support::kasm::until;
use crate::support::{TOKEN, TestServer};

/// A client that keeps what it is shown.
#[derive(Clone, Default)]
struct Watcher(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Watcher {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let message = params.message.unwrap_or_default();
        self.0.lock().push(message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_output_arrives_as_progress_while_it_runs() {
    let server = server(&[]).await;
    let id = server.session().await;
    let watcher = Watcher::default();
    let config = StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = watcher.clone().serve(transport).await.unwrap();
    // Each line is printed only after the one before was seen.
    let command = "for i in 1 2 3 4; do echo line $i; until [ -e ~/seen$i ]; do sleep 0.05; done; done; exit 3";
    let arguments = json!({ "kasm_id": id, "command": command });
    let mut params = CallToolRequestParams::new("execute_kasm_command")
        .with_arguments(arguments.as_object().cloned().unwrap());
    params.set_progress_token(ProgressToken(NumberOrString::Number(7)));
    let home = server.emulator.session_dir(&id).unwrap();
    let watch = async {
        for number in 1..=4 {
            let line = format!("line {number}\n");
            let seen = || watcher.0.lock().contains(&line);
            until("the line is seen", seen).await;
            std::fs::write(home.join(format!("seen{number}")), "").unwrap();
        }
    };
    let (result, ()) = tokio::join!(client.call_tool(params), watch);
    let data = result.unwrap().structured_content.unwrap()["data"].clone();
    assert_eq!(data["exit_code"], 3, "{data}");
    assert_eq!(data["stdout"], "line 1\nline 2\nline 3\nline 4\n");
}

/// A command that goes on for two seconds, and what it comes to.
const LONG: &str = "echo begun; sleep 2; echo over; exit 5";

async fn comes_to_its_end(server: &TestServer, kasm_id: &str, job: &str) {
    let (stdout, _, last) = server.read_on(kasm_id, job, 0).await;
    assert_eq!(stdout, "begun\nover\n");
    assert_eq!(last["exit_code"], 5, "{last}");
}

/// The job that a progress message names.
fn job_of(message: &str) -> Option<String> {
    let rest = message.split_once("job ")?.1;
    Some(rest.split_whitespace().next()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_call_does_not_stop_its_job() {
    let server = server(&[]).await;
    let id = server.session().await;
    let watcher = Watcher::default();
    let config = StreamableHttpClientTransportConfig::with_uri(server.mcp()).auth_header(TOKEN);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = watcher.clone().serve(transport).await.unwrap();
    let arguments = json!({ "kasm_id": id, "command": LONG });
    let params = CallToolRequestParams::new("execute_kasm_command")
        .with_arguments(arguments.as_object().cloned().unwrap());
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let options = PeerRequestOptions::no_options();
    let call = client.send_cancellable_request(request, options).await;
    let job = || {
        let shown = watcher.0.lock();
        shown.iter().find_map(|message| job_of(message))
    };
    until("the job is named", || job().is_some()).await;
    call.unwrap()
        .cancel(Some("enough".to_owned()))
        .await
        .unwrap();
    comes_to_its_end(&server, &id, &job().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_event_stream_does_not_stop_its_job() {
    let server = server(&[]).await;
    let id = server.session().await;
    let params = json!({
        "name": "execute_kasm_command",
        "arguments": { "kasm_id": id, "command": LONG },
        "_meta": { "progressToken": 1 },
    });
    let request = modern_request(&server, "tools/call", params, Some("execute_kasm_command"));
    let mut answer = request.send().await.unwrap();
    let mut read = String::new();
    let job = loop {
        let chunk = answer.chunk().await.unwrap().unwrap();
        read.push_str(&String::from_utf8_lossy(&chunk));
        // The whole id, which is followed by a space.
        if let Some(job) = job_of(&read).filter(|job| job.len() == 32) {
            break job;
        }
    };
    drop(answer);
    comes_to_its_end(&server, &id, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commands_in_many_sessions_keep_their_output() {
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
