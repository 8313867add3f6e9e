//! Screenshots, statistics and recordings.

use std::time::Duration;

use kasm_emulator::{RecordingSpec, ScreenshotMode};
use serde_json::{Value, json};

use super::support::{Reply, Server};

async fn shot(server: &Server, kasm_id: &str) -> Reply {
    let mut fields = server.of(kasm_id);
    fields["width"] = json!(320);
    fields["height"] = json!(180);
    server.call("get_kasm_screenshot", fields).await
}

/// Width and height from the frame header of a JPEG.
fn size(jpeg: &[u8]) -> (u16, u16) {
    let header = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let number = |at: usize| u16::from_be_bytes([jpeg[header + at], jpeg[header + at + 1]]);
    (number(7), number(5))
}

#[tokio::test]
async fn get_kasm_screenshot_is_jpeg_in_proportion() {
    let server = Server::start().await;
    server.configure(|p| p.desktop_size = (3840, 2008));
    let (kasm_id, _) = server.request().await;
    let reply = shot(&server, &kasm_id).await;
    assert_eq!((reply.status, reply.kind.as_str()), (200, "image/jpeg"));
    assert_eq!(reply.body[..2], [0xff, 0xd8]);
    assert_eq!(size(&reply.body), (320, 167));
}

#[tokio::test]
async fn get_kasm_screenshot_is_as_old_as_its_mode() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let pause = Duration::from_millis(5);
    let first = shot(&server, &kasm_id).await.body;
    tokio::time::sleep(pause).await;
    assert!(shot(&server, &kasm_id).await.body == first, "stale");
    server.attach_viewer(&kasm_id);
    assert!(shot(&server, &kasm_id).await.body != first, "watched");
    server.detach_viewers(&kasm_id);
    server.configure(|p| p.screenshot = ScreenshotMode::Fresh);
    let third = shot(&server, &kasm_id).await.body;
    tokio::time::sleep(pause).await;
    assert!(shot(&server, &kasm_id).await.body != third, "fresh");
    server.configure(|p| p.screenshot = ScreenshotMode::None);
    let reply = shot(&server, &kasm_id).await;
    assert!(!reply.error().is_empty());
}

#[tokio::test]
async fn get_kasm_screenshot_without_user_or_of_machine_is_html_crash() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let fields = json!({"kasm_id": kasm_id, "width": 320, "height": 180});
    let reply = server.call("get_kasm_screenshot", fields).await;
    assert!(reply.is_html_crash());
    let images = server.images();
    let machine = images.iter().find(|i| i.image_type == "Server").unwrap();
    let fields = json!({"image_id": machine.image_id, "user_id": server.user_id()});
    let answer = server.get("request_kasm", fields).await;
    let reply = shot(&server, answer["kasm_id"].as_str().unwrap()).await;
    assert!(reply.is_html_crash());
}

#[tokio::test]
async fn stats_without_viewer_are_empty_or_error() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let mut fields = server.of(&kasm_id);
    fields["client"] = json!("all");
    let error = server.fails("get_kasm_frame_stats", fields.clone()).await;
    assert_eq!(error, "Error retrieving frame stats with status code (503)");
    let none = server
        .get("get_kasm_bottleneck_stats", fields.clone())
        .await;
    assert_eq!(none, json!({}));

    server.attach_viewer(&kasm_id);
    let stats = server.get("get_kasm_frame_stats", fields.clone()).await;
    assert_eq!(stats["frame"]["resx"], 1280);
    assert_eq!(stats["client_side"].as_array().unwrap().len(), 1);
    let stats = server.get("get_kasm_bottleneck_stats", fields).await;
    let viewers = stats["kasm_user"].as_object().unwrap();
    assert_eq!(
        viewers.values().next().unwrap().as_array().unwrap().len(),
        4
    );
}

#[tokio::test]
async fn recordings_exist_after_their_session_ended() {
    let server = Server::start().await;
    let (kasm_id, _) = server.request().await;
    let spec = RecordingSpec {
        duration: Duration::from_secs(90),
        started: None,
    };
    let id = server.add_recording(&kasm_id, &spec).unwrap();
    server.kill_session(&kasm_id);
    let fields = json!({"target_kasm_id": kasm_id, "preauth_download_link": false});
    let list = server.get("get_session_recordings", fields).await;
    let recording = &list["session_recordings"][0];
    assert_eq!(recording["recording_id"], id);
    assert_eq!(recording["session_recording_metadata"]["duration"], 90);
    assert_eq!(recording["session_recording_download_url"], Value::Null);
    let fields = json!({"target_kasm_ids": [kasm_id], "preauth_download_link": true});
    let list = server.get("get_sessions_recordings", fields).await;
    let recording = &list["kasm_sessions"][&kasm_id]["session_recordings"][0];
    assert!(recording["session_recording_download_url"].is_string());
}
