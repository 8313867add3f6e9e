//! From a request to a connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tungstenite::handshake::derive_accept_key;

use super::connection;
use super::socket::Socket;
use crate::id::Id;
use crate::server::Kasm;

/// Whether the server takes a request for one that becomes a WebSocket. Others
/// are about files, and so is one that lacks anything.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    let has = |name, wanted: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok());
        value.is_some_and(|value| value.to_ascii_lowercase().contains(wanted))
    };
    has(header::UPGRADE, "websocket")
        && has(header::CONNECTION, "upgrade")
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && protocol(headers).is_some()
}

/// The sub-protocol: the first one offered. The one with text frames is not
/// there.
fn protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    let usable = !first.is_empty() && first != "base64";
    HeaderValue::from_str(first).ok().filter(|_| usable)
}

/// Takes the connection over. Nothing if the desktop is gone.
pub(crate) fn upgrade(
    kasm: &Kasm,
    kasm_id: Id,
    is_viewer: bool,
    mut request: Request,
) -> Option<Response<Body>> {
    let desktop = {
        let mut state = kasm.lock();
        let size = state.profile.desktop_size;
        state.desktops.of(kasm_id, size)?
    };
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    let protocol = protocol(request.headers())?;
    let upgraded = hyper::upgrade::on(&mut request);
    let (id, told) = desktop.connect();
    let guest = connection::Guest {
        kasm: kasm.clone(),
        kasm_id,
        desktop: Arc::clone(&desktop),
        id,
        is_viewer,
    };
    let task = tokio::spawn(async move {
        // It is an error only if the peer has gone.
        if let Ok(io) = upgraded.await {
            let _ = connection::serve(&guest, Socket::new(io), told).await;
        }
    });
    desktop.served_by(id, task.abort_handle());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    Some(response)
}
