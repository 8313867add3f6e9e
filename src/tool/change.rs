//! The feed of changes that tool calls make.
//!
//! It reports only changes made through this registry and polls nothing. Changes made elsewhere, or by Kasm
//! itself, are visible at the next read.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::broadcast;

use super::catalogue::Catalogue;
use super::{JsonObject, ToolInfo};
use crate::caller::{Caller, Realm};

/// How many changes a slow receiver may miss before it only learns that it missed some.
const BEHIND_MAX: usize = 256;

/// A call that changed something, or may have.
#[derive(Clone, Debug)]
pub struct ResourceChange {
    /// The realm of the tool that was called.
    pub realm: Realm,
    /// Who the changed resources belong to there.
    pub tenant: Arc<str>,
    /// The tool that was called.
    pub tool: Arc<str>,
    /// The subject: a value of the templates' variable.
    pub about: Option<Arc<str>>,
}

impl ResourceChange {
    /// Whether a caller may learn of it: a change of another tenant would reveal what that one does.
    #[must_use]
    pub fn concerns_tenant_of(&self, caller: &Caller) -> bool {
        self.tenant == *caller.tenant_in(self.realm)
    }

    /// Whether it concerns this value.
    #[must_use]
    pub fn is_about(&self, value: &str) -> bool {
        self.about
            .as_deref()
            .is_some_and(|about| same_id(about, value))
    }
}

/// Whether two texts are one id: writers differ in dashes and case.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    let plain = |id: &'_ str| {
        let bytes = id.bytes().filter(|byte| *byte != b'-');
        bytes
            .map(|byte| byte.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

/// Distributes changes to receivers.
#[derive(Debug)]
pub(super) struct ChangeBroadcast(broadcast::Sender<ResourceChange>);

impl Default for ChangeBroadcast {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND_MAX))
    }
}

impl ChangeBroadcast {
    /// Receives every change from now on.
    pub(super) fn subscribe_to_changes(&self) -> broadcast::Receiver<ResourceChange> {
        self.0.subscribe()
    }

    /// What a call may change in a catalogue, if anything.
    pub(super) fn change_of_call<'a>(
        mut catalogues: impl Iterator<Item = &'a Catalogue>,
        tool: &ToolInfo,
        args: &JsonObject,
        caller: &Caller,
    ) -> Option<CatalogueChange> {
        if tool.effect.is_read_only() {
            return None;
        }
        let catalogue = *catalogues.find(|catalogue| is_changed_by(catalogue, &tool.name))?;
        let change = ResourceChange {
            realm: tool.scope.realm,
            tenant: caller.tenant_in(tool.scope.realm).clone(),
            tool: tool.name.clone(),
            about: uri_variables(&catalogue).find_map(|variable| text_of(args.get(variable))),
        };
        Some(CatalogueChange { catalogue, change })
    }

    /// Publishes a change. The subject in the reply takes precedence over the arguments.
    pub(super) fn notify_listeners(&self, changed: CatalogueChange, data: Option<&Value>) {
        let CatalogueChange {
            catalogue,
            mut change,
        } = changed;
        let named =
            |data: &Value| uri_variables(&catalogue).find_map(|name| text_of(data.get(name)));
        // A call that creates a session names it only in its reply.
        if let Some(about) = data.and_then(named) {
            change.about = Some(about);
        }
        // There may be no receiver.
        drop(self.0.send(change));
    }
}

/// A change, and the catalogue that knows where its subject is named.
#[derive(Debug)]
pub(super) struct CatalogueChange {
    catalogue: Catalogue,
    change: ResourceChange,
}

fn is_changed_by(catalogue: &Catalogue, tool: &str) -> bool {
    let resources = catalogue
        .resources
        .iter()
        .map(|resource| resource.changed_by);
    let lists = catalogue.values.iter().map(|values| values.changed_by);
    let mut tools = resources.chain(lists).flatten();
    tools.any(|changing| *changing == tool)
}

fn uri_variables(catalogue: &Catalogue) -> impl Iterator<Item = &'static str> {
    let resources = catalogue.resources.iter();
    resources.filter_map(|resource| resource.uri_variable())
}

fn text_of(value: Option<&Value>) -> Option<Arc<str>> {
    value.and_then(Value::as_str).map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Level, Scope};

    const OTHER: Realm = Realm::new("other");

    #[test]
    fn change_concerns_the_tenant_in_its_realm_and_nobody_else() {
        let grants = Scope::new(OTHER, Level::Use);
        let caller = |name: &str| Caller::new(name, grants);
        let changed_by = |caller: &Caller, realm| ResourceChange {
            realm,
            tenant: caller.tenant_in(realm).clone(),
            tool: "tool".into(),
            about: None,
        };
        let one = caller("one").with_kasm_account("1").with_tenant("team");
        let colleague = caller("colleague")
            .with_kasm_account("2")
            .with_tenant("team");
        let second_client = caller("second").with_kasm_account("1");
        let stranger = caller("stranger");
        for (other, in_other, in_kasm) in [
            (&one, true, true),
            (&colleague, true, false),
            (&second_client, false, true),
            (&stranger, false, false),
        ] {
            let concerns = |realm| changed_by(&one, realm).concerns_tenant_of(other);
            assert_eq!(concerns(OTHER), in_other, "{}", other.name);
            assert_eq!(concerns(Realm::KASM), in_kasm, "{}", other.name);
        }
    }
}
