//! The web server inside the container: it lists and serves `~/Downloads`, and
//! has habits of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt;

use super::Pace;
use super::lookup::{Found, look_up};
use crate::container::{Disk, HOME};

/// How much of a file is sent at a time.
const PIECE: usize = 64 * 1024;

/// What there is at a path below `~/Downloads`.
enum Content {
    File(File, u64),
    /// A directory that was asked for without a slash at the end.
    Moved,
    Listing(Vec<u8>),
    /// A pipe: opening it waits for somebody who writes.
    Endless,
    Nothing,
}

/// The answer for a decoded path, which begins with a slash; `below` is what
/// of it lies under the directory that is served.
pub(super) async fn serve(disk: Disk, pace: Pace, path: Vec<u8>, below: Vec<u8>) -> Response {
    tokio::time::sleep(pace.delay).await;
    let asked = path.clone();
    let look = move || content(&disk, &asked, &below);
    match tokio::task::spawn_blocking(look).await {
        Ok(Content::File(file, length)) => stream(file, length, pace),
        Ok(Content::Moved) => moved(path),
        Ok(Content::Listing(html)) => unmeasured(StatusCode::OK, "text/html", html),
        Ok(Content::Endless) => futures::future::pending().await,
        Ok(Content::Nothing) | Err(_) => not_found(),
    }
}

/// What this server says to everything it does not serve.
pub(super) fn not_found() -> Response {
    unmeasured(StatusCode::NOT_FOUND, "text/plain", b"404".to_vec())
}

/// The page a browser shows the desktop in.
pub(super) fn desktop_page() -> Response {
    let html = "<!DOCTYPE html><title>Emulated desktop</title><p>Nothing to see.</p>";
    signed((StatusCode::OK, [(header::CONTENT_TYPE, "text/html")], html).into_response())
}

fn content(disk: &Disk, path: &[u8], below: &[u8]) -> Content {
    let mut inside = PathBuf::from(HOME).join("Downloads");
    let below: &Path = Path::new(OsStr::from_bytes(below));
    inside.push(below.strip_prefix("/").unwrap_or(below));
    let Some(Found {
        path: host,
        metadata,
    }) = look_up(disk, &inside)
    else {
        return Content::Nothing;
    };
    let slash = path.ends_with(b"/");
    if metadata.is_dir() {
        if !slash {
            return Content::Moved;
        }
        return listing(&host, path).map_or(Content::Nothing, Content::Listing);
    }
    if slash {
        return Content::Nothing;
    }
    if metadata.file_type().is_fifo() {
        return Content::Endless;
    }
    if !metadata.is_file() {
        return Content::Nothing;
    }
    match File::open(&host).and_then(|file| Ok((file.metadata()?.len(), file))) {
        Ok((length, file)) => Content::File(file, length),
        Err(_) => Content::Nothing,
    }
}

/// The names as they are, and links that are broken for any beyond ASCII.
fn listing(dir: &Path, path: &[u8]) -> io::Result<Vec<u8>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let mut name = entry.file_name().as_bytes().to_vec();
        if entry.file_type()?.is_dir() {
            name.push(b'/');
        }
        names.push(name);
    }
    names.sort();
    let mut html = b"<html><title>Directory Listing</title><body><h2>".to_vec();
    html.extend(path);
    html.extend(b"</h2><hr><ul>");
    for name in names {
        html.extend(b"<li><a href=\"");
        html.extend(link(&name).bytes());
        html.extend(b"\">");
        html.extend(&name);
        html.extend(b"</a></li>");
    }
    html.extend(b"</ul></body></html>");
    Ok(html)
}

fn link(name: &[u8]) -> String {
    let mut link = String::new();
    let (plain, slash) = match name.split_last() {
        Some((b'/', plain)) => (plain, "/"),
        _ => (name, ""),
    };
    for byte in plain {
        match byte {
            b'.' | b',' => link.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => link.push(char::from(*byte)),
            byte if byte.is_ascii() => link.push_str(&format!("%{byte:02X}")),
            _ => link.push_str("%FF"),
        }
    }
    link + slash
}

/// The place it names is the one inside, not the one behind the proxy.
fn moved(mut path: Vec<u8>) -> Response {
    path.push(b'/');
    let Ok(location) = HeaderValue::from_bytes(&path) else {
        return not_found();
    };
    let mut response = unmeasured(StatusCode::MOVED_PERMANENTLY, "text/html", Vec::new());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// The length is the one the file had when it was opened.
fn stream(file: File, length: u64, pace: Pace) -> Response {
    let file = tokio::fs::File::from_std(file).take(length);
    let pieces = futures::stream::unfold(file, move |mut file| async move {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                tokio::time::sleep(pace.time_for(read)).await;
                Some((Ok(Bytes::from(piece)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    signed((headers, Body::from_stream(pieces)).into_response())
}

/// A body without a length.
fn unmeasured(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    let body = futures::stream::iter((!body.is_empty()).then_some(body));
    let body = Body::from_stream(futures::StreamExt::map(body, Ok::<_, io::Error>));
    signed((status, [(header::CONTENT_TYPE, kind)], body).into_response())
}

fn signed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("KasmVNC/4.0"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in [
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
