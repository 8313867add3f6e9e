//! Lines are written in groups: none is lost, and what has an effect is on record before it happens.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use kasm_emulator::Emulator;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Recorded, lines, verify};
use crate::support::{TOKEN, TestServer, config, http_app, rpc};

const READS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_metrics_have_each_of_a_thousand_reads_at_a_time() {
    let recorded = Recorded::start(&[("MCP_MAX_CALLS_PER_CALLER", "1000")]).await;
    let server = &recorded.server;
    let read = |number: usize| {
        let body = rpc("tools/call", json!({ "name": "list_user_sessions" }));
        let request = server.post(&body);
        let request = request.header("x-request-id", format!("read-{number}"));
        async move {
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["result"]["isError"], false, "{answer}");
        }
    };
    // As many as one address may have connections for.
    let reads = futures::stream::iter((0..READS).map(read));
    reads.buffer_unordered(500).collect::<()>().await;
    let metrics = server.http.get(format!("{}/metrics", server.base));
    let metrics = metrics.bearer_auth(TOKEN).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for counted in [
        "kasm_mcp_calls_total{tool=\"list_user_sessions\",outcome=\"ok\"} 1000",
        "kasm_mcp_call_duration_seconds_count{tool=\"list_user_sessions\"} 1000",
        "kasm_mcp_call_duration_seconds_bucket{le=\"+Inf\",tool=\"list_user_sessions\"} 1000",
    ] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
    // The end of the server is the end of the wait: what no call waits for is written, too.
    let directory = recorded.stop().await;
    let whole = verify(directory.path()).unwrap();
    assert_eq!(
        whole.last as usize,
        READS + 1,
        "one line each, and the start"
    );
    assert_eq!(whole.beyond_the_head, 0);
    let lines = lines(directory.path());
    let ids: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line["request_id"].as_str())
        .collect();
    assert_eq!(ids.len(), READS);
    let calls: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line["call"].as_u64())
        .collect();
    assert_eq!(calls.len(), READS);
}

/// Forwards to the emulator, and notes how many lines of a begin the file has when the first request of a creation
/// comes: without a cache, that asks for the images.
async fn forward_and_count(
    client: TcpStream,
    emulator: Arc<Emulator>,
    file: Arc<Path>,
    seen: Arc<Mutex<Vec<usize>>>,
) -> std::io::Result<()> {
    let address = emulator.url().trim_start_matches("http://").to_owned();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_kasm, mut to_kasm) = TcpStream::connect(address).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_kasm, &mut to_client).await });
    let mut bytes = vec![0; 16 << 10];
    loop {
        let count = from_client.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if bytes[..count].starts_with(b"POST /api/public/get_images ") {
            let text = std::fs::read_to_string(&file)?;
            seen.lock()
                .push(text.matches("\"event\":\"begin\"").count());
        }
        to_kasm.write_all(&bytes[..count]).await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_has_the_begin_of_an_effect_before_kasm_hears_of_it() {
    let emulator = Arc::new(Emulator::builder().start().await.unwrap());
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("audit.jsonl");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::<Mutex<Vec<usize>>>::default();
    let counted = (emulator.clone(), Arc::<Path>::from(&*file), seen.clone());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (emulator, file, seen) = counted.clone();
            tokio::spawn(forward_and_count(client, emulator, file, seen));
        }
    });
    let (key, secret) = emulator.key();
    let settings = [
        ("KASM_API_URL", proxy.as_str()),
        ("KASM_API_KEY", key),
        ("KASM_API_SECRET", secret),
        ("KASM_USER_ID", emulator.user_id()),
        ("MCP_AUDIT_FILE", file.to_str().unwrap()),
    ];
    // Its own emulator stays idle.
    let spare = Emulator::builder().start().await.unwrap();
    let server = TestServer::in_front_of(spare, &settings).await;
    let creates = async {
        for _ in 0..20 {
            let arguments = json!({ "image_name": "Terminal", "wait": false });
            server.ok("create_kasm_session", arguments).await;
        }
    };
    let reads = || async {
        loop {
            server.ok("list_user_sessions", json!({})).await;
        }
    };
    // Reads fill the buffer all the time.
    let readers = futures::future::join_all((0..8).map(|_| reads()));
    tokio::select! {
        () = creates => {}
        _ = readers => unreachable!("they read forever"),
    }
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 20);
    for (earlier, begins) in seen.into_iter().enumerate() {
        assert!(
            begins > earlier,
            "call {earlier} is not on record: {begins}"
        );
    }
    server.stop().await;
    verify(directory.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_with_huge_arguments_stays_verifiable_over_restarts() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("audit.jsonl");
    let settings = [("MCP_AUDIT_FILE", file.to_str().unwrap())];
    for (actions, whole) in [(8_000, true), (80_000, false), (1, true)] {
        let server = TestServer::with(&settings).await;
        let actions = vec![json!({ "type": "screenshot" }); actions];
        let count = actions.len();
        let arguments = json!({ "kasm_id": "0".repeat(32), "actions": actions });
        server.call("control_desktop", arguments).await;
        server.stop().await;
        verify(directory.path()).unwrap();
        let lines = lines(directory.path());
        let arguments = &lines.last().unwrap()["arguments"];
        if whole {
            assert_eq!(arguments["actions"].as_array().unwrap().len(), count);
        } else {
            assert!(arguments["bytes"].as_u64().unwrap() > 1_000_000);
            assert!(arguments["actions"].is_null());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_file_moved_away_while_it_is_written_still_has_one_writer() {
    let recorded = Recorded::start(&[]).await;
    // As it is for a moment while the server switches files.
    let file = recorded.directory.path().join("audit.jsonl");
    std::fs::rename(&file, recorded.directory.path().join("moved")).unwrap();
    let emulator = Emulator::builder().start().await.unwrap();
    let settings = [("MCP_AUDIT_FILE", file.to_str().unwrap())];
    let second = http_app(&config(&emulator, &settings));
    let refusal = second.map(drop).unwrap_err().to_string();
    assert!(
        refusal.contains("another process is writing it"),
        "{refusal}"
    );
}
