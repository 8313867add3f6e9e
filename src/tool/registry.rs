//! All mounted providers: their tools, catalogues and transfers.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{broadcast, watch};

use super::ToolInfo;
use super::catalogue::{ArgumentValues, Catalogue, FoundResource, Prompt, Resource};
use super::change::{ChangeBroadcast, ResourceChange};
use super::concurrency::ConcurrencyGate;
use super::cost::CostRates;
use super::mounted_tool::MountedTool;
use super::provider::{HealthCheck, Provider, ProviderDescription};
use super::tool_list::ToolList;
use super::tool_table::ToolTable;
use super::transfer::FileTransfers;
use crate::audit::AuditLog;
use crate::caller::{Caller, Realm, Scope};
use crate::metrics::ServerMetrics;

/// The mounted providers, in the order of the documents. Providers are mounted once; the tools of some come and go.
#[derive(Debug)]
pub struct Registry {
    pub(super) table: Arc<ToolTable>,
    providers: Vec<MountedProvider>,
    pub(super) timeout: Duration,
    pub(super) gate: ConcurrencyGate,
    pub(super) costs: Vec<CostRates>,
    pub(super) changes: ChangeBroadcast,
    pub(super) audit: Option<AuditLog>,
    pub(super) metrics: ServerMetrics,
}

#[derive(Debug)]
struct MountedProvider {
    description: ProviderDescription,
    toolsets: Vec<&'static str>,
    has_source: bool,
    catalogue: Catalogue,
    transfers: Option<Arc<dyn FileTransfers>>,
    health: Option<HealthCheck>,
}

impl Registry {
    /// An empty registry whose calls have the time limit `timeout`, and `at_a_time` concurrent calls per
    /// caller.
    #[must_use]
    pub fn new(timeout: Duration, at_a_time: usize) -> Self {
        Self {
            table: Arc::default(),
            providers: Vec::new(),
            timeout,
            gate: ConcurrencyGate::new(at_a_time),
            costs: Vec::new(),
            changes: ChangeBroadcast::default(),
            audit: None,
            metrics: ServerMetrics::default(),
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
        self
    }

    /// Mounts a provider behind those that are mounted. Where two offer a tool of one name, the first one's is kept.
    #[must_use]
    pub fn mount_provider(mut self, provider: Provider) -> Self {
        if !provider.tools.is_empty() {
            self.table.add_source(provider.tools.into());
        }
        if let Some(source) = &provider.source {
            source.mount_into(&self.table);
        }
        let costs = provider.costs.into_iter();
        self.costs
            .extend(costs.map(|(class, rate)| CostRates::new(class, rate)));
        self.providers.push(MountedProvider {
            description: provider.description,
            toolsets: provider.toolsets,
            has_source: provider.source.is_some(),
            catalogue: provider.catalogue,
            transfers: provider.transfers,
            health: provider.health,
        });
        self
    }

    /// What clients and models read of the providers.
    pub fn provider_descriptions(&self) -> impl Iterator<Item = &ProviderDescription> {
        self.providers.iter().map(|provider| &provider.description)
    }

    /// The realms of the providers, and of their tools now.
    #[must_use]
    pub fn all_realms(&self) -> Vec<Realm> {
        let providers = self.provider_descriptions().map(|provider| provider.realm);
        let tools = self.current_tools();
        let tools = tools.all_tools().map(|tool| tool.scope.realm);
        providers.chain(tools).collect()
    }

    /// The tools now. A request that needs them twice keeps the snapshot, so that it sees one list.
    #[must_use]
    pub fn current_tools(&self) -> Arc<ToolList> {
        self.table.current_list()
    }

    /// Whether tools can come and go while the server runs.
    #[must_use]
    pub fn has_changing_tools(&self) -> bool {
        self.providers.iter().any(|provider| provider.has_source)
    }

    /// Reports each new revision of the tool list. A slow reader gets the newest one only.
    #[must_use]
    pub fn watch_tool_list(&self) -> watch::Receiver<u64> {
        self.table.watch_revisions()
    }

    pub(super) fn find_tool(&self, name: &str) -> Option<Arc<MountedTool>> {
        self.table.find_tool(name)
    }

    /// A tool now, for any caller.
    #[must_use]
    pub fn with_tool<T>(&self, name: &str, read: impl FnOnce(&ToolInfo) -> T) -> Option<T> {
        self.find_tool(name).map(|tool| read(&tool.info))
    }

    /// Whether `caller` may call a tool now.
    #[must_use]
    pub fn offers_tool(&self, caller: &Caller, tool: &str) -> bool {
        self.with_tool(tool, |info| info.is_offered(caller))
            .unwrap_or(false)
    }

    /// The scope that `caller` lacks for a tool, if that is all that it lacks.
    #[must_use]
    pub fn missing_scope(&self, name: &str, caller: &Caller) -> Option<Scope> {
        self.current_tools().missing_scope(name, caller)
    }

    /// The names of the toolsets, in the order of the documents. A toolset whose tools come and go is named even
    /// while it has none.
    #[must_use]
    pub fn toolset_names(&self) -> Vec<&'static str> {
        let toolsets = self.providers.iter().map(|provider| &provider.toolsets);
        toolsets.flatten().copied().collect()
    }

    /// Asks each provider whether its system can be reached: the provider's name, and why not.
    pub async fn check_health(&self) -> Vec<(&'static str, Result<(), String>)> {
        let checks = self.providers.iter().filter_map(|provider| {
            let health = provider.health.as_ref()?;
            Some(async move { (provider.description.name, health.check_now().await) })
        });
        join_all(checks).await
    }

    pub(super) fn all_catalogues(&self) -> impl Iterator<Item = &Catalogue> {
        self.providers.iter().map(|provider| &provider.catalogue)
    }

    /// The transfers of a provider; without a name those of the first provider that has some.
    pub(super) fn transfers_of(&self, provider: Option<&str>) -> Option<&Arc<dyn FileTransfers>> {
        let mut with_transfers = self.providers.iter().filter_map(|mounted| {
            let transfers = mounted.transfers.as_ref()?;
            Some((mounted.description.name, transfers))
        });
        with_transfers
            .find(|(name, _)| provider.is_none_or(|wanted| wanted == *name))
            .map(|(_, transfers)| transfers)
    }

    /// Whether a provider of that name transfers files.
    #[must_use]
    pub fn has_transfers(&self, provider: &str) -> bool {
        self.transfers_of(Some(provider)).is_some()
    }

    /// Receives the changes of calls from now on.
    #[must_use]
    pub fn subscribe_to_changes(&self) -> broadcast::Receiver<ResourceChange> {
        self.changes.subscribe_to_changes()
    }

    /// All resources, for any caller.
    pub fn all_resources(&self) -> impl Iterator<Item = &'static Resource> + '_ {
        self.all_catalogues()
            .flat_map(|catalogue| catalogue.resources.iter())
    }

    /// All prompts, for any caller.
    pub fn all_prompts(&self) -> impl Iterator<Item = &'static Prompt> + '_ {
        self.all_catalogues()
            .flat_map(|catalogue| catalogue.prompts.iter())
    }

    /// All sources of argument values.
    pub fn all_argument_values(&self) -> impl Iterator<Item = &'static ArgumentValues> + '_ {
        self.all_catalogues()
            .flat_map(|catalogue| catalogue.values.iter())
    }

    /// The resource that a URI leads to, whether it exists or not.
    #[must_use]
    pub fn find_resource<'a>(&self, uri: &'a str) -> Option<FoundResource<'a>> {
        self.all_catalogues()
            .find_map(|catalogue| catalogue.find_resource(uri))
    }

    /// The source of the values of a resource's variable. None: it has no variable, or any value will do.
    #[must_use]
    pub fn values_of_resource(&self, resource: &Resource) -> Option<&'static ArgumentValues> {
        let variable = resource.uri_variable()?;
        let mut catalogues = self.all_catalogues();
        let own = catalogues.find(|catalogue| catalogue.has_resource(resource))?;
        own.values_of(variable)
    }

    /// The source of the values of a prompt's argument. None: any value will do.
    #[must_use]
    pub fn values_of_prompt(
        &self,
        prompt: &Prompt,
        argument: &str,
    ) -> Option<&'static ArgumentValues> {
        let mut catalogues = self.all_catalogues();
        let own = catalogues.find(|catalogue| catalogue.has_prompt(prompt))?;
        own.values_of(argument)
    }

    /// The resources that `caller` may read.
    pub fn offered_resources<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'static Resource> + 'a {
        let tools = self.current_tools();
        self.all_resources()
            .filter(move |resource| tools.offers_tool(caller, resource.tool))
    }

    /// The prompts that `caller` has the tools for.
    pub fn offered_prompts<'a>(
        &'a self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = &'static Prompt> + 'a {
        let tools = self.current_tools();
        let mut needs = move |tool: &&str| tools.offers_tool(caller, tool);
        self.all_prompts()
            .filter(move |prompt| prompt.needs.iter().all(&mut needs))
    }
}

/// The registry, for a provider that calls tools of others. The provider is built before the registry that it is
/// mounted in, so the handle is filled afterwards. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RegistryHandle(Arc<OnceLock<Weak<Registry>>>);

impl RegistryHandle {
    /// Fills it. Later values are ignored.
    pub fn set_registry(&self, registry: &Arc<Registry>) {
        let _filled_already = self.0.set(Arc::downgrade(registry));
    }

    /// The registry, once it is set and as long as it exists.
    #[must_use]
    pub fn upgrade(&self) -> Option<Arc<Registry>> {
        self.0.get()?.upgrade()
    }
}
