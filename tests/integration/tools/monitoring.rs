//! The `monitoring` toolset.

use std::time::{Duration, UNIX_EPOCH};

use kasm_emulator::RecordingSpec;
use serde_json::{Value, json};

use super::refuses;
use crate::support::TestServer;
use crate::support::kasm::words;

#[tokio::test(flavor = "multi_thread")]
async fn get_session_frame_stats_without_viewer_is_conflict() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let arguments = json!({ "kasm_id": session });
    for status in [503, 502] {
        server
            .emulator
            .configure(|profile| profile.frame_stats_status = status);
        let reply = server
            .fails("get_session_frame_stats", arguments.clone(), "conflict")
            .await;
        let (error, hint) = words(&reply);
        assert!(error.contains("no viewer is connected"), "{error}");
        assert!(hint.contains("open the session in a browser"), "{hint}");
    }
    assert!(server.emulator.attach_viewer(&session));
    let data = server.ok("get_session_frame_stats", arguments).await;
    assert_eq!(data["kasm_id"], session);
    assert_eq!(data["stats"]["frame"]["resx"], 1280);
    assert_eq!(data["stats"]["server_side"][0]["process_name"], "Analysis");
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_frame_stats_filters_by_client() {
    let server = TestServer::start().await;
    let session = server.session().await;
    server.emulator.attach_viewer(&session);
    server.emulator.attach_viewer(&session);
    let shown = async |client: Value| {
        let arguments = json!({ "kasm_id": session, "client": client });
        let data = server.ok("get_session_frame_stats", arguments).await;
        data["stats"]["client_side"].as_array().unwrap().clone()
    };
    assert_eq!(shown("none".into()).await, Vec::<Value>::new());
    assert_eq!(shown(Value::Null).await.len(), 2, "auto is the default");
    let all = shown("all".into()).await;
    assert_eq!(all.len(), 2);
    let one = shown(all[1]["client"].clone()).await;
    assert_eq!(one, all[1..]);
    let asked: Vec<_> = server.bodies("get_kasm_frame_stats");
    let asked: Vec<_> = asked.iter().map(|body| &body["client"]).collect();
    assert_eq!(
        asked,
        [
            &json!("none"),
            &json!("auto"),
            &json!("all"),
            &all[1]["client"]
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_frame_stats_with_bad_client_is_validation() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let before = server.emulator.requests().len();
    let table = [
        (json!({ "kasm_id": session, "client": 5 }), "`client`"),
        (json!({ "kasm_id": session, "client": "a\nb" }), "`client`"),
        (
            json!({ "kasm_id": session, "client": "x".repeat(201) }),
            "`client`",
        ),
    ];
    refuses(&server, "get_session_frame_stats", &table).await;
    assert_eq!(server.emulator.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_bottleneck_stats_has_one_entry_per_viewer() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let arguments = json!({ "kasm_id": session });
    let reply = server
        .call("get_session_bottleneck_stats", arguments.clone())
        .await;
    assert_eq!(reply["data"]["stats"], json!({}));
    assert_eq!(reply["message"], "no viewer is connected");
    server.emulator.attach_viewer(&session);
    let reply = server.call("get_session_bottleneck_stats", arguments).await;
    assert_eq!(reply["data"]["kasm_id"], session);
    let viewers = reply["data"]["stats"]["kasm_user"].as_object().unwrap();
    let figures: Vec<_> = viewers.values().collect();
    assert_eq!(figures, [&json!([9.6, 9.8, 10.0, 9.9])]);
    assert_ne!(reply["message"], "no viewer is connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn session_stats_of_paused_session_are_api_error() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let arguments = json!({ "kasm_id": session });
    server.ok("pause_kasm_session", arguments.clone()).await;
    for tool in ["get_session_frame_stats", "get_session_bottleneck_stats"] {
        let reply = server.fails(tool, arguments.clone(), "api").await;
        assert!(words(&reply).0.starts_with("Kasm refused"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_session_recordings_has_links_only_on_request() {
    let server = TestServer::start().await;
    let session = server.session().await;
    let mut arguments = json!({ "kasm_id": session });
    let data = server.ok("get_session_recordings", arguments.clone()).await;
    assert_eq!(data, json!({ "kasm_id": session, "recordings": [] }));

    let spec = RecordingSpec {
        duration: Duration::from_secs(95),
        started: Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
    };
    let id = server.emulator.add_recording(&session, &spec).unwrap();
    let reply = server
        .call("get_session_recordings", arguments.clone())
        .await;
    let recordings = &reply["data"]["recordings"];
    let expected = json!([{
        "recording_id": id, "duration_seconds": 95.0, "timestamp": "2023-11-14 22:13:20.000000",
    }]);
    assert_eq!(recordings, &expected);
    for secret in ["storage.invalid", "signature", "s3://"] {
        assert!(!reply.to_string().contains(secret), "{reply}");
    }

    arguments["download_links"] = true.into();
    let data = server.ok("get_session_recordings", arguments.clone()).await;
    let link = data["recordings"][0]["download_url"].as_str().unwrap();
    assert!(link.starts_with("https://storage.invalid/"), "{link}");
    assert!(link.ends_with(&id), "{link}");

    arguments["download_links"] = "yes".into();
    let table = [(arguments, "`download_links`")];
    refuses(&server, "get_session_recordings", &table).await;
}
