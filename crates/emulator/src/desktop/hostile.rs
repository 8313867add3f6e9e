//! A desktop that means ill, or is broken.

use std::future::pending;
use std::io;
use std::time::Duration;

use super::frame::{Frame, Rect};
use super::handshake;
use super::socket::Socket;
use super::viewer::{RAW, Viewer, ZRLE, head, update_of};
use crate::fault::DesktopFault;

/// Rectangles that are sent at a time.
const PACK: usize = 1_000;
/// What a small compressed rectangle becomes.
const BOMB: usize = 64 << 20;
/// Pauses of a stream that only trickles.
const DRIP: Duration = Duration::from_millis(300);

const ONE: Rect = Rect {
    x: 0,
    y: 0,
    width: 1,
    height: 1,
};

/// ServerInit of a desktop with this fault.
pub(super) fn server_init(size: (u16, u16), fault: Option<DesktopFault>) -> Vec<u8> {
    match fault {
        Some(DesktopFault::HugeScreen) => handshake::server_init((u16::MAX, u16::MAX)),
        Some(DesktopFault::LongName) => {
            let mut init = handshake::server_init(size);
            init.truncate(20);
            init.extend(u32::MAX.to_be_bytes());
            init
        }
        Some(_) | None => handshake::server_init(size),
    }
}

/// Answers an update request. It returns only if the stream goes on.
pub(super) async fn answer(
    fault: DesktopFault,
    socket: &mut Socket,
    viewer: &mut Viewer,
    frame: &Frame,
) -> io::Result<()> {
    let whole = frame.area();
    match fault {
        DesktopFault::Silent => pending().await,
        DesktopFault::Stalled | DesktopFault::Cut | DesktopFault::Trickling => {
            let update = viewer
                .answer(frame, false)
                .ok()
                .flatten()
                .unwrap_or_default();
            break_off(fault, socket, &update).await
        }
        DesktopFault::WrongLength => {
            let mut update = rectangle(whole, ZRLE);
            update.extend(50_000_000_u32.to_be_bytes());
            update.extend([0; 1_000]);
            socket.send(&update).await?;
            pending().await
        }
        DesktopFault::EndlessRectangles => loop {
            socket.send(&update_of(usize::from(u16::MAX))).await?;
            let mut rect = Vec::new();
            head(ONE, RAW, &mut rect);
            rect.extend([0; 4]);
            let mut left = usize::from(u16::MAX);
            while left > 0 {
                let pack = PACK.min(left);
                socket.send(&rect.repeat(pack)).await?;
                left -= pack;
            }
        },
        DesktopFault::OutsideScreen => {
            let mut update = rectangle(
                Rect {
                    x: frame.width,
                    ..ONE
                },
                RAW,
            );
            update.extend([0; 4]);
            socket.send(&update).await
        }
        DesktopFault::BadCompression => send_zrle(socket, whole, &[0x55; 1_000]).await,
        DesktopFault::BadTile => {
            let packed = viewer.zrle.compress(&[100; 1_000]);
            send_zrle(socket, whole, &packed).await
        }
        DesktopFault::Bomb => {
            let packed = viewer.zrle.compress(&vec![0; BOMB]);
            send_zrle(socket, ONE, &packed).await
        }
        DesktopFault::UnknownMessage => socket.send(&[77; 100]).await,
        DesktopFault::HugeClipboard => {
            let mut message = vec![180, 1, 0, 0, 0, 1, 10];
            message.extend(b"text/plain");
            message.extend(u32::MAX.to_be_bytes());
            message.extend([b'x'; 10_000]);
            socket.send(&message).await?;
            pending().await
        }
        DesktopFault::HugeScreen | DesktopFault::LongName => {
            let update = viewer
                .answer(frame, false)
                .ok()
                .flatten()
                .unwrap_or_default();
            socket.send(&update).await
        }
    }
}

/// Half of an update, and then what the fault says.
async fn break_off(fault: DesktopFault, socket: &mut Socket, update: &[u8]) -> io::Result<()> {
    let (first, rest) = update.split_at(update.len() / 2);
    socket.send(first).await?;
    if fault == DesktopFault::Trickling {
        return trickle(socket, rest).await;
    }
    if fault == DesktopFault::Stalled {
        return pending().await;
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

async fn trickle(socket: &mut Socket, rest: &[u8]) -> io::Result<()> {
    for byte in rest {
        tokio::time::sleep(DRIP).await;
        socket.send(&[*byte]).await?;
    }
    Ok(())
}

fn rectangle(rect: Rect, encoding: i32) -> Vec<u8> {
    let mut update = update_of(1);
    head(rect, encoding, &mut update);
    update
}

async fn send_zrle(socket: &mut Socket, rect: Rect, packed: &[u8]) -> io::Result<()> {
    let mut update = rectangle(rect, ZRLE);
    update.extend(u32::try_from(packed.len()).unwrap_or(0).to_be_bytes());
    update.extend(packed);
    socket.send(&update).await
}
