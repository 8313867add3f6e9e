//! The tools at one moment: a snapshot that no later change touches.

use std::collections::HashMap;
use std::sync::Arc;

use super::ToolInfo;
use super::mounted_tool::MountedTool;
use crate::caller::{Caller, Scope};

/// All tools of one revision, in the order of the documents. Cheap to share: a reader keeps the snapshot that
/// it began with.
#[derive(Debug, Default)]
pub struct ToolList {
    revision: u64,
    tools: Vec<Arc<MountedTool>>,
    by_name: HashMap<Arc<str>, usize>,
}

impl ToolList {
    /// The tools of all sources. Of two with one name the earlier source's is kept.
    pub(super) fn of_sources(revision: u64, sources: &[Arc<[Arc<MountedTool>]>]) -> Self {
        let mut list = Self {
            revision,
            ..Self::default()
        };
        for tool in sources.iter().flat_map(|source| source.iter()) {
            let name = &tool.info.name;
            if !list.by_name.contains_key(name) {
                list.by_name.insert(name.clone(), list.tools.len());
                list.tools.push(tool.clone());
            }
        }
        list
    }

    /// Rises with each change of the list, and begins anew with the process.
    #[must_use]
    pub fn list_revision(&self) -> u64 {
        self.revision
    }

    /// All tools.
    pub fn all_tools(&self) -> impl Iterator<Item = &ToolInfo> {
        self.tools.iter().map(|mounted| &mounted.info)
    }

    /// The tools that `caller` may call.
    pub fn offered_tools<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a ToolInfo> {
        self.all_tools().filter(|info| info.is_offered(caller))
    }

    /// Finds a tool by name, for any caller.
    #[must_use]
    pub fn tool_info(&self, name: &str) -> Option<&ToolInfo> {
        self.find_tool(name).map(|mounted| &mounted.info)
    }

    pub(super) fn find_tool(&self, name: &str) -> Option<&Arc<MountedTool>> {
        self.by_name
            .get(name)
            .and_then(|index| self.tools.get(*index))
    }

    /// Whether `caller` may call a tool.
    #[must_use]
    pub fn offers_tool(&self, caller: &Caller, tool: &str) -> bool {
        self.tool_info(tool)
            .is_some_and(|info| info.is_offered(caller))
    }

    /// The scope that `caller` lacks for a tool, if that is all that it lacks.
    #[must_use]
    pub fn missing_scope(&self, name: &str, caller: &Caller) -> Option<Scope> {
        // A tool outside of the filter stays unknown, so a challenge does not reveal it.
        let info = self
            .tool_info(name)
            .filter(|info| info.passes_filter(caller))?;
        (!caller.has_scope(info.scope)).then_some(info.scope)
    }

    /// Equal for two lists that are the same to `caller`, so that it need not read the later one.
    #[must_use]
    pub fn view_of(&self, caller: &Caller) -> CallerView {
        let offered = self
            .tools
            .iter()
            .filter(|mounted| mounted.info.is_offered(caller));
        CallerView(offered.map(|mounted| mounted.digest).collect())
    }
}

/// The tools that one caller sees of a list, by the digests of their definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerView(Vec<u64>);
