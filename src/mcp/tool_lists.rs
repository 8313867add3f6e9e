//! `tools/list`: the tools that a caller may call.

use bytes::Bytes;
use rmcp::model::{CacheScope, ListToolsResult, Tool};

use super::server::McpServer;
use super::tool_forms::ListForm;
use crate::caller::Caller;

/// How long a client may cache a tool list that changes only with a new version of the server.
const LIST_TTL_MS: u64 = 300_000;
/// The same where tools come and go. Not every client takes notifications.
const CHANGING_LIST_TTL_MS: u64 = 5_000;

impl McpServer {
    /// The tools that `caller` may call, as a result.
    pub(super) fn list_offered_tools(&self, caller: &Caller) -> ListToolsResult {
        let forms = self.shared.tools.current_forms(&self.shared.registry);
        self.result_of(forms.offered_forms(caller))
    }

    /// The same as JSON. It is written once for all callers that see the same tools.
    pub(super) fn tool_list_bytes(&self, caller: &Caller, form: ListForm) -> Bytes {
        let forms = self.shared.tools.current_forms(&self.shared.registry);
        forms.written_list(caller, form, |tools| {
            let mut result = self.result_of(tools);
            match form {
                ListForm::Modern => result.meta = Some(self.server_meta().clone()),
                ListForm::Older => result.result_type = None,
            }
            match serde_json::to_vec(&result) {
                Ok(written) => written.into(),
                Err(error) => {
                    tracing::error!(%error, "the list of tools cannot be written as JSON");
                    Bytes::from_static(b"{\"tools\":[]}")
                }
            }
        })
    }

    fn result_of(&self, tools: Vec<Tool>) -> ListToolsResult {
        let mut result = ListToolsResult::with_all_items(tools);
        result.ttl_ms = Some(if self.shared.registry.has_changing_tools() {
            CHANGING_LIST_TTL_MS
        } else {
            LIST_TTL_MS
        });
        // The list depends on the caller.
        result.cache_scope = Some(CacheScope::Private);
        result
    }
}
