//! Stable names of protocol errors, in `data.code`. Messages may be worded anew; programs compare these.

use rmcp::ErrorData;
use serde_json::{Value, json};

/// The same error with a name, beside what its data has already.
pub(super) fn with_code(mut error: ErrorData, code: &str) -> ErrorData {
    match &mut error.data {
        Some(Value::Object(data)) => drop(data.insert("code".to_owned(), code.into())),
        Some(_) | None => error.data = Some(json!({ "code": code })),
    }
    error
}
