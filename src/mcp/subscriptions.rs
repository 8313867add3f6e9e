//! Notifications to clients: changed resources, and a changed list of resources.
//!
//! Every client of the tenant of a change is notified, but only of changes that were made through this
//! server. Revisions with a handshake receive notifications on their session's stream, 2026-07-28 on
//! `subscriptions/listen`. A client that reads too slowly is notified that everything it watches may have
//! changed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures::{Stream, stream};
use rmcp::ErrorData;
use rmcp::model::{
    JsonRpcMessage, ResourceListChangedNotification, ResourceUpdatedNotification,
    ResourceUpdatedNotificationParam, ServerJsonRpcMessage, ServerNotification, SubscriptionFilter,
};
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::sessions::McpSession;
use super::watched_resources::{WATCHED_MAX, WatchedResources, too_many_subscriptions};
use crate::bounded_map::KeyedSemaphores;
use crate::caller::Caller;
use crate::tool::change::ResourceChange;
use crate::tool::registry::Registry;

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
                    let watched = &session.watched;
                    ready.extend(feed.notifications_of(
                        &news,
                        watched.watches_list(),
                        &watched.lock_uris(),
                    ));
                }
            }
        })
    }

    /// Notifies the client of a stdio connection until it disconnects.
    pub(super) async fn notify_peer(
        &self,
        peer: Peer<RoleServer>,
        watched: &WatchedResources,
        caller: Caller,
    ) {
        let mut feed = self.feed_for(caller);
        while let Some(news) = feed.next_news().await {
            let notifications =
                feed.notifications_of(&news, watched.watches_list(), &watched.lock_uris());
            for notification in notifications {
                if peer.send_notification(notification).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The accepted part of a `subscriptions/listen`. None: no resource ever changes here.
    pub(super) fn accepted_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let catalogue = self.registry.catalogue();
        if catalogue.resources.is_empty() {
            return None;
        }
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            // The list comes from the client. Unknown and repeated URIs must not use up the limit.
            uris.retain(|uri| catalogue.find_resource(uri).is_some());
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
        let list = accepted.resources_list_changed == Some(true);
        let uris = accepted.resource_subscriptions.iter().flatten().cloned();
        let uris: BTreeSet<String> = uris.collect();
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
            for notification in feed.notifications_of(&news, list, &uris) {
                if context.sink().send(notification).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn feed_for(&self, caller: Caller) -> ChangeFeed {
        ChangeFeed {
            changes: self.registry.subscribe_to_changes(),
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
}

/// The changes that concern one caller.
struct ChangeFeed {
    changes: broadcast::Receiver<ResourceChange>,
    registry: Arc<Registry>,
    caller: Caller,
}

impl ChangeFeed {
    async fn next_news(&mut self) -> Option<ChangeNews> {
        loop {
            match self.changes.recv().await {
                Ok(change) if change.concerns_tenant_of(&self.caller) => {
                    return Some(ChangeNews::Changed(change));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(ChangeNews::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The notifications about a change for a client that watches `uris`, and the list if `list`.
    fn notifications_of(
        &self,
        news: &ChangeNews,
        list: bool,
        uris: &BTreeSet<String>,
    ) -> Vec<ServerNotification> {
        let list = list && self.changes_list(news);
        let list = list.then(|| {
            ServerNotification::ResourceListChangedNotification(
                ResourceListChangedNotification::default(),
            )
        });
        let updated = uris
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
        let ChangeNews::Changed(change) = news else {
            return true;
        };
        let mut listed = self
            .registry
            .offered_resources(&self.caller)
            .filter_map(|resource| {
                let values = self
                    .registry
                    .catalogue()
                    .values_of(resource.uri_variable()?)?;
                Some(values.changed_by)
            });
        listed.any(|changed_by| changed_by.contains(&change.tool))
    }

    fn touches_uri(&self, news: &ChangeNews, uri: &str) -> bool {
        let Some(found) = self.registry.catalogue().find_resource(uri) else {
            return false;
        };
        let changed = match news {
            ChangeNews::Missed => true,
            ChangeNews::Changed(change) => {
                let same = found.value.is_none_or(|value| change.is_about(value));
                same && found.resource.changed_by.contains(&change.tool)
            }
        };
        changed && self.registry.offers_tool(&self.caller, found.resource.tool)
    }
}
