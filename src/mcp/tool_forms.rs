//! The tools in the form of MCP, made once for each revision of the list.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use rmcp::model::Tool;
use serde_json::Value;

use super::rmcp_values::to_mcp_tool;
use crate::caller::Caller;
use crate::tool::JsonObject;
use crate::tool::registry::Registry;
use crate::tool::tool_list::{CallerView, ToolList};

/// The wire forms of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ListForm {
    /// Of revision 2026-07-28.
    Modern,
    /// Of the revisions before.
    Older,
}

/// Makes the forms when they are first asked for, and again when the list has another revision.
#[derive(Debug, Default)]
pub(super) struct ToolForms(ArcSwap<FormsOfList>);

#[derive(Debug)]
struct ToolForm {
    tool: Tool,
    sends_headers: bool,
}

/// Whether a schema marks an argument that clients send as a header, too (SEP-2243).
pub(super) fn schema_sends_headers(schema: &JsonObject) -> bool {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return false;
    };
    properties
        .values()
        .filter_map(Value::as_object)
        .any(|inside| inside.contains_key(SENT_AS_HEADER) || schema_sends_headers(inside))
}

/// A list with its forms.
#[derive(Debug, Default)]
pub(super) struct FormsOfList {
    list: Arc<ToolList>,
    by_name: HashMap<Arc<str>, ToolForm>,
    /// Lists as JSON, by what their callers see.
    written: Mutex<HashMap<(CallerView, ListForm), Bytes>>,
}

/// The member of a schema that marks such an argument.
const SENT_AS_HEADER: &str = "x-mcp-header";
/// How many lists are kept as JSON.
const LISTS_MAX: usize = 32;

impl ToolForms {
    /// The forms of the present list.
    pub(super) fn current_forms(&self, registry: &Registry) -> Arc<FormsOfList> {
        let list = registry.current_tools();
        let forms = self.0.load();
        if forms.list.list_revision() == list.list_revision() {
            return forms.clone();
        }
        let tools = list.all_tools().map(|info| {
            let form = ToolForm {
                tool: to_mcp_tool(info),
                sends_headers: schema_sends_headers(&info.input_schema),
            };
            (info.name.clone(), form)
        });
        let made = Arc::new(FormsOfList {
            by_name: tools.collect(),
            list,
            written: Mutex::default(),
        });
        // Two readers may make the same forms at once; either is good.
        self.0.store(made.clone());
        made
    }
}

impl FormsOfList {
    /// The list for `caller` as JSON, which `write` makes if it was not written before for the same view.
    pub(super) fn written_list(
        &self,
        caller: &Caller,
        form: ListForm,
        write: impl FnOnce(Vec<Tool>) -> Bytes,
    ) -> Bytes {
        let view = (self.list.view_of(caller), form);
        if let Some(written) = self.written.lock().get(&view) {
            return written.clone();
        }
        let written = write(self.offered_forms(caller));
        let mut all = self.written.lock();
        // Clients choose filters, so without this limit they could fill the memory.
        if all.len() < LISTS_MAX {
            all.insert(view, written.clone());
        }
        written
    }

    /// A tool, for any caller.
    pub(super) fn find_form(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|form| &form.tool)
    }

    /// Whether clients send arguments of a tool as headers, too. None: there is no such tool.
    pub(super) fn sends_headers(&self, name: &str) -> Option<bool> {
        self.by_name.get(name).map(|form| form.sends_headers)
    }

    /// The tools that `caller` may call, in the order of the list.
    pub(super) fn offered_forms(&self, caller: &Caller) -> Vec<Tool> {
        let offered = self.list.offered_tools(caller);
        let forms = offered.filter_map(|info| self.by_name.get(&info.name));
        forms.map(|form| form.tool.clone()).collect()
    }
}
