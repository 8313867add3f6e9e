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

/// The reply form with its picture as base64.
#[must_use]
pub fn with_picture(mut body: Value, picture: &Picture) -> Value {
    // The reply form is always an object, so the picture has a place.
    if let Value::Object(form) = &mut body {
        let data = BASE64.encode(&picture.bytes);
        let image = json!({ "media_type": picture.media_type, "data": data });
        form.insert("image".to_owned(), image);
    }
    body
}
