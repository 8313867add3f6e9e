//! Notifications to clients: changed resources, and changed lists of resources and of tools.
//!
//! Every client of the tenant of a change is notified, but only of changes that were made through this
//! server. Revisions with a handshake receive notifications on their session's stream, 2026-07-28 on
//! `subscriptions/listen`. A client that reads too slowly is notified that everything it watches may have
//! changed.
//!
//! The list of tools is announced only to clients that see other tools than before, and not more often than
//! [`TOOL_LIST_PAUSE`]: each of them then requests the whole list.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use rmcp::ErrorData;
use rmcp::model::{
    JsonRpcMessage, ResourceListChangedNotification, ResourceUpdatedNotification,
    ResourceUpdatedNotificationParam, ServerJsonRpcMessage, ServerNotification, SubscriptionFilter,
    ToolListChangedNotification,
};
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::sessions::McpSession;
use super::watched_changes::{WATCHED_MAX, WatchedChanges, too_many_subscriptions};
use crate::bounded_map::KeyedSemaphores;
use crate::caller::Caller;
use crate::tool::change::ResourceChange;
use crate::tool::registry::Registry;
use crate::tool::tool_list::CallerView;

/// The least time between two notifications of a changed tool list on one stream.
pub const TOOL_LIST_PAUSE: Duration = Duration::from_millis(250);
/// The most open `subscriptions/listen` requests per caller.
const LISTENERS_MAX: usize = 100;
/// Callers that listen at a time and have a limit of their own. More of them share one.
const CALLERS_MAX: usize = 10_000;

/// Sends notifications. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChangeNotices {
    registry: Arc<Registry>,
    ended: CancellationToken,
    /// By caller: how many more may listen.
    listeners: Arc<KeyedSemaphores<Arc<str>>>,
}

impl ChangeNotices {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            ended: CancellationToken::new(),
            listeners: Arc::new(KeyedSemaphores::new(CALLERS_MAX, LISTENERS_MAX)),
        }
    }

    /// Ends all listen requests, for shutdown.
    pub fn end_streams(&self) {
        self.ended.cancel();
    }

    /// The notifications of a session's stream. Only the newest of its streams receives them.
    pub fn notify_session(
        &self,
        session: Arc<McpSession>,
        caller: Caller,
    ) -> impl Stream<Item = ServerJsonRpcMessage> + Send + use<> {
        let turn = session.become_notification_stream();
        let state = (self.feed_for(caller), session, VecDeque::new());
        stream::unfold(state, move |(mut feed, session, mut ready)| async move {
            loop {
                if let Some(notification) = ready.pop_front() {
                    let message = JsonRpcMessage::notification(notification);
                    return Some((message, (feed, session, ready)));
                }
                let news = feed.next_news().await?;
                // An older stream still receives the changes and drops them here.
                if session.is_notification_stream(turn) {
                    ready.extend(feed.notifications_for(&news, &session.watched));
                }
            }
        })
    }

    /// Notifies the client of a stdio connection until it disconnects.
    pub(super) async fn notify_peer(
        &self,
        peer: Peer<RoleServer>,
        watched: &WatchedChanges,
        caller: Caller,
    ) {
        let mut feed = self.feed_for(caller);
        while let Some(news) = feed.next_news().await {
            for notification in feed.notifications_for(&news, watched) {
                if peer.send_notification(notification).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The accepted part of a `subscriptions/listen`. None: nothing ever changes here.
    pub(super) fn accepted_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let has_resources = self.registry.all_resources().next().is_some();
        let has_changing_tools = self.registry.has_changing_tools();
        if !has_resources && !has_changing_tools {
            return None;
        }
        let mut accepted = requested.clone();
        if !has_changing_tools {
            accepted.tools_list_changed = None;
        }
        if !has_resources {
            accepted.resources_list_changed = None;
            accepted.resource_subscriptions = None;
        }
        if let Some(uris) = &mut accepted.resource_subscriptions {
            // The list comes from the client. Unknown and repeated URIs must not use up the limit.
            uris.retain(|uri| self.registry.find_resource(uri).is_some());
            uris.sort();
            uris.dedup();
            uris.truncate(WATCHED_MAX);
        }
        Some(accepted)
    }

    /// Serves a `subscriptions/listen` until the client or the server ends it.
    pub(super) async fn run_subscription(
        &self,
        context: &SubscriptionContext,
        caller: Caller,
    ) -> Result<(), ErrorData> {
        let _seat = self.take_seat(caller.owner_key())?;
        let accepted = context.accepted();
        let uris = accepted.resource_subscriptions.iter().flatten().cloned();
        let uris: BTreeSet<String> = uris.collect();
        let wanted = WantedNews {
            tools: accepted.tools_list_changed == Some(true),
            resources: accepted.resources_list_changed == Some(true),
            uris: &uris,
        };
        let mut feed = self.feed_for(caller);
        loop {
            let news = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.ended.cancelled() => return Ok(()),
                news = feed.next_news() => news,
            };
            let Some(news) = news else {
                return Ok(());
            };
            for notification in feed.notifications_of(&news, &wanted) {
                if context.sink().send(notification).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn feed_for(&self, caller: Caller) -> ChangeFeed {
        let tools = self.registry.current_tools();
        ChangeFeed {
            changes: self.registry.subscribe_to_changes(),
            tool_lists: self.registry.watch_tool_list(),
            seen: tools.view_of(&caller),
            seen_revision: tools.list_revision(),
            next_tool_list: Instant::now(),
            registry: self.registry.clone(),
            caller,
        }
    }

    /// The place of one listening request, until it is dropped.
    fn take_seat(&self, caller: &Arc<str>) -> Result<OwnedSemaphorePermit, ErrorData> {
        let seats = self.listeners.of_key(caller.clone());
        seats.try_acquire_owned().map_err(|_| {
            let message =
                format!("{LISTENERS_MAX} subscriptions/listen of this caller are open: end one");
            too_many_subscriptions(message)
        })
    }
}

/// One event for a subscriber.
enum ChangeNews {
    Changed(ResourceChange),
    /// The client read too slowly and missed changes.
    Missed,
    /// The caller sees other tools than before.
    Tools,
}

/// What a client wants to be notified of.
struct WantedNews<'a> {
    tools: bool,
    resources: bool,
    uris: &'a BTreeSet<String>,
}

/// The changes that concern one caller.
struct ChangeFeed {
    changes: broadcast::Receiver<ResourceChange>,
    tool_lists: watch::Receiver<u64>,
    /// The tools that the caller saw last, and the revision of their list.
    seen: CallerView,
    seen_revision: u64,
    /// When the next change of the tool list may be announced.
    next_tool_list: Instant,
    registry: Arc<Registry>,
    caller: Caller,
}

impl ChangeFeed {
    async fn next_news(&mut self) -> Option<ChangeNews> {
        loop {
            let received = tokio::select! {
                received = self.changes.recv() => received,
                () = wait_for_list(&mut self.tool_lists, self.seen_revision, self.next_tool_list) => {
                    if self.sees_other_tools() {
                        return Some(ChangeNews::Tools);
                    }
                    continue;
                }
            };
            match received {
                Ok(change) if change.concerns_tenant_of(&self.caller) => {
                    return Some(ChangeNews::Changed(change));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(ChangeNews::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Whether the caller's tools differ from those that it saw last, which then are the present ones.
    fn sees_other_tools(&mut self) -> bool {
        let tools = self.registry.current_tools();
        self.seen_revision = tools.list_revision();
        let view = tools.view_of(&self.caller);
        if view == self.seen {
            return false;
        }
        self.seen = view;
        self.next_tool_list = Instant::now() + TOOL_LIST_PAUSE;
        true
    }

    fn notifications_for(
        &self,
        news: &ChangeNews,
        watched: &WatchedChanges,
    ) -> Vec<ServerNotification> {
        let wanted = WantedNews {
            tools: watched.watches_tool_list(),
            resources: watched.watches_list(),
            uris: &watched.lock_uris(),
        };
        self.notifications_of(news, &wanted)
    }

    /// The notifications about a change for a client that wants those of `wanted`.
    fn notifications_of(
        &self,
        news: &ChangeNews,
        wanted: &WantedNews<'_>,
    ) -> Vec<ServerNotification> {
        if matches!(news, ChangeNews::Tools) {
            let changed = ToolListChangedNotification::default();
            let changed = ServerNotification::ToolListChangedNotification(changed);
            return if wanted.tools {
                vec![changed]
            } else {
                Vec::new()
            };
        }
        let list = wanted.resources && self.changes_list(news);
        let list = list.then(|| {
            ServerNotification::ResourceListChangedNotification(
                ResourceListChangedNotification::default(),
            )
        });
        let updated = wanted
            .uris
            .iter()
            .filter(|uri| self.touches_uri(news, uri))
            .map(|uri| {
                let param = ResourceUpdatedNotificationParam::new(uri);
                ServerNotification::ResourceUpdatedNotification(ResourceUpdatedNotification::new(
                    param,
                ))
            });
        list.into_iter().chain(updated).collect()
    }

    fn changes_list(&self, news: &ChangeNews) -> bool {
        // A missed change may have been one of the list.
        let change = match news {
            ChangeNews::Changed(change) => change,
            ChangeNews::Missed => return true,
            ChangeNews::Tools => return false,
        };
        let mut listed = self
            .registry
            .offered_resources(&self.caller)
            .filter_map(|resource| Some(self.registry.values_of_resource(resource)?.changed_by));
        listed.any(|changed_by| changed_by.contains(&&*change.tool))
    }

    fn touches_uri(&self, news: &ChangeNews, uri: &str) -> bool {
        let Some(found) = self.registry.find_resource(uri) else {
            return false;
        };
        let changed = match news {
            ChangeNews::Missed => true,
            ChangeNews::Tools => false,
            ChangeNews::Changed(change) => {
                let same = found.value.is_none_or(|value| change.is_about(value));
                same && found.resource.changed_by.contains(&&*change.tool)
            }
        };
        changed && self.registry.offers_tool(&self.caller, found.resource.tool)
    }
}

/// Returns when the tool list has a later revision than `seen`, but not before `earliest`. It can be dropped and
/// called again: what it has noticed is in its arguments only.
async fn wait_for_list(lists: &mut watch::Receiver<u64>, seen: u64, earliest: Instant) {
    // The sender lives as long as the registry, which the feed holds.
    if lists.wait_for(|revision| *revision > seen).await.is_err() {
        return std::future::pending().await;
    }
    sleep_until(earliest).await;
}
