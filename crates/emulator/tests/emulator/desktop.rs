//! The desktop over RFB: getting in, pictures, sizes, and who else is there.

use std::time::Duration;

use kasm_emulator::DesktopSecurity;
use serde_json::json;

use super::rfb::{BROWSER, DESKTOP_SIZE, EXTENDED, Rfb, ZRLE, cookies, knock, under_zeros};
use super::support::Server;

async fn session() -> (Server, String, String) {
    let server = Server::start().await;
    let (kasm_id, token, _) = server.session().await;
    (server, kasm_id, token)
}

#[tokio::test]
async fn desktop_socket_needs_browser_headers_and_cookies() {
    let (server, kasm_id, token) = session().await;
    let own = cookies(&token);
    let status =
        async |cookies: &str, headers: &str| knock(&server, &kasm_id, cookies, headers).await.0;
    assert_eq!(status(&own, BROWSER).await, 101);
    assert_eq!(
        status(&own, "Sec-WebSocket-Protocol: binary\r\n").await,
        404
    );
    assert_eq!(status(&own, "Origin: null\r\n").await, 404);
    let both = "Origin: null\r\nSec-WebSocket-Protocol: binary, base64\r\n";
    assert_eq!(status(&own, both).await, 101);
    assert_eq!(status(&cookies("nonsense"), BROWSER).await, 401);
    assert_eq!(status("a=b", BROWSER).await, 401);
    assert!(server.stop_container(&kasm_id));
    assert_eq!(status(&own, BROWSER).await, 503);
}

#[tokio::test]
async fn rfb_empty_password_is_accepted_unless_another_is_set() {
    let (server, kasm_id, token) = session().await;
    let own = cookies(&token);
    for (security, right, accepted) in [
        (DesktopSecurity::EmptyPassword, true, true),
        (DesktopSecurity::EmptyPassword, false, false),
        (DesktopSecurity::OtherPassword, true, false),
    ] {
        server.configure(|profile| profile.desktop_security = security);
        let mut client = Rfb::open(&server, &kasm_id, &own).await;
        client.take(12).await;
        client.send(b"RFB 003.008\n").await;
        assert_eq!(client.take(2).await, [1, 2]);
        client.send(&[2]).await;
        let challenge = client.take(16).await;
        let answer = if right {
            under_zeros(&challenge)
        } else {
            challenge
        };
        client.send(&answer).await;
        assert_eq!(client.take(4).await, [0, 0, 0, u8::from(!accepted)]);
        if accepted {
            client.send(&[1]).await;
            client.init().await;
        } else {
            assert_eq!(client.take(4).await, [0, 0, 0, 22]);
            assert_eq!(client.take(22).await, b"Authentication failure");
            assert!(client.ends().await);
        }
    }
    server.configure(|profile| profile.desktop_security = DesktopSecurity::None);
    let mut client = Rfb::open(&server, &kasm_id, &own).await;
    client.take(12).await;
    client.send(b"RFB 003.008\n").await;
    assert_eq!(client.take(2).await, [1, 1]);
    client.send(&[2]).await;
    assert!(client.ends().await, "a type that was not offered");
    let client = Rfb::connect(&server, &kasm_id, &token).await;
    assert_eq!((client.width, client.height), (1280, 720));
}

#[tokio::test]
async fn rfb_accepts_other_versions_and_refuses_junk() {
    let (server, kasm_id, token) = session().await;
    let own = cookies(&token);
    let mut client = Rfb::open(&server, &kasm_id, &own).await;
    client.take(12).await;
    client.send(b"RFB 003.003\n").await;
    assert_eq!(client.take(4).await, [0, 0, 0, 2]);
    let challenge = client.take(16).await;
    client.send(&under_zeros(&challenge)).await;
    assert_eq!(client.take(4).await, [0; 4]);
    client.send(&[1]).await;
    client.init().await;
    let mut client = Rfb::open(&server, &kasm_id, &own).await;
    client.take(12).await;
    client.send(b"GET / HTTP/1").await;
    assert!(client.ends().await);
}

#[tokio::test]
async fn rfb_raw_and_zrle_show_the_same_picture() {
    let (server, kasm_id, token) = session().await;
    let mut raw = Rfb::connect(&server, &kasm_id, &token).await;
    let rects = raw.update(false).await;
    assert!(rects.iter().all(|rect| rect.encoding == 0));
    let mut zrle = Rfb::connect(&server, &kasm_id, &token).await;
    zrle.encodings(&[0, ZRLE, DESKTOP_SIZE]).await;
    for _ in 0..2 {
        let rects = zrle.update(false).await;
        assert!(rects.len() > 1);
        assert!(rects.iter().all(|rect| rect.encoding == ZRLE));
        assert!(raw.pixels == zrle.pixels, "also with the stream going on");
    }
    let colours: std::collections::BTreeSet<_> = raw.pixels.iter().collect();
    assert!(colours.len() > 1_000);
    // A part of it, and nothing that lies outside.
    zrle.ask_for(false, [1_270, 700, 500, 500]).await;
    let rects = zrle.updated().await.unwrap();
    assert_eq!((rects[0].width, rects[0].height), (10, 20));
    assert!(raw.pixels == zrle.pixels);
}

#[tokio::test]
async fn rfb_client_chooses_its_pixel_format() {
    let (server, kasm_id, token) = session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.update(false).await;
    let colour = client.pixels[0];
    // 16 bits, the highest byte first, 5, 6 and 5 of them.
    let format = [16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0];
    client.send(&[&[0, 0, 0, 0][..], &format].concat()).await;
    client.ask_for(false, [0, 0, 1, 1]).await;
    let update = client.told_raw(4 + 12 + 2).await;
    let [_, r, g, b] = colour.to_be_bytes().map(u32::from);
    let expected = (r * 31 / 255) << 11 | (g * 63 / 255) << 5 | (b * 31 / 255);
    assert_eq!(update[16..], (expected as u16).to_be_bytes());
}

#[tokio::test]
async fn rfb_idle_screen_sends_no_update() {
    let (server, kasm_id, token) = session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    client.update(false).await;
    client.ask(true).await;
    let news = tokio::time::timeout(Duration::from_millis(300), client.updated()).await;
    assert!(news.is_err());
    server.configure(|profile| profile.desktop_animated = true);
    let rects = client.updated().await.unwrap();
    let stage = server.desktop(&kasm_id).unwrap().stage_area;
    assert!(!rects.is_empty());
    for rect in rects {
        assert!(rect.y + 64 > stage.y.into() && rect.x + rect.width > stage.x.into());
    }
    server.configure(|profile| {
        profile.desktop_animated = false;
        profile.cursor_blinks = true;
    });
    for _ in 0..3 {
        assert!(!client.update(true).await.is_empty());
    }
}

#[tokio::test]
async fn rfb_resize_closes_clients_without_desktop_size() {
    let (server, kasm_id, token) = session().await;
    let mut deaf = Rfb::connect(&server, &kasm_id, &token).await;
    deaf.encodings(&[ZRLE, 0]).await;
    deaf.update(false).await;
    let mut plain = Rfb::connect(&server, &kasm_id, &token).await;
    plain.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    plain.update(false).await;
    assert!(server.resize_desktop(&kasm_id, (900, 601)));
    assert!(deaf.ends().await);
    let rects = plain.update(false).await;
    assert_eq!(rects.len(), 1);
    assert_eq!(rects[0].encoding, DESKTOP_SIZE);
    assert_eq!((plain.width, plain.height), (900, 601));
    plain.update(true).await;
    let mut raw = Rfb::connect(&server, &kasm_id, &token).await;
    assert_eq!((raw.width, raw.height), (900, 601));
    raw.update(false).await;
    assert!(raw.pixels == plain.pixels);
}

#[tokio::test]
async fn rfb_extended_size_comes_alone_and_can_be_set() {
    let (server, kasm_id, token) = session().await;
    let mut other = Rfb::connect(&server, &kasm_id, &token).await;
    other.encodings(&[0, DESKTOP_SIZE]).await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, EXTENDED]).await;
    for _ in 0..2 {
        let rects = client.update(false).await;
        assert_eq!((rects.len(), rects[0].encoding), (1, EXTENDED));
        assert!(client.update(true).await.len() > 1, "all of it");
    }
    let screen = [0, 0, 0, 1, 0, 0, 0, 0, 6, 64, 3, 132, 0, 0, 0, 0];
    let wish = [&[251, 0, 6, 64, 3, 132, 1, 0][..], &screen].concat();
    client.send(&wish).await;
    let rects = client.update(true).await;
    let told: Vec<_> = rects.iter().map(|r| (r.x, r.y, r.encoding)).collect();
    assert_eq!(told, [(0, 0, EXTENDED), (1, 0, EXTENDED)]);
    assert_eq!((client.width, client.height), (1600, 900));
    client.update(true).await;
    other.update(false).await;
    other.update(false).await;
    assert!(client.pixels == other.pixels);
    // Obeyed, but not forgiven.
    other.send(&wish).await;
    assert!(other.ends().await);
}

#[tokio::test]
async fn rfb_viewers_are_notified_of_joins_and_leaves() {
    let (server, kasm_id, token) = session().await;
    let mut first = Rfb::connect(&server, &kasm_id, &token).await;
    assert_eq!(first.told(253).await, b"username_unavailable");
    let mut second = Rfb::connect(&server, &kasm_id, &token).await;
    second.told(253).await;
    first.told(253).await;
    assert_eq!(server.desktop(&kasm_id).unwrap().viewers, 2);
    drop(second);
    assert_eq!(first.told(254).await, b"username_unavailable");
    let own = cookies(&token);
    let mut selfish = Rfb::connect_as(&server, &kasm_id, &own, false).await;
    first.told(254).await;
    assert!(first.ends().await);
    selfish.update(false).await;
    let view = server.desktop(&kasm_id).unwrap();
    assert_eq!((view.viewers, view.connections), (1, 3));
}

#[tokio::test]
async fn frame_stats_request_reaches_the_viewers() {
    let (server, kasm_id, token) = session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.settle().await;
    let mut fields = server.of(&kasm_id);
    fields["client"] = json!("auto");
    server.get("get_kasm_frame_stats", fields).await;
    assert!(client.told(179).await.is_empty());
    client.update(false).await;
}

#[tokio::test]
async fn websocket_sends_no_pong_and_drops_continuations() {
    let (server, kasm_id, token) = session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    // No pong, and a continuation is lost.
    client.send_frame(0x89, b"ping").await;
    client.send_frame(0x02, &[3, 0, 0, 0]).await;
    client.send_frame(0x80, &[0, 0, 0, 1, 0, 1]).await;
    let news = tokio::time::timeout(Duration::from_millis(200), client.updated()).await;
    assert!(news.is_err());
    // One byte for each frame will do.
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    for byte in [3, 0, 0, 0, 0, 0, 0, 1, 0, 1] {
        client.send(&[byte]).await;
    }
    assert_eq!(client.updated().await.unwrap().len(), 1);
    let text = |length: u32| {
        let mut message = vec![6, 0, 0, 0];
        message.extend((length - 8).to_be_bytes());
        message.resize(length as usize, b'x');
        message
    };
    client.send(&text(64_000)).await;
    client.settle().await;
    client.send(&text(65_536)).await;
    assert!(client.ends().await);
    for end in [[0x88, 0], [0x82, 77]] {
        let mut client = Rfb::connect(&server, &kasm_id, &token).await;
        client.send_frame(end[0], &end[1..]).await;
        assert!(client.ends().await, "no frame says so");
    }
}

#[tokio::test]
async fn desktop_connection_ends_with_its_session() {
    let (server, kasm_id, token) = session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.text("kept").await;
    client.settle().await;
    server.get("pause_kasm", server.of(&kasm_id)).await;
    assert!(client.ends().await);
    server.get("resume_kasm", server.of(&kasm_id)).await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    assert_eq!(server.desktop(&kasm_id).unwrap().terminal, "kept");
    client.settle().await;
    assert!(server.cut_desktop(&kasm_id));
    assert!(client.ends().await);
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.settle().await;
    assert!(server.restart_container(&kasm_id));
    assert!(client.ends().await);
    assert_eq!(server.desktop(&kasm_id), None);
}
