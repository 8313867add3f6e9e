//! What the server does with those who watch: videos, watermarks, silence, and what is copied.

use std::time::Duration;

use super::rfb::{DESKTOP_SIZE, LAST_RECT, Rfb, TIGHT, ZRLE};
use super::support::Server;

/// A small desktop where eleven pictures make a video, and a way to connect to it.
async fn small() -> (Server, String, String) {
    let server = Server::start().await;
    server.configure(|profile| {
        profile.desktop_size = (160, 100);
        profile.desktop_frame_rate = 5;
    });
    let (kasm_id, token, _) = server.session().await;
    (server, kasm_id, token)
}

#[tokio::test]
async fn many_pictures_are_a_video_that_ends_some_clients() {
    let (server, kasm_id, token) = small().await;
    let mut counting = Rfb::connect(&server, &kasm_id, &token).await;
    counting.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    for _ in 0..11 {
        assert_eq!(counting.update(false).await.len(), 1);
    }
    counting.ask(false).await;
    assert!(counting.ends().await);

    let mut open = Rfb::connect(&server, &kasm_id, &token).await;
    open.encodings(&[ZRLE, DESKTOP_SIZE, LAST_RECT]).await;
    for _ in 0..30 {
        assert_eq!(open.update(false).await.len(), 1);
    }
    // One pixel after each picture makes up for it.
    let mut sparing = Rfb::connect(&server, &kasm_id, &token).await;
    sparing.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    for _ in 0..30 {
        sparing.update(false).await;
        sparing.settle().await;
        sparing.settle().await;
    }
}

#[tokio::test]
async fn changes_and_a_pixel_are_asked_for_together() {
    let (server, kasm_id, token) = small().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE, LAST_RECT]).await;
    client.update(false).await;
    let both = |x: u8| {
        let changes = [3, 1, 0, 0, 0, 0, 0, 160, 0, 100];
        [changes, [3, 0, 0, x, 0, 0, 0, 1, 0, 1]].concat()
    };
    client.send(&both(1)).await;
    let still = client.updated().await.unwrap();
    assert_eq!(still.len(), 1);
    assert_eq!((still[0].x, still[0].width, still[0].height), (1, 1, 1));
    client.point(0, (100, 50), (0, 0)).await;
    client.send(&both(0)).await;
    let moved = client.updated().await.unwrap();
    assert!(moved.len() > 1 || moved[0].width > 1, "{moved:?}");
    let all = client.pixels.clone();
    client.update(false).await;
    assert_eq!(client.pixels, all);
}

#[tokio::test]
async fn a_watermark_comes_unasked() {
    let (server, kasm_id, token) = small().await;
    server.configure(|profile| profile.desktop_watermark = true);
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE, LAST_RECT]).await;
    let rects = client.update(false).await;
    assert!(
        rects
            .iter()
            .any(|rect| rect.encoding == TIGHT && rect.width == 160)
    );
    let mut counting = Rfb::connect(&server, &kasm_id, &token).await;
    counting.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    counting.ask(false).await;
    assert!(counting.ends().await);
}

#[tokio::test]
async fn silence_and_cuts_end_a_connection() {
    let (server, kasm_id, token) = small().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    assert!(server.cut_desktop_after(&kasm_id, 1));
    client.settle().await;
    client.ask_for(false, [0, 0, 1, 1]).await;
    assert!(client.ends().await);
    server.configure(|profile| profile.desktop_idle_timeout = Some(Duration::from_millis(250)));
    let mut silent = Rfb::connect(&server, &kasm_id, &token).await;
    assert!(silent.ends().await);
}

#[tokio::test]
async fn who_may_only_watch_is_not_told_so() {
    let (server, kasm_id, token) = small().await;
    server.configure(|profile| profile.desktop_view_only = true);
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    client.click((20, 20)).await;
    client.text("a").await;
    client.settle().await;
    let desktop = server.desktop(&kasm_id).unwrap();
    assert!(desktop.clicks.is_empty() && desktop.keys.is_empty());
}

#[tokio::test]
async fn what_has_no_text_is_told_by_its_kind() {
    let (server, kasm_id, token) = small().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    client.settle().await;
    assert!(server.copy_other_on_desktop(&kasm_id, "image/png", b"\x89PNG"));
    assert_eq!(client.told(180).await, b"image/png");
    assert!(server.desktop(&kasm_id).unwrap().clipboard.is_none());
}
