//! The registry as plain HTTP and JSON, for clients without MCP: the form of answers, and the tools as function
//! definitions. Values only; the routes are in `http::rest`.

pub mod functions;
pub mod openapi;

use data_encoding::BASE64;
use http::StatusCode;
use serde_json::{Value, json};

use crate::picture::Picture;
use crate::tool::ErrorType;

/// The path of a tool.
#[must_use]
pub fn tool_path(tool: &str) -> String {
    format!("/api/v1/tools/{tool}")
}

/// The status of a call or a transfer that failed like this: for each surface of HTTP, and for the document
/// that describes it.
#[must_use]
pub fn status_of(error: ErrorType) -> StatusCode {
    match error {
        ErrorType::Validation => StatusCode::BAD_REQUEST,
        ErrorType::Security | ErrorType::Permission => StatusCode::FORBIDDEN,
        ErrorType::NotFound => StatusCode::NOT_FOUND,
        ErrorType::Conflict => StatusCode::CONFLICT,
        ErrorType::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorType::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorType::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorType::Api => StatusCode::BAD_GATEWAY,
        ErrorType::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorType::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The reply form with its pictures as base64: the first as `image`, the others as `more_images`.
#[must_use]
pub fn with_pictures(
    mut body: Value,
    first: &Picture,
    others: impl Iterator<Item = Picture>,
) -> Value {
    let image = |picture: &Picture| {
        let data = BASE64.encode(&picture.bytes);
        json!({ "media_type": picture.media_type, "data": data })
    };
    // The reply form is always an object, so the pictures have a place.
    if let Value::Object(form) = &mut body {
        form.insert("image".to_owned(), image(first));
        let others: Vec<_> = others.map(|picture| image(&picture)).collect();
        if !others.is_empty() {
            form.insert("more_images".to_owned(), others.into());
        }
    }
    body
}
