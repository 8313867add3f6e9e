//! The upload service: one file in chunks, each a form with the fields of the
//! Dropzone library before the file part.

use std::collections::BTreeMap;
use std::io;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Pace;
use crate::answer::{json_response, proxy_response};
use crate::container::Chunk;
use crate::id::Id;
use crate::server::Kasm;

/// The longest form that is read.
const FORM_MAX: usize = 64 * 1024 * 1024;

/// Takes one chunk.
pub(super) async fn receive(kasm: &Kasm, kasm_id: Id, pace: Pace, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let Some(boundary) = kind.and_then(|k| boundary(k.to_str().ok()?)) else {
        return proxy_response(400);
    };
    let Ok(form) = axum::body::to_bytes(request.into_body(), FORM_MAX).await else {
        return proxy_response(413);
    };
    let Some(chunk) = chunk(&form, &boundary) else {
        return proxy_response(400);
    };
    tokio::time::sleep(pace.delay + pace.time_for(chunk.data.len())).await;
    let mut state = kasm.lock();
    if let Err(error) = state.containers.receive(kasm_id, &chunk) {
        let full = error.kind() == io::ErrorKind::StorageFull;
        return proxy_response(if full { 500 } else { 400 });
    }
    // What it says is on no record, so it is not the same twice.
    match state.random.next() % 3 {
        0 => json_response(200, &json!({"uploaded": true})),
        1 => StatusCode::CREATED.into_response(),
        _ => (StatusCode::OK, "Chunk taken").into_response(),
    }
}

fn boundary(kind: &str) -> Option<Vec<u8>> {
    let (kind, parameters) = kind.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameter(parameters, "boundary")?;
    Some(format!("--{value}").into_bytes())
}

/// The chunk in a form, if nothing is missing.
fn chunk<'a>(form: &'a [u8], boundary: &[u8]) -> Option<Chunk<'a>> {
    let mut fields = BTreeMap::new();
    let mut file = None;
    for part in parts(form, boundary) {
        let at = find(part, b"\r\n\r\n")?;
        let head = std::str::from_utf8(part.get(..at)?).ok()?;
        let body = part.get(at + 4..)?;
        let disposition = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let wanted = name.trim().eq_ignore_ascii_case("content-disposition");
            wanted.then_some(value)
        })?;
        let name = parameter(disposition, "name")?;
        match parameter(disposition, "filename") {
            Some(file_name) if name == "file" => file = Some((file_name, body)),
            _ if file.is_none() => {
                fields.insert(name, std::str::from_utf8(body).ok()?);
            }
            // A field after the file comes too late to be read.
            _ => {}
        }
    }
    let number = |name: &str| fields.get(name)?.parse::<u64>().ok();
    let (name, data) = file?;
    number("dzchunksize")?;
    Some(Chunk {
        upload: fields.get("dzuuid").map(|id| (*id).to_owned())?,
        name: name.to_owned(),
        index: number("dzchunkindex")?,
        count: number("dztotalchunkcount")?,
        offset: number("dzchunkbyteoffset")?,
        total: number("dztotalfilesize")?,
        data,
    })
}

/// What stands between the boundaries.
fn parts<'a>(form: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let line = [b"\r\n", boundary].concat();
    let Some(mut rest) = form.strip_prefix(boundary) else {
        return parts;
    };
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let Some(end) = find(after, &line) else {
            break;
        };
        let (part, next) = after.split_at(end);
        parts.push(part);
        rest = next.get(line.len()..).unwrap_or_default();
    }
    parts
}

/// A value of `; name="value"`.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let wanted = key.trim().eq_ignore_ascii_case(name);
        wanted.then(|| value.trim().trim_matches('"'))
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
