//! Commands in a session: real processes, true output, over each channel.

mod channels;
mod deaths;
mod judging;
mod large;
mod outages;
mod output;
mod policy;
mod stops;
mod watched;

use std::time::Duration;

use kasm_emulator::Emulator;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{TestServer, confinement};

/// A server whose sessions run commands, confined unless the developer accepts that they are not.
pub async fn server(settings: &[(&str, &str)]) -> TestServer {
    TestServer::in_front_of(emulator().await, settings).await
}

pub async fn emulator() -> Emulator {
    Emulator::builder()
        .start_time(Duration::from_millis(20))
        .unconfined(confinement::is_missing())
        .start()
        .await
        .unwrap()
}

/// A server that workspaces reach at its own address, for the relay.
pub async fn relayed() -> TestServer {
    relayed_with(&[]).await
}

/// The same with more settings.
pub async fn relayed_with(more: &[(&str, &str)]) -> TestServer {
    let probe = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = probe.local_addr().unwrap().port().to_string();
    drop(probe);
    let url = format!("http://127.0.0.1:{port}");
    let own = [("MCP_PUBLIC_URL", url.as_str()), ("MCP_SERVER_PORT", &port)];
    server(&[&own, more].concat()).await
}

impl TestServer {
    /// Runs a command to its end.
    pub async fn run(&self, kasm_id: &str, command: &str) -> Value {
        let args = json!({ "kasm_id": kasm_id, "command": command });
        self.ok("execute_kasm_command", args).await
    }

    /// Reads a command's output from an offset on until it has ended; returns both streams and the last
    /// reply.
    pub async fn read_on(
        &self,
        kasm_id: &str,
        job_id: &str,
        mut offset: u64,
    ) -> (String, String, Value) {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        loop {
            let args = json!({ "kasm_id": kasm_id, "job_id": job_id, "offset": offset, "wait_seconds": 10 });
            let reply = self.ok("get_command_output", args).await;
            stdout.push_str(reply["stdout"].as_str().unwrap());
            stderr.push_str(reply["stderr"].as_str().unwrap());
            let next = reply["next_offset"].as_u64().unwrap();
            if reply["running"] == false {
                return (stdout, stderr, reply);
            }
            assert!(next >= offset, "{reply}");
            offset = next;
        }
    }
}
