//! Desktops that mean ill.

use std::time::Duration;

use kasm_emulator::DesktopFault;

use super::rfb::{DESKTOP_SIZE, Rfb, ZRLE, cookies, under_zeros};
use super::support::Server;

/// A client that has asked a desktop with this fault for a picture.
async fn before(fault: DesktopFault) -> (Server, Rfb) {
    let server = Server::start().await;
    let (kasm_id, token, _) = server.session().await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
    client.update(false).await;
    client.unasked.clear();
    server.configure(|profile| profile.desktop_fault = Some(fault));
    client.ask(false).await;
    (server, client)
}

/// How many bytes come before it is silent for a while, and whether the
/// connection is over then.
async fn comes(client: &mut Rfb) -> (usize, bool) {
    let mut count = 0;
    loop {
        let byte = tokio::time::timeout(Duration::from_millis(250), client.try_take(1)).await;
        match byte {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, true),
            Err(_) => return (count, false),
        }
    }
}

#[tokio::test]
async fn desktop_fault_stops_updates_halfway() {
    let (_server, mut client) = before(DesktopFault::Silent).await;
    assert_eq!(comes(&mut client).await, (0, false));
    let (_server, mut client) = before(DesktopFault::Stalled).await;
    let (half, ended) = comes(&mut client).await;
    assert!(half > 1_000 && !ended);
    let (_server, mut client) = before(DesktopFault::Cut).await;
    let (half, ended) = comes(&mut client).await;
    assert!(half > 1_000 && ended);
    let (_server, mut client) = before(DesktopFault::Trickling).await;
    comes(&mut client).await;
    client.take(2).await;
}

#[tokio::test]
async fn desktop_fault_sends_wrong_rectangles() {
    let (_server, mut client) = before(DesktopFault::WrongLength).await;
    let update = client.take(20).await;
    assert_eq!(update[..4], [0, 0, 0, 1]);
    assert_eq!(update[16..], 50_000_000_u32.to_be_bytes());
    assert_eq!(comes(&mut client).await, (1_000, false));

    let (_server, mut client) = before(DesktopFault::EndlessRectangles).await;
    for _ in 0..3 {
        assert_eq!(client.updated().await.unwrap().len(), 65_535);
    }
}

#[tokio::test]
async fn desktop_fault_sends_broken_contents() {
    let rectangle = async |fault| {
        let (server, mut client) = before(fault).await;
        let update = client.take(16).await;
        assert_eq!(update[..4], [0, 0, 0, 1]);
        (server, client, update)
    };
    let (_server, _client, update) = rectangle(DesktopFault::OutsideScreen).await;
    assert_eq!(update[4..6], 1280_u16.to_be_bytes());
    let (_server, mut client, _) = rectangle(DesktopFault::BadCompression).await;
    assert_eq!(client.take(8).await, [0, 0, 3, 232, 85, 85, 85, 85]);
    let (_server, mut client, _) = rectangle(DesktopFault::BadTile).await;
    let length = client.take(4).await;
    assert_eq!(length[..2], [0, 0]);
    let (_server, mut client, update) = rectangle(DesktopFault::Bomb).await;
    assert_eq!(update[8..12], [0, 1, 0, 1]);
    let length = u32::from_be_bytes(client.take(4).await.try_into().unwrap());
    assert!(length < 1 << 20, "{length}");
}

#[tokio::test]
async fn desktop_fault_sends_unknown_or_long_messages() {
    let (_server, mut client) = before(DesktopFault::UnknownMessage).await;
    assert_eq!(client.take(1).await, [77]);
    let (_server, mut client) = before(DesktopFault::HugeClipboard).await;
    let message = client.take(21).await;
    assert_eq!((message[0], &message[17..]), (180, &[255; 4][..]));
    assert_eq!(comes(&mut client).await, (10_000, false));
}

#[tokio::test]
async fn desktop_fault_names_huge_screen_or_name() {
    for (fault, size) in [
        (DesktopFault::HugeScreen, [255; 4]),
        (DesktopFault::LongName, [5, 0, 2, 208]),
    ] {
        let server = Server::start().await;
        server.configure(|profile| profile.desktop_fault = Some(fault));
        let (kasm_id, token, _) = server.session().await;
        let mut client = Rfb::open(&server, &kasm_id, &cookies(&token)).await;
        client.take(12).await;
        client.send(b"RFB 003.008\n").await;
        client.take(2).await;
        client.send(&[2]).await;
        let challenge = client.take(16).await;
        client.send(&under_zeros(&challenge)).await;
        client.send(&[1]).await;
        let init = client.take(28).await;
        assert_eq!(init[4..8], size);
        let name = if fault == DesktopFault::LongName {
            [255; 4]
        } else {
            [0, 0, 0, 3]
        };
        assert_eq!(init[24..], name);
    }
}
