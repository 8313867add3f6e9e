//! Stable names of protocol errors, in `data.code`. Messages may be worded anew; programs compare these.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::{Value, json};

/// The same error with a name, beside what its data has already.
pub(super) fn with_code(mut error: ErrorData, code: &str) -> ErrorData {
    match &mut error.data {
        Some(Value::Object(data)) => drop(data.insert("code".to_owned(), code.into())),
        Some(_) | None => error.data = Some(json!({ "code": code })),
    }
    error
}

/// LSP's code for a request that its client cancelled.
const REQUEST_CANCELLED: ErrorCode = ErrorCode(-32800);

/// The answer to a request whose call was given up.
pub(super) fn request_cancelled() -> ErrorData {
    let error = ErrorData::new(REQUEST_CANCELLED, "the request was cancelled", None);
    with_code(error, "cancelled")
}
