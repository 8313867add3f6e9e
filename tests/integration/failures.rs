//! What a caller hears when Kasm, or the way to it, fails: the kind, and what to do about it.

mod connection;
mod refusals;
mod repeats;

use serde_json::Value;
use tokio::time::timeout;

use crate::support::TestServer;
use crate::support::kasm::{PATIENCE, words};

/// A call that fails in time with this `error_type`, an error that contains the one text and a
/// hint that contains the other.
async fn told(
    server: &TestServer,
    (tool, arguments): (&str, Value),
    error_type: &str,
    (error_has, hint_has): (&str, &str),
) -> Value {
    let call = server.fails(tool, arguments, error_type);
    let reply = timeout(PATIENCE, call).await.expect("nothing hangs");
    let (error, hint) = words(&reply);
    assert!(error.contains(error_has), "{tool}: {reply}");
    assert!(hint.contains(hint_has), "{tool}: {reply}");
    reply
}
