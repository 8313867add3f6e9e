//! All mounted tools and the catalogue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::catalogue::{Catalogue, Prompt, Resource};
use super::change::{Change, Changes};
use super::gate::{Costly, Gate};
use super::mounted::{Bound, Mounted};
use super::transfer::Transfers;
use super::{ToolInfo, Toolset};
use crate::audit::Audit;
use crate::caller::{Caller, Scope};
use crate::metrics::Metrics;
use crate::rate::Rate;

/// The mounted tools, in the order of the documents. Built once.
#[derive(Debug)]
pub struct Registry {
    tools: Vec<Mounted>,
    by_name: HashMap<&'static str, usize>,
    pub(super) timeout: Duration,
    pub(super) gate: Gate,
    pub(super) costly: Option<Costly>,
    pub(super) catalogue: Catalogue,
    pub(super) changes: Changes,
    pub(super) audit: Option<Audit>,
    pub(super) metrics: Metrics,
    pub(super) transfers: Option<Arc<dyn Transfers>>,
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
            gate: Gate::new(at_a_time),
            costly: None,
            catalogue: Catalogue::default(),
            changes: Changes::default(),
            audit: None,
            metrics: Metrics::default(),
            transfers: None,
        }
    }

    /// Adds an audit log.
    #[must_use]
    pub fn with_audit(mut self, audit: Option<Audit>) -> Self {
        self.audit = audit;
        self
    }

    /// Adds metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same with files that go past the model.
    #[must_use]
    pub fn with_transfers(mut self, transfers: Arc<dyn Transfers>) -> Self {
        self.transfers = Some(transfers);
        self
    }

    /// The same with a limit of costly calls, for each caller.
    #[must_use]
    pub fn with_costly_rate(mut self, rate: Rate) -> Self {
        self.costly = Some(Costly::new(rate));
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
    pub fn mount<P: Send + Sync + 'static>(
        mut self,
        provider: &Arc<P>,
        toolsets: &[Toolset<P>],
    ) -> Self {
        for toolset in toolsets {
            for tool in toolset.tools {
                let info = tool.info(toolset);
                self.by_name.insert(info.name, self.tools.len());
                self.tools.push(Mounted {
                    info,
                    run: Box::new(Bound {
                        provider: provider.clone(),
                        tool: *tool,
                    }),
                });
            }
        }
        self
    }

    /// All tools.
    pub fn all(&self) -> impl Iterator<Item = &ToolInfo> {
        self.tools.iter().map(|mounted| &mounted.info)
    }

    /// The tools that `caller` may call.
    pub fn offered<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a ToolInfo> {
        self.all().filter(|info| info.is_offered(caller))
    }

    /// The names of the toolsets, in the order of the documents.
    #[must_use]
    pub fn toolsets(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.all().map(|info| info.toolset).collect();
        names.dedup();
        names
    }

    /// The scope that `caller` lacks for a tool, if that is all that it lacks.
    #[must_use]
    pub fn missing(&self, name: &str, caller: &Caller) -> Option<Scope> {
        let info = self.info(name).filter(|info| info.is_in_reach(caller))?;
        (!caller.may(info.scope)).then_some(info.scope)
    }

    /// The whole catalogue, for any caller.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Receives the changes of calls from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.listen()
    }

    /// Finds a tool by name, for any caller.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&ToolInfo> {
        self.find(name).map(|mounted| &mounted.info)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Mounted> {
        self.by_name
            .get(name)
            .and_then(|index| self.tools.get(*index))
    }

    /// Whether `caller` may call a tool.
    #[must_use]
    pub fn offers(&self, caller: &Caller, tool: &str) -> bool {
        self.info(tool).is_some_and(|info| info.is_offered(caller))
    }

    /// The resources that `caller` may read.
    pub fn resources<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'static Resource> + 'a {
        let all = self.catalogue().resources.iter();
        all.filter(|resource| self.offers(caller, resource.tool))
    }

    /// The prompts that `caller` has the tools for.
    pub fn prompts<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'static Prompt> + 'a {
        let all = self.catalogue().prompts.iter();
        all.filter(|prompt| prompt.needs.iter().all(|tool| self.offers(caller, tool)))
    }
}
