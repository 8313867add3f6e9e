//! A stub of Kasm that answers every request at once with one running session.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// The session that is asked for.
pub(crate) const KASM_ID: &str = "0f3b5c1e9a774d0c8c1f2b6a7d4e9035";
/// Its owner.
pub(crate) const USER_ID: &str = "7c2d9e4b1f6a48d3b05e8a9c3d7f1264";
/// Where the stub answers, as Kasm does.
pub(crate) const STATUS_PATH: &str = "/api/public/get_kasm_status";

/// What Kasm says of a running session, with the fields that it documents.
const STATUS: &str = include_str!("../kasm_status.json");

/// Starts the stub on this thread's runtime.
pub(crate) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let answer: Value = serde_json::from_str(STATUS)?;
    let answer = Bytes::from(answer.to_string());
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
