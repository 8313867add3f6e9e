//! Whose changes a client is notified of: those of its account in the realm, or of its tenant.

use kasm_mcp::caller::Caller;
use serde_json::json;

use super::listener::Listener;
use super::people::People;

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
