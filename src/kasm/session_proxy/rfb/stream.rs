//! The bytes of a desktop connection: messages of RFB share frames of WebSocket and span them.

use bytes::{Buf, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use reqwest::Upgraded;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::RfbError;

/// KasmVNC closes on frames of 65,536 bytes and more.
const FRAME_BYTES_MAX: usize = 32 * 1024;
/// The longest that is skipped of a message that is of no use here.
const SKIP_BYTES_MAX: u32 = 64 << 20;

pub(super) struct RfbStream {
    socket: WebSocketStream<Upgraded>,
    buffer: BytesMut,
}

impl RfbStream {
    pub(super) fn new(socket: WebSocketStream<Upgraded>) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
        }
    }

    /// Waits until `length` bytes are there. Giving up in between loses nothing.
    pub(super) async fn wait_for(&mut self, length: usize) -> Result<(), RfbError> {
        while self.buffer.len() < length {
            // `next` gives whole frames, and they stay in the buffer: a select may drop this between two.
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => self.buffer.extend_from_slice(&bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                // KasmVNC sends text for the sub-protocol `base64`, which was not offered.
                Some(Ok(Message::Text(_))) => {
                    return Err(RfbError::Protocol("a text frame"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(RfbError::Closed),
            }
        }
        Ok(())
    }

    /// The next `length` bytes.
    pub(super) async fn take_bytes(&mut self, length: usize) -> Result<Bytes, RfbError> {
        self.wait_for(length).await?;
        Ok(self.buffer.split_to(length).freeze())
    }

    pub(super) async fn read_u8(&mut self) -> Result<u8, RfbError> {
        Ok(self.take_bytes(1).await?.get_u8())
    }

    pub(super) async fn read_u16(&mut self) -> Result<u16, RfbError> {
        Ok(self.take_bytes(2).await?.get_u16())
    }

    pub(super) async fn read_u32(&mut self) -> Result<u32, RfbError> {
        Ok(self.take_bytes(4).await?.get_u32())
    }

    pub(super) async fn read_i32(&mut self) -> Result<i32, RfbError> {
        Ok(self.take_bytes(4).await?.get_i32())
    }

    /// Passes over bytes without keeping them.
    pub(super) async fn skip_bytes(&mut self, length: u32) -> Result<(), RfbError> {
        if length > SKIP_BYTES_MAX {
            return Err(RfbError::Protocol("a message that is too long"));
        }
        let mut left = length as usize;
        while left > 0 {
            self.wait_for(1).await?;
            let here = left.min(self.buffer.len());
            self.buffer.advance(here);
            left -= here;
        }
        Ok(())
    }

    /// Sends bytes, in frames that are not too long. None of them is fragmented: KasmVNC loses the rest.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), RfbError> {
        for part in bytes.chunks(FRAME_BYTES_MAX) {
            let message = Message::Binary(Bytes::copy_from_slice(part));
            let sent = self.socket.send(message).await;
            sent.map_err(|_| RfbError::Closed)?;
        }
        Ok(())
    }

    /// Ends the connection; the server does not answer a close frame.
    pub(super) async fn close_socket(&mut self) {
        let _ended_anyway = self.socket.close(None).await;
    }
}
