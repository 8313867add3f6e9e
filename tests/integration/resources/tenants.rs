//! Whose changes a client is notified of: those of its account in the realm, or of its tenant.

use std::sync::Arc;
use std::time::Duration;

use kasm_mcp::caller::{Caller, Level, Realm, Scope};
use kasm_mcp::mcp::McpServer;
use kasm_mcp::tool::catalogue::{Catalogue, Resource, ResourceContent};
use kasm_mcp::tool::provider::Provider;
use kasm_mcp::tool::registry::Registry;
use kasm_mcp::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply, Toolset};
use serde_json::json;

use super::listener::Listener;
use super::people::People;
use crate::support::toolbox::DESCRIPTION;

const LIST: &str = "notifications/resources/list_changed";
const UPDATED: &str = "notifications/resources/updated";

/// The notifications after a session was created, at a client that watches the sessions.
fn created() -> [(String, Option<String>); 2] {
    let uri = Some("kasm://sessions".to_owned());
    [(LIST.to_owned(), None), (UPDATED.to_owned(), uri)]
}

#[tokio::test]
async fn callers_of_one_kasm_user_see_each_others_changes_and_others_do_not() {
    // The third caller has the tenant of the first by name, but another Kasm user.
    let people = People::of_callers(|emulator, grants| {
        let caller = |name| Caller::new(name, grants.clone());
        let [user, other] = [emulator.user_id(), emulator.other_user_id()];
        [
            caller("one").with_kasm_account(user).with_tenant("team"),
            caller("same").with_kasm_account(user),
            caller("other").with_kasm_account(other).with_tenant("team"),
        ]
    })
    .await;
    let mut listeners = Vec::new();
    for base in &people.bases {
        let listener = Listener::session(base).await;
        listener.subscribe("kasm://sessions").await;
        listeners.push(listener);
    }
    let [one, same, other] = &mut listeners[..] else {
        panic!("three people");
    };
    let kasm_id = one.create().await;
    assert_eq!(one.hears(2).await, created());
    assert_eq!(same.hears(2).await, created());
    same.call("extend_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    assert_eq!(one.hears(1).await, created()[1..]);
    assert_eq!(same.hears(1).await, created()[1..]);
    // The other one hears its own two changes and nothing else. Those of the first two would be in front of
    // them, an extension among them.
    let own = other.create().await;
    other
        .call("destroy_kasm_session", json!({ "kasm_id": own }))
        .await;
    assert_eq!(other.hears(4).await, [created(), created()].concat());
    one.call("destroy_kasm_session", json!({ "kasm_id": kasm_id }))
        .await;
    for listener in [one, same] {
        assert_eq!(listener.hears(2).await, created());
    }
}

/// A realm without accounts.
const OTHER: Realm = Realm::new("other");

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct NoThingArgs {}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct ThingList {
    count: usize,
}

struct ListThings;
struct ChangeThings;

impl Tool for ListThings {
    type Provider = ();
    type Args = NoThingArgs;
    type Output = ThingList;
    const NAME: &'static str = "list_things";
    const TITLE: &'static str = "List things";
    const ABOUT: &'static str = "Lists things.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        _: ToolCallContext<'_, ()>,
        _: NoThingArgs,
    ) -> Result<ToolReply<ThingList>, ToolError> {
        Ok(ToolReply::new(ThingList { count: 0 }, "listed"))
    }
}

impl Tool for ChangeThings {
    type Provider = ();
    type Args = NoThingArgs;
    type Output = ThingList;
    const NAME: &'static str = "change_things";
    const TITLE: &'static str = "Change things";
    const ABOUT: &'static str = "Changes things.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        _: ToolCallContext<'_, ()>,
        _: NoThingArgs,
    ) -> Result<ToolReply<ThingList>, ToolError> {
        Ok(ToolReply::new(ThingList { count: 0 }, "changed"))
    }
}

const TOOLSET: Toolset<()> = Toolset {
    name: "things",
    about: "Things of a test",
    scope: Scope::new(OTHER, Level::Read),
    tools: &[&ListThings, &ChangeThings],
};

const CATALOGUE: Catalogue = Catalogue {
    resources: &[Resource {
        uri: "test://things",
        name: "things",
        title: "Things",
        about: "All things.",
        tool: "list_things",
        shows: ResourceContent::Data,
        fresh: Duration::ZERO,
        only: None,
        changed_by: &["change_things"],
    }],
    prompts: &[],
    values: &[],
};

#[tokio::test]
async fn callers_of_one_tenant_see_each_others_changes_where_there_are_no_accounts() {
    let provider = Provider::new(DESCRIPTION)
        .with_toolsets(&Arc::new(()), &[TOOLSET])
        .with_catalogue(CATALOGUE);
    let registry = Registry::new(Duration::from_secs(30), 32).mount_provider(provider);
    let registry = Arc::new(registry);
    let server = McpServer::new(registry.clone());
    let caller = |name| Caller::new(name, Scope::new(OTHER, Level::Use));
    // The third caller shares a Kasm user with the first one, which means nothing here.
    let callers = [
        caller("one").with_kasm_account("user").with_tenant("team"),
        caller("colleague").with_tenant("team"),
        caller("same user").with_kasm_account("user"),
        caller("alone"),
    ];
    let people = People::of_server(&registry, &server, callers).await;
    let mut listeners = Vec::new();
    for base in &people.bases {
        let listener = Listener::session(base).await;
        listener.subscribe("test://things").await;
        listeners.push(listener);
    }
    let updated = || (UPDATED.to_owned(), Some("test://things".to_owned()));
    listeners[0].call("change_things", json!({})).await;
    for listener in &mut listeners[..2] {
        assert_eq!(listener.hears(1).await, [updated()]);
    }
    // A change of the first one would make it two notifications.
    for listener in &mut listeners[2..] {
        listener.call("change_things", json!({})).await;
        assert_eq!(listener.hears(1).await, [updated()]);
        let more = tokio::time::timeout(Duration::from_millis(100), listener.next());
        assert!(more.await.is_err(), "only its own change");
    }
    let more = tokio::time::timeout(Duration::from_millis(100), listeners[0].next());
    assert!(more.await.is_err(), "none of the others' changes");
}
