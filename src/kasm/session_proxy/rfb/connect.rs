//! Opens a connection: the WebSocket upgrade through Kasm's proxy, and the handshake of RFB 3.8.

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
use super::screen::ScreenPixels;
use super::stream::RfbStream;
use crate::kasm::Kasm;
use crate::kasm::session_proxy::{ProxyError, RunningSession, error_of_answer};
use crate::random;

/// No frame of KasmVNC is longer than about 49 kB.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
const REASON_BYTES_MAX: u32 = 4_096;
const NAME_BYTES_MAX: u32 = 64 * 1024;

const NONE: u8 = 1;
const VNC_AUTHENTICATION: u8 = 2;

/// A connection after its handshake.
pub(super) struct RfbConnection {
    pub stream: RfbStream,
    pub screen: ScreenPixels,
}

impl Kasm {
    pub(super) async fn connect_desktop(
        &self,
        place: &RunningSession,
    ) -> Result<RfbConnection, RfbError> {
        let mut stream = RfbStream::new(self.upgrade_to_websocket(place).await?);
        let screen = rfb_handshake(&mut stream).await?;
        Ok(RfbConnection { stream, screen })
    }

    async fn upgrade_to_websocket(
        &self,
        place: &RunningSession,
    ) -> Result<WebSocketStream<reqwest::Upgraded>, RfbError> {
        let Some(vnc) = &place.session.vnc else {
            return Err(ProxyError::NoService("vnc").into());
        };
        let proxy = &self.proxy;
        let url = proxy.service_url(vnc, "/websockify")?;
        let key = BASE64.encode(&random::bytes::<16>());
        let build = |username: &str, token: &_| {
            let request = proxy.request_with_token(Method::GET, url.clone(), username, token)?;
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
        proxy.note_answer(place.kasm_id);
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
        return Err(error_of_answer(response).into());
    }
    // RFC 6455, section 4.1: only a server that read this very request knows the answer to the key.
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(RfbError::Protocol("a wrong WebSocket upgrade"));
    }
    Ok(())
}

/// RFC 6143, sections 7.1 to 7.3.
async fn rfb_handshake(stream: &mut RfbStream) -> Result<ScreenPixels, RfbError> {
    let version = stream.take_bytes(12).await?;
    if !version.starts_with(b"RFB 003.0") {
        return Err(RfbError::Protocol("another protocol"));
    }
    stream.send_bytes(b"RFB 003.008\n").await?;
    let count = stream.read_u8().await?;
    if count == 0 {
        // No types: the server refuses the connection and says why (section 7.1.2).
        return Err(RfbError::Refused(read_reason(stream).await?));
    }
    let types = stream.take_bytes(usize::from(count)).await?;
    if types.contains(&NONE) {
        stream.send_bytes(&[NONE]).await?;
    } else if types.contains(&VNC_AUTHENTICATION) {
        stream.send_bytes(&[VNC_AUTHENTICATION]).await?;
        // Stock images set an empty VNC password: the login is checked by Kasm's proxy, not here.
        let challenge = stream.take_bytes(16).await?;
        stream.send_bytes(&response_to(&challenge)).await?;
    } else {
        let kinds = format!("it requires a login of the types {:?}", &types[..]);
        return Err(RfbError::Refused(kinds));
    }
    // Version 3.8 sends a result even after the type None (section 7.1.3).
    if stream.read_u32().await? != 0 {
        return Err(RfbError::Refused(read_reason(stream).await?));
    }
    // ClientInit, shared: with a zero the server disconnects all other viewers.
    stream.send_bytes(&[1]).await?;
    let (width, height) = (stream.read_u16().await?, stream.read_u16().await?);
    let screen = ScreenPixels::new(width, height)?;
    // Not needed: this side sets a format of its own before it requests pixels.
    let _pixel_format = stream.take_bytes(16).await?;
    let name = stream.read_u32().await?;
    if name > NAME_BYTES_MAX {
        return Err(RfbError::Protocol("a name that is too long"));
    }
    stream.skip_bytes(name).await?;
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

async fn read_reason(stream: &mut RfbStream) -> Result<String, RfbError> {
    let length = stream.read_u32().await?;
    if length > REASON_BYTES_MAX {
        return Err(RfbError::Protocol("a reason that is too long"));
    }
    let text = stream.take_bytes(length as usize).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
