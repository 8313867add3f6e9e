//! What is told to clients unasked: changed resources, and a changed list of them.
//!
//! Told is what calls through this server change, to everybody with the same Kasm user. Revisions with a
//! handshake hear it on the stream of their session, 2026-07-28 on a `subscriptions/listen`. A listener
//! that is too far behind is told that everything it watches may have changed.

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

use super::sessions::Session;
use super::watched::{WATCHED_MAX, Watched, too_many};
use crate::bounded_map::KeyedSemaphores;
use crate::caller::Caller;
use crate::tool::change::Change;
use crate::tool::registry::Registry;

/// How many listening requests of one caller may be open.
const LISTENERS_MAX: usize = 100;
/// Callers that listen at a time and have a limit of their own. More of them share one.
const CALLERS_MAX: usize = 10_000;

/// Everything that is told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    registry: Arc<Registry>,
    ended: CancellationToken,
    /// By caller: how many more may listen.
    listeners: Arc<KeyedSemaphores<Arc<str>>>,
}

impl Notices {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            ended: CancellationToken::new(),
            listeners: Arc::new(KeyedSemaphores::new(CALLERS_MAX, LISTENERS_MAX)),
        }
    }

    /// Ends all listening requests, for good.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// What the stream of a session tells. Of several streams of a session the newest one speaks.
    pub fn of_session(
        &self,
        session: Arc<Session>,
        caller: Caller,
    ) -> impl Stream<Item = ServerJsonRpcMessage> + Send + use<> {
        let turn = session.become_notification_stream();
        let state = (self.feed(caller), session, VecDeque::new());
        stream::unfold(state, move |(mut feed, session, mut ready)| async move {
            loop {
                if let Some(notification) = ready.pop_front() {
                    let message = JsonRpcMessage::notification(notification);
                    return Some((message, (feed, session, ready)));
                }
                let news = feed.next().await?;
                if session.is_notification_stream(turn) {
                    let watched = &session.watched;
                    ready.extend(feed.notifications(&news, watched.list(), &watched.lock()));
                }
            }
        })
    }

    /// Tells the client at the other end of a connection of its own (stdio), until it has gone.
    pub(super) async fn tell(&self, peer: Peer<RoleServer>, watched: &Watched, caller: Caller) {
        let mut feed = self.feed(caller);
        while let Some(news) = feed.next().await {
            let notifications = feed.notifications(&news, watched.list(), &watched.lock());
            for notification in notifications {
                if peer.send_notification(notification).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What of a `subscriptions/listen` can be had. None: nothing ever changes here.
    pub(super) fn accepted(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let catalogue = self.registry.catalogue();
        if catalogue.resources.is_empty() {
            return None;
        }
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| catalogue.find(uri).is_some());
            uris.sort();
            uris.dedup();
            uris.truncate(WATCHED_MAX);
        }
        Some(accepted)
    }

    /// Answers a `subscriptions/listen` until its client or the server ends it.
    pub(super) async fn listen(
        &self,
        context: &SubscriptionContext,
        caller: Caller,
    ) -> Result<(), ErrorData> {
        let _seat = self.seat(caller.owner())?;
        let accepted = context.accepted();
        let list = accepted.resources_list_changed == Some(true);
        let uris = accepted.resource_subscriptions.iter().flatten().cloned();
        let uris: BTreeSet<String> = uris.collect();
        let mut feed = self.feed(caller);
        loop {
            let news = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.ended.cancelled() => return Ok(()),
                news = feed.next() => news,
            };
            let Some(news) = news else {
                return Ok(());
            };
            for notification in feed.notifications(&news, list, &uris) {
                if context.sink().send(notification).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn feed(&self, caller: Caller) -> Feed {
        Feed {
            changes: self.registry.changes(),
            registry: self.registry.clone(),
            caller,
        }
    }

    /// The place of one listening request, until it is dropped.
    fn seat(&self, caller: &Arc<str>) -> Result<OwnedSemaphorePermit, ErrorData> {
        let seats = self.listeners.of_key(caller.clone());
        seats.try_acquire_owned().map_err(|_| {
            let message =
                format!("{LISTENERS_MAX} subscriptions/listen of this caller are open: end one");
            too_many(message)
        })
    }
}

/// What happened.
enum News {
    Changed(Change),
    /// More than a slow listener could be told.
    Missed,
}

/// The changes that concern one caller.
struct Feed {
    changes: broadcast::Receiver<Change>,
    registry: Arc<Registry>,
    caller: Caller,
}

impl Feed {
    async fn next(&mut self) -> Option<News> {
        loop {
            match self.changes.recv().await {
                Ok(change) if change.kasm_user == self.caller.kasm_user => {
                    return Some(News::Changed(change));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(News::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What to say of it to somebody who watches `uris`, and the list if `list`.
    fn notifications(
        &self,
        news: &News,
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
            .filter(|uri| self.touches(news, uri))
            .map(|uri| {
                let param = ResourceUpdatedNotificationParam::new(uri);
                ServerNotification::ResourceUpdatedNotification(ResourceUpdatedNotification::new(
                    param,
                ))
            });
        list.into_iter().chain(updated).collect()
    }

    fn changes_list(&self, news: &News) -> bool {
        let News::Changed(change) = news else {
            return true;
        };
        let mut listed = self
            .registry
            .resources(&self.caller)
            .filter_map(|resource| {
                let values = self.registry.catalogue().values(resource.variable()?)?;
                Some(values.changed_by)
            });
        listed.any(|changed_by| changed_by.contains(&change.tool))
    }

    fn touches(&self, news: &News, uri: &str) -> bool {
        let Some(found) = self.registry.catalogue().find(uri) else {
            return false;
        };
        let changed = match news {
            News::Missed => true,
            News::Changed(change) => {
                let same = found.value.is_none_or(|value| change.is_about(value));
                same && found.resource.changed_by.contains(&change.tool)
            }
        };
        changed && self.registry.offers(&self.caller, found.resource.tool)
    }
}
