//! All mounted tools and the catalogue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::catalogue::{Catalogue, Prompt, Resource};
use super::change::{ChangeBroadcast, ResourceChange};
use super::concurrency::{ConcurrencyGate, CostlyCallRates};
use super::mounted_tool::{BoundTool, MountedTool};
use super::transfer::FileTransfers;
use super::{ToolInfo, Toolset};
use crate::audit::AuditLog;
use crate::caller::{Caller, Scope};
use crate::metrics::ServerMetrics;
use crate::rate::Rate;

/// The mounted tools, in the order of the documents. Built once.
#[derive(Debug)]
pub struct Registry {
    tools: Vec<MountedTool>,
    by_name: HashMap<&'static str, usize>,
    pub(super) timeout: Duration,
    pub(super) gate: ConcurrencyGate,
    pub(super) costly: Option<CostlyCallRates>,
    pub(super) catalogue: Catalogue,
    pub(super) changes: ChangeBroadcast,
    pub(super) audit: Option<AuditLog>,
    pub(super) metrics: ServerMetrics,
    pub(super) transfers: Option<Arc<dyn FileTransfers>>,
}

impl Registry {
    /// An empty registry whose calls have the time limit `timeout`, and `at_a_time` concurrent calls per
    /// caller.
    #[must_use]
    pub fn new(timeout: Duration, at_a_time: usize) -> Self {
        Self {
            tools: Vec::new(),
            by_name: HashMap::new(),
            timeout,
            gate: ConcurrencyGate::new(at_a_time),
            costly: None,
            catalogue: Catalogue::default(),
            changes: ChangeBroadcast::default(),
            audit: None,
            metrics: ServerMetrics::default(),
            transfers: None,
        }
    }

    /// Adds an audit log.
    #[must_use]
    pub fn with_audit(mut self, audit: Option<AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// Adds metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: ServerMetrics) -> Self {
        self.metrics = metrics;
        // Tools that are mounted already must not go on counting where nobody reads.
        for tool in &mut self.tools {
            tool.calls = self.metrics.call_counters(tool.info.name);
        }
        self
    }

    /// Adds transfers of files that bypass the model.
    #[must_use]
    pub fn with_transfers(mut self, transfers: Arc<dyn FileTransfers>) -> Self {
        self.transfers = Some(transfers);
        self
    }

    /// Adds a rate limit of costly calls, for each caller.
    #[must_use]
    pub fn with_costly_rate(mut self, rate: Rate) -> Self {
        self.costly = Some(CostlyCallRates::new(rate));
        self
    }

    /// Adds a provider's catalogue.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// Mounts the tools of a provider.
    #[must_use]
    pub fn mount_provider<P: Send + Sync + 'static>(
        mut self,
        provider: &Arc<P>,
        toolsets: &[Toolset<P>],
    ) -> Self {
        for toolset in toolsets {
            for tool in toolset.tools {
                let info = tool.info(toolset);
                self.by_name.insert(info.name, self.tools.len());
                self.tools.push(MountedTool {
                    calls: self.metrics.call_counters(info.name),
                    info,
                    run: Box::new(BoundTool {
                        provider: provider.clone(),
                        tool: *tool,
                    }),
                });
            }
        }
        self
    }

    /// All tools.
    pub fn all_tools(&self) -> impl Iterator<Item = &ToolInfo> {
        self.tools.iter().map(|mounted| &mounted.info)
    }

    /// The tools that `caller` may call.
    pub fn offered_tools<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a ToolInfo> {
        self.all_tools().filter(|info| info.is_offered(caller))
    }

    /// The names of the toolsets, in the order of the documents.
    #[must_use]
    pub fn toolset_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.all_tools().map(|info| info.toolset).collect();
        // Toolsets are mounted whole, so equal names are neighbours.
        names.dedup();
        names
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

    /// The whole catalogue, for any caller.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Receives the changes of calls from now on.
    #[must_use]
    pub fn subscribe_to_changes(&self) -> broadcast::Receiver<ResourceChange> {
        self.changes.subscribe_to_changes()
    }

    /// Finds a tool by name, for any caller.
    #[must_use]
    pub fn tool_info(&self, name: &str) -> Option<&ToolInfo> {
        self.find_tool(name).map(|mounted| &mounted.info)
    }

    pub(super) fn find_tool(&self, name: &str) -> Option<&MountedTool> {
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

    /// The resources that `caller` may read.
    pub fn offered_resources<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'static Resource> + 'a {
        let all = self.catalogue().resources.iter();
        all.filter(|resource| self.offers_tool(caller, resource.tool))
    }

    /// The prompts that `caller` has the tools for.
    pub fn offered_prompts<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'static Prompt> + 'a {
        let all = self.catalogue().prompts.iter();
        all.filter(|prompt| {
            prompt
                .needs
                .iter()
                .all(|tool| self.offers_tool(caller, tool))
        })
    }
}
