//! A byte stream in WebSocket frames, with the habits of the real server: it
//! answers no ping and no close, loses continuations, and ends on a frame that
//! is too large. So only the frame headers are the library's.

use std::io::{self, Cursor};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

/// The first length of a client's frame that ends the connection.
const FRAME_TOO_LONG: u64 = 65_536;
/// The longest frame to a client.
const FRAME_MAX: usize = 48 * 1024;

/// One connection after the upgrade.
#[derive(Debug)]
pub(super) struct Socket {
    io: TokioIo<Upgraded>,
    raw: Vec<u8>,
    /// When something came or went last.
    pub(super) last_traffic: Instant,
    /// What came, without the frames.
    pub(super) inbox: Vec<u8>,
}

impl Socket {
    pub(super) fn new(io: Upgraded) -> Self {
        Self {
            io: TokioIo::new(io),
            raw: Vec::new(),
            last_traffic: Instant::now(),
            inbox: Vec::new(),
        }
    }

    /// Waits until something came. False: the connection is over. Nothing is
    /// lost if this is dropped.
    pub(super) async fn fill(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.io.read(&mut piece).await {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.last_traffic = Instant::now();
                self.raw.extend(piece.iter().take(read));
                self.unpack()
            }
        }
    }

    /// Takes so many bytes, waiting for them.
    pub(super) async fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.inbox.len() < count {
            if !self.fill().await {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.inbox.drain(..count).collect())
    }

    /// Sends bytes in as many frames as it takes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut framed = Vec::with_capacity(bytes.len() + 64);
        for part in bytes.chunks(FRAME_MAX) {
            let frame = Frame::message(part.to_vec(), OpCode::Data(Data::Binary), true);
            frame.format(&mut framed).map_err(io::Error::other)?;
        }
        self.last_traffic = Instant::now();
        self.io.write_all(&framed).await?;
        self.io.flush().await
    }

    /// Moves whole frames into the inbox. False: the connection is over.
    fn unpack(&mut self) -> bool {
        loop {
            let mut cursor = Cursor::new(&self.raw);
            let (header, length) = match FrameHeader::parse(&mut cursor) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return true,
                Err(_) => return false,
            };
            let start = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            let Some(mask) = header.mask.filter(|_| length < FRAME_TOO_LONG) else {
                return false;
            };
            let end = start + usize::try_from(length).unwrap_or(0);
            let Some(payload) = self.raw.get(start..end) else {
                return true;
            };
            match header.opcode {
                OpCode::Data(Data::Binary | Data::Text) => {
                    let plain = payload.iter().zip(mask.iter().cycle());
                    self.inbox.extend(plain.map(|(byte, mask)| byte ^ mask));
                }
                OpCode::Control(Control::Close) => return false,
                OpCode::Data(_) | OpCode::Control(_) => {}
            }
            self.raw.drain(..end);
        }
    }
}
