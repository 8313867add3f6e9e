//! Large bodies, and what goes on beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::kasm::NO_SUCH_ID;
use crate::support::{TOKEN, TestServer, rpc};

/// A MiB of small values: far more than a worker parses itself.
const BODY_BYTES: usize = 1 << 20;
const BODIES: usize = 1_000;

/// Calls that cost their parser or their judge much.
fn body(number: usize) -> Value {
    let numbers = vec![1; BODY_BYTES / 2];
    let arguments = match number % 3 {
        0 => json!({ "kasm_id": NO_SUCH_ID, "command": "true", "more": numbers }),
        1 => json!({ "kasm_id": NO_SUCH_ID, "command": "echo $((1+1)); ".repeat(4_000) }),
        _ => json!({ "kasm_id": NO_SUCH_ID, "command": "true", "environment": { "A": numbers } }),
    };
    rpc(
        "tools/call",
        json!({ "name": "execute_kasm_command", "arguments": arguments }),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: half a GiB of JSON"]
async fn slow_a_supervisor_is_answered_while_large_bodies_are_parsed_and_judged() {
    let server = TestServer::start().await;
    let done = Arc::new(AtomicBool::new(false));
    let health = {
        let (done, url) = (done.clone(), format!("{}/healthz", server.base));
        tokio::spawn(async move {
            let client = reqwest::Client::builder().build().unwrap();
            let (mut answers, mut longest) = (0, Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let asked = Instant::now();
                assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
                longest = longest.max(asked.elapsed());
                answers += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (answers, longest)
        })
    };
    let client = reqwest::Client::builder().build().unwrap();
    let texts: Vec<bytes::Bytes> = (0..3).map(|n| body(n).to_string().into()).collect();
    let calls = futures::stream::iter(0..BODIES).map(|number| {
        client
            .post(server.mcp())
            .bearer_auth(TOKEN)
            .header("content-type", "application/json")
            .body(texts[number % 3].clone())
            .send()
    });
    let mut calls = calls.buffer_unordered(64);
    while let Some(answer) = calls.next().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    done.store(true, Ordering::Relaxed);
    let (answers, longest) = health.await.unwrap();
    assert!(answers > 20, "{answers}");
    assert!(longest < Duration::from_millis(400), "{longest:?}");
}
