//! What a caller hears when Kasm, or the way to it, fails: the kind, and what to do about it.

mod connection;
mod refusals;
mod repeats;

use serde_json::Value;
use tokio::time::timeout;

use crate::support::TestServer;
use crate::support::kasm::PATIENCE;

/// A call that fails in time with this `error_type` and `code`.
async fn told(
    server: &TestServer,
    (tool, arguments): (&str, Value),
    (error_type, code): (&str, &str),
) -> Value {
    let call = server.fails_as(tool, arguments, error_type, code);
    timeout(PATIENCE, call).await.expect("nothing hangs")
}
