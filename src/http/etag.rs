//! Entity tags of documents that clients fetch again (RFC 9110, sections 8.8.3 and 13.1.2).

use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A JSON document with its tag; 304 without the document if the client has it already.
pub(super) fn tagged_json(request: &HeaderMap, document: &Value) -> Response {
    let body = document.to_string();
    let digest = Sha256::digest(&body);
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest[..16]));
    let is_known = names_tag(request, &tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    };
    let headers = response.headers_mut();
    // It depends on the token, and is asked for again each time: only its transfer is saved.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

fn names_tag(request: &HeaderMap, tag: &str) -> bool {
    let values = request.get_all(IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    // Proxies that compress make the tag a weak one.
    tags.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}
