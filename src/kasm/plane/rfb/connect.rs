//! Getting in: the WebSocket upgrade through Kasm's proxy, and the handshake of RFB 3.8.

use data_encoding::BASE64;
use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{Method, Response};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::RfbError;
use super::screen::Screen;
use super::stream::Stream;
use crate::kasm::Kasm;
use crate::kasm::plane::{Place, PlaneError, failure};
use crate::random;

/// No frame of KasmVNC is longer than about 49 kB.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
const REASON_BYTES_MAX: u32 = 4_096;
const NAME_BYTES_MAX: u32 = 64 * 1024;

const NONE: u8 = 1;
const VNC_AUTHENTICATION: u8 = 2;

/// A desktop that let us in.
pub(super) struct Connection {
    pub stream: Stream,
    pub screen: Screen,
}

impl Kasm {
    pub(super) async fn connect_desktop(&self, place: &Place) -> Result<Connection, RfbError> {
        let mut stream = Stream::new(self.upgrade(place).await?);
        let screen = handshake(&mut stream).await?;
        Ok(Connection { stream, screen })
    }

    async fn upgrade(&self, place: &Place) -> Result<WebSocketStream<reqwest::Upgraded>, RfbError> {
        let Some(vnc) = &place.session.vnc else {
            return Err(PlaneError::NoService("vnc").into());
        };
        let plane = &self.plane;
        let url = plane.url(vnc, "/websockify")?;
        let key = BASE64.encode(&random::bytes::<16>());
        let build = |username: &str, token: &_| {
            let request = plane.request(Method::GET, url.clone(), username, token)?;
            Ok(request
                .header(CONNECTION, "Upgrade")
                .header(UPGRADE, "websocket")
                .header(SEC_WEBSOCKET_VERSION, "13")
                .header(SEC_WEBSOCKET_KEY, &key)
                // Without it KasmVNC takes the request for one of a file.
                .header(SEC_WEBSOCKET_PROTOCOL, "binary"))
        };
        let response = self.with_cookies(place, build).await?;
        check_upgrade(&response, &key)?;
        plane.note_answer(place.kasm_id);
        let upgraded = response.upgrade().await;
        let upgraded = upgraded.map_err(|_| RfbError::Closed)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }
}

fn check_upgrade(response: &Response, key: &str) -> Result<(), RfbError> {
    if response.status().as_u16() != 101 {
        return Err(failure(response).into());
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(RfbError::Protocol("a wrong WebSocket upgrade"));
    }
    Ok(())
}

/// RFC 6143, sections 7.1 to 7.3.
async fn handshake(stream: &mut Stream) -> Result<Screen, RfbError> {
    let version = stream.take(12).await?;
    if !version.starts_with(b"RFB 003.0") {
        return Err(RfbError::Protocol("another protocol"));
    }
    stream.send(b"RFB 003.008\n").await?;
    let count = stream.u8().await?;
    if count == 0 {
        return Err(RfbError::Refused(reason(stream).await?));
    }
    let types = stream.take(usize::from(count)).await?;
    if types.contains(&NONE) {
        stream.send(&[NONE]).await?;
    } else if types.contains(&VNC_AUTHENTICATION) {
        stream.send(&[VNC_AUTHENTICATION]).await?;
        let challenge = stream.take(16).await?;
        stream.send(&response_to(&challenge)).await?;
    } else {
        let kinds = format!("it requires a login of the types {:?}", &types[..]);
        return Err(RfbError::Refused(kinds));
    }
    if stream.u32().await? != 0 {
        return Err(RfbError::Refused(reason(stream).await?));
    }
    // Shared: otherwise everybody else is thrown out.
    stream.send(&[1]).await?;
    let (width, height) = (stream.u16().await?, stream.u16().await?);
    let screen = Screen::new(width, height)?;
    let _pixel_format = stream.take(16).await?;
    let name = stream.u32().await?;
    if name > NAME_BYTES_MAX {
        return Err(RfbError::Protocol("a name that is too long"));
    }
    stream.skip(name).await?;
    Ok(screen)
}

/// The answer of the empty password: DES with a key of zeros.
fn response_to(challenge: &[u8]) -> Vec<u8> {
    let cipher = Des::new(&[0_u8; 8].into());
    let mut out = Vec::with_capacity(challenge.len());
    for half in challenge.chunks_exact(8) {
        let mut block = des::cipher::Array::default();
        block.copy_from_slice(half);
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
    out
}

async fn reason(stream: &mut Stream) -> Result<String, RfbError> {
    let length = stream.u32().await?;
    if length > REASON_BYTES_MAX {
        return Err(RfbError::Protocol("a reason that is too long"));
    }
    let text = stream.take(length as usize).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
