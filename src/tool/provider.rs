//! A provider: all that one system brings to the server, as one value.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Toolset;
use super::catalogue::Catalogue;
use super::cost::CostClass;
use super::mounted_tool::MountedTool;
use super::tool_table::DynamicToolSource;
use super::transfer::FileTransfers;
use crate::caller::Realm;
use crate::rate::Rate;

/// One system behind the server. [`super::registry::Registry::mount_provider`] takes it.
#[derive(Debug)]
pub struct Provider {
    pub(super) description: ProviderDescription,
    pub(super) tools: Vec<Arc<MountedTool>>,
    pub(super) source: Option<DynamicToolSource>,
    pub(super) toolsets: Vec<&'static str>,
    pub(super) catalogue: Catalogue,
    pub(super) transfers: Option<Arc<dyn FileTransfers>>,
    pub(super) health: Option<HealthCheck>,
    pub(super) costs: Vec<(&'static CostClass, Rate)>,
}

/// What clients and models read of a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderDescription {
    /// The name, in addresses and in `/health`: lower-case letters.
    pub name: &'static str,
    /// The realm of its scopes.
    pub realm: Realm,
    /// The title, for people.
    pub title: &'static str,
    /// What it offers, in a few words: `Desktops in Kasm Workspaces for AI agents`.
    pub about: &'static str,
    /// What it is for, one sentence, for documents.
    pub summary: &'static str,
    /// The most important instructions for a model. Clients show at least 512 characters of all providers'.
    pub essence: &'static str,
    /// The other instructions.
    pub details: &'static str,
}

impl Provider {
    /// A provider without tools.
    #[must_use]
    pub fn new(description: ProviderDescription) -> Self {
        Self {
            description,
            tools: Vec::new(),
            source: None,
            toolsets: Vec::new(),
            catalogue: Catalogue::default(),
            transfers: None,
            health: None,
            costs: Vec::new(),
        }
    }

    /// Adds tools that share `state`.
    #[must_use]
    pub fn with_toolsets<P: Send + Sync + 'static>(
        mut self,
        state: &Arc<P>,
        toolsets: &[Toolset<P>],
    ) -> Self {
        for toolset in toolsets {
            self.toolsets.push(toolset.name);
            let tools = toolset.tools.iter();
            let mounted =
                tools.map(|tool| Arc::new(MountedTool::of_toolset(state, toolset, *tool)));
            self.tools.extend(mounted);
        }
        self
    }

    /// Adds tools that come and go, in the toolset `toolset`.
    #[must_use]
    pub fn with_tool_source(mut self, toolset: &'static str, source: DynamicToolSource) -> Self {
        self.toolsets.push(toolset);
        self.source = Some(source);
        self
    }

    /// Adds resources, prompts and argument values.
    #[must_use]
    pub fn with_catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// Adds transfers of files that bypass the model.
    #[must_use]
    pub fn with_transfers(mut self, transfers: Arc<dyn FileTransfers>) -> Self {
        self.transfers = Some(transfers);
        self
    }

    /// Limits a class of costly calls, for each caller. A class without a rate is not limited.
    #[must_use]
    pub fn with_cost_rate(mut self, class: &'static CostClass, rate: Rate) -> Self {
        self.costs.push((class, rate));
        self
    }

    /// Adds a check for `/health`.
    #[must_use]
    pub fn with_health(mut self, health: HealthCheck) -> Self {
        self.health = Some(health);
        self
    }
}

type CheckHealth = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Checks whether a provider's system can be reached.
pub struct HealthCheck(CheckHealth);

impl HealthCheck {
    /// `check` fails with a reason that is safe to show.
    pub fn new(
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(check))
    }

    /// Whether it can be reached now.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub async fn check_now(&self) -> Result<(), String> {
        (self.0)().await
    }
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HealthCheck")
    }
}
