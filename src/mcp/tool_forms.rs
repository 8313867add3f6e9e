//! The tools in the form of MCP, made once for each revision of the list.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rmcp::model::Tool;

use super::rmcp_values::to_mcp_tool;
use crate::caller::Caller;
use crate::tool::registry::Registry;
use crate::tool::tool_list::ToolList;

/// Makes the forms when they are first asked for, and again when the list has another revision.
#[derive(Debug, Default)]
pub(super) struct ToolForms(ArcSwap<FormsOfList>);

/// A list with its forms.
#[derive(Debug, Default)]
pub(super) struct FormsOfList {
    list: Arc<ToolList>,
    by_name: HashMap<Arc<str>, Tool>,
}

impl ToolForms {
    /// The forms of the present list.
    pub(super) fn current_forms(&self, registry: &Registry) -> Arc<FormsOfList> {
        let list = registry.current_tools();
        let forms = self.0.load();
        if forms.list.list_revision() == list.list_revision() {
            return forms.clone();
        }
        let tools = list
            .all_tools()
            .map(|info| (info.name.clone(), to_mcp_tool(info)));
        let made = Arc::new(FormsOfList {
            by_name: tools.collect(),
            list,
        });
        // Two readers may make the same forms at once; either is good.
        self.0.store(made.clone());
        made
    }
}

impl FormsOfList {
    /// A tool, for any caller.
    pub(super) fn find_form(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name)
    }

    /// The tools that `caller` may call, in the order of the list.
    pub(super) fn offered_forms(&self, caller: &Caller) -> Vec<Tool> {
        let offered = self.list.offered_tools(caller);
        let forms = offered.filter_map(|info| self.by_name.get(&info.name));
        forms.cloned().collect()
    }
}
