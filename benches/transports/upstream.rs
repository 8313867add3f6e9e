//! A stub of Kasm that answers every request at once with one running session.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// The session that is asked for.
pub(crate) const KASM_ID: &str = "0f3b5c1e9a774d0c8c1f2b6a7d4e9035";
/// Its owner.
pub(crate) const USER_ID: &str = "7c2d9e4b1f6a48d3b05e8a9c3d7f1264";
/// Where the stub answers, as Kasm does.
pub(crate) const STATUS_PATH: &str = "/api/public/get_kasm_status";

/// Starts the stub on this thread's runtime.
pub(crate) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let answer = Bytes::from(status());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let _gone = socket.set_nodelay(true);
            let answer = answer.clone();
            let service = service_fn(move |request| respond(request, answer.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    Ok(address)
}

async fn respond(
    request: hyper::Request<Incoming>,
    answer: Bytes,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let _fields = request.into_body().collect().await;
    let mut response = hyper::Response::new(Full::new(answer));
    let kind = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, kind);
    Ok(response)
}

/// What Kasm says of a running session, with the fields that it documents.
fn status() -> String {
    let desktop = "desktop/0f3b5c1e-9a77-4d0c-8c1f-2b6a7d4e9035";
    let port = |service: &str| json!({ "port": 443, "path": format!("{desktop}/{service}") });
    let kasm = json!({
        "kasm_id": KASM_ID,
        "user_id": USER_ID,
        "username": "agent@example.org",
        "operational_status": "running",
        "image_id": "3d1f0a9b8c7e4f6d9b2a5c4e8f7d6b10",
        "image": {
            "image_id": "3d1f0a9b8c7e4f6d9b2a5c4e8f7d6b10",
            "name": "kasmweb/ubuntu-noble-desktop:1.19.0",
            "friendly_name": "Ubuntu Noble",
            "image_src": "img/thumbnails/ubuntu.png",
        },
        "container_id": "9d".repeat(32),
        "container_ip": "172.18.0.9",
        "host": "10.0.0.20",
        "hostname": "10.0.0.20",
        "port": 443,
        "port_map": {
            "vnc": port("vnc"), "audio": port("audio"),
            "audio_input": port("audio_input"), "uploads": port("uploads"),
        },
        "client_settings": {
            "allow_kasm_audio": true, "allow_kasm_uploads": true, "allow_kasm_downloads": true,
            "allow_kasm_clipboard_up": true, "allow_kasm_clipboard_down": true,
            "allow_kasm_sharing": true, "allow_kasm_microphone": false, "idle_disconnect": 20.0,
        },
        "token": "", "view_only_token": "", "share_id": null,
        "server_id": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "cores": 2.0,
        "memory": 2_768_000_000_u64,
        "created_date": "2026-11-20 09:14:03.120000",
        "start_date": "2026-11-20 09:14:05.881000",
        "keepalive_date": "2026-11-20 09:50:00.000000",
        "expiration_date": "2026-11-20 10:14:05.881000",
        "is_persistent_profile": false, "persistent_profile_mode": null, "point_of_presence": null,
    });
    let link = format!(
        "/#/connect/kasm/{KASM_ID}/{USER_ID}/{}",
        "0123456789abcdef".repeat(4)
    );
    let answer = json!({
        "current_time": "2026-11-20 09:52:49.000000", "kasm_url": link, "kasm": kasm,
    });
    answer.to_string()
}
