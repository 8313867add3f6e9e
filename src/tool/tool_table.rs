//! The sources of tools, and the list that they make together.
//!
//! The list is built when a source changes and replaced as a whole. A call reads it without a lock.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::dynamic_tool::DynamicTool;
use super::mounted_tool::MountedTool;
use super::tool_list::ToolList;

/// The most tools of one source that change at runtime.
pub const SOURCE_TOOLS_MAX: usize = 5_000;

type SourceTools = Arc<[Arc<MountedTool>]>;

/// All sources, in the order in which they were mounted.
#[derive(Debug)]
pub(super) struct ToolTable {
    sources: Mutex<Vec<SourceTools>>,
    current: ArcSwap<ToolList>,
    revisions: watch::Sender<u64>,
}

impl Default for ToolTable {
    fn default() -> Self {
        Self {
            sources: Mutex::default(),
            current: ArcSwap::default(),
            revisions: watch::Sender::new(0),
        }
    }
}

impl ToolTable {
    /// The tools now.
    pub(super) fn current_list(&self) -> Arc<ToolList> {
        self.current.load_full()
    }

    /// A tool now, for any caller.
    pub(super) fn find_tool(&self, name: &str) -> Option<Arc<MountedTool>> {
        self.current.load().find_tool(name).cloned()
    }

    /// Reports each new revision. A slow reader gets the newest one only.
    pub(super) fn watch_revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    /// Adds a source behind the others, and returns its place.
    pub(super) fn add_source(&self, tools: SourceTools) -> usize {
        let mut sources = self.sources.lock();
        sources.push(tools);
        self.rebuild_list(&sources);
        sources.len() - 1
    }

    fn replace_source(&self, place: usize, tools: SourceTools) -> Arc<ToolList> {
        let mut sources = self.sources.lock();
        if let Some(source) = sources.get_mut(place) {
            *source = tools;
        }
        self.rebuild_list(&sources)
    }

    /// The lock of `sources` is held, so two changes cannot overtake each other.
    fn rebuild_list(&self, sources: &[SourceTools]) -> Arc<ToolList> {
        let revision = self.current.load().list_revision() + 1;
        let list = Arc::new(ToolList::of_sources(revision, sources));
        self.current.store(list.clone());
        self.revisions.send_replace(revision);
        list
    }
}

/// The tools of a provider that come and go. Cheap to clone: the provider keeps one, the registry another.
#[derive(Clone, Debug, Default)]
pub struct DynamicToolSource(Arc<Mutex<SourceState>>);

#[derive(Debug, Default)]
struct SourceState {
    tools: SourceTools,
    /// Where it is mounted.
    table: Option<(Weak<ToolTable>, usize)>,
}

impl DynamicToolSource {
    /// Replaces all tools of this source. Clients to which the list looks the same are not notified. Returns the names that another source has already; such a tool is
    /// not offered. Tools beyond [`SOURCE_TOOLS_MAX`] are dropped.
    pub fn replace_tools(&self, tools: impl IntoIterator<Item = DynamicTool>) -> Vec<Arc<str>> {
        let tools: SourceTools = tools
            .into_iter()
            .take(SOURCE_TOOLS_MAX)
            .map(DynamicTool::into_mounted)
            .collect();
        let mut state = self.0.lock();
        state.tools = tools.clone();
        let Some((table, place)) = &state.table else {
            return Vec::new();
        };
        let Some(table) = table.upgrade() else {
            return Vec::new();
        };
        let list = table.replace_source(*place, tools.clone());
        let is_shadowed = |tool: &&Arc<MountedTool>| {
            let offered = list.find_tool(&tool.info.name);
            offered.is_none_or(|offered| !Arc::ptr_eq(offered, tool))
        };
        let shadowed = tools.iter().filter(is_shadowed);
        shadowed.map(|tool| tool.info.name.clone()).collect()
    }

    pub(super) fn mount_into(&self, table: &Arc<ToolTable>) {
        let mut state = self.0.lock();
        let place = table.add_source(state.tools.clone());
        state.table = Some((Arc::downgrade(table), place));
    }
}
