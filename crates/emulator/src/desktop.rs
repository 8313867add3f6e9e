//! The desktops of the sessions: for each one a scene that is drawn, and those
//! who watch it over RFB. A desktop lives as long as its session runs or rests
//! in memory.

mod connection;
mod encode;
mod frame;
mod handshake;
mod hostile;
pub(crate) mod keyboard;
mod message;
mod pixel;
pub(crate) mod scene;
mod socket;
mod upgrade;
mod viewer;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::id::Id;
use crate::state::session::{Phase, Rest};

pub(crate) use frame::Frame;
use scene::Scene;

pub(crate) use upgrade::{is_upgrade, upgrade};

/// What a connection is told.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Somebody came, perhaps the one who is told.
    Joined(String),
    Left(String),
    /// The screen has another size; whether that was this connection's wish.
    Resized {
        mine: bool,
    },
    /// Text was copied on the desktop, the how-many-th.
    Copied {
        number: u32,
        text: String,
    },
    /// Somebody asked the API for frame statistics.
    StatsAsked,
    /// This connection is over.
    Bye,
}

/// All desktops.
#[derive(Debug)]
pub(crate) struct Desktops {
    open: bool,
    by_session: BTreeMap<Id, Arc<Desktop>>,
}

impl Desktops {
    pub(crate) fn new() -> Self {
        Self {
            open: true,
            by_session: BTreeMap::new(),
        }
    }

    /// The desktop of a running session, made when first asked for.
    pub(crate) fn of(&mut self, id: Id, size: (u16, u16)) -> Option<Arc<Desktop>> {
        let made = || Arc::new(Desktop::new(size));
        let desktop = self
            .open
            .then(|| self.by_session.entry(id).or_insert_with(made));
        desktop.cloned()
    }

    /// The desktop of a session if anybody has been there.
    pub(crate) fn known(&self, id: Id) -> Option<Arc<Desktop>> {
        self.by_session.get(&id).cloned()
    }

    /// The desktop of a session ends with its processes.
    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(desktop) = self.by_session.remove(&id) {
            desktop.hang_up();
        }
    }

    /// Lets desktops follow their sessions, which are gone without a phase.
    pub(crate) fn follow(&mut self, phase: impl Fn(Id) -> Option<Phase>) {
        self.by_session.retain(|id, desktop| match phase(*id) {
            Some(Phase::Running) => true,
            // What is in memory stays, and nobody sees it.
            Some(
                Phase::Paused
                | Phase::Starting { .. }
                | Phase::Leaving {
                    to: Rest::Paused, ..
                },
            ) => {
                desktop.hang_up();
                true
            }
            Some(Phase::Leaving { .. } | Phase::Stopped | Phase::Gone) | None => {
                desktop.hang_up();
                false
            }
        });
    }

    /// Ends everything for good.
    pub(crate) fn close(&mut self) {
        self.open = false;
        for desktop in std::mem::take(&mut self.by_session).into_values() {
            desktop.hang_up();
        }
    }
}

/// One desktop.
#[derive(Debug)]
pub(crate) struct Desktop {
    inner: Mutex<Inner>,
    /// Counts up whenever the picture may have changed.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    scene: Scene,
    connections: BTreeMap<u64, Connection>,
    connected: u64,
    copied: u32,
    /// The picture of a scene that has not changed since.
    drawn: Option<Arc<Frame>>,
    /// The picture that is kept for the API.
    kept: Option<Arc<Frame>>,
}

/// Somebody connected.
#[derive(Debug)]
struct Connection {
    events: mpsc::UnboundedSender<Event>,
    task: Option<AbortHandle>,
    /// The name, once the handshake is over.
    name: Option<String>,
}

impl Desktop {
    fn new((width, height): (u16, u16)) -> Self {
        Self {
            inner: Mutex::new(Inner {
                scene: Scene::new(width, height),
                connections: BTreeMap::new(),
                connected: 0,
                copied: 0,
                drawn: None,
                kept: None,
            }),
            changes: watch::Sender::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Looks at the scene.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Scene) -> T) -> T {
        look(&self.lock().scene)
    }

    /// Changes the scene, and wakes all who watch if it says that it did.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Scene) -> bool) {
        let mut inner = self.lock();
        let changed = change(&mut inner.scene);
        if let Some(text) = inner.scene.take_copied() {
            inner.copied += 1;
            let number = inner.copied;
            inner.tell_all(&Event::Copied { number, text });
        }
        if changed {
            inner.drawn = None;
            drop(inner);
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Gives the screen another size, by the wish of a connection or not.
    pub(crate) fn resize(&self, (width, height): (u16, u16), by: Option<u64>) {
        self.change(|scene| {
            scene.resize(width, height);
            true
        });
        for (id, connection) in &self.lock().connections {
            let mine = by == Some(*id);
            let _ = connection.events.send(Event::Resized { mine });
        }
    }

    /// The picture as it is.
    fn frame(&self) -> Arc<Frame> {
        let mut inner = self.lock();
        let Inner { scene, drawn, .. } = &mut *inner;
        drawn.get_or_insert_with(|| Arc::new(scene.draw())).clone()
    }

    /// This is what a viewer was shown last.
    fn keep(&self, frame: Arc<Frame>) {
        self.lock().kept = Some(frame);
    }

    /// The picture for the API: a fresh one, or what was last taken.
    pub(crate) fn picture(&self, fresh: bool) -> Arc<Frame> {
        let kept = self.lock().kept.clone();
        let picture = kept.filter(|_| !fresh).unwrap_or_else(|| self.frame());
        self.keep(picture.clone());
        picture
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes in a connection that has still to introduce itself.
    fn connect(&self) -> (u64, mpsc::UnboundedReceiver<Event>) {
        let (events, told) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        inner.connected += 1;
        let id = inner.connected;
        let connection = Connection {
            events,
            task: None,
            name: None,
        };
        inner.connections.insert(id, connection);
        (id, told)
    }

    /// The task that serves a connection, to end it with the desktop.
    fn served_by(&self, id: u64, task: AbortHandle) {
        if let Some(connection) = self.lock().connections.get_mut(&id) {
            connection.task = Some(task);
        }
    }

    /// The connection watches from now on. If it does not share, all others
    /// go.
    fn enter(&self, id: u64, name: &str, shares: bool) {
        let mut inner = self.lock();
        if let Some(connection) = inner.connections.get_mut(&id) {
            connection.name = Some(name.to_owned());
        }
        inner.tell_all(&Event::Joined(name.to_owned()));
        if !shares {
            let others = inner.connections.iter().filter(|(other, _)| **other != id);
            for (_, other) in others {
                let _ = other.events.send(Event::Left(name.to_owned()));
                let _ = other.events.send(Event::Bye);
            }
        }
    }

    /// The connection is over.
    fn leave(&self, id: u64) {
        let mut inner = self.lock();
        if let Some(name) = inner.connections.remove(&id).and_then(|c| c.name) {
            inner.tell_all(&Event::Left(name));
        }
        drop(inner);
        self.change(|scene| scene.left_by(id));
    }

    /// Tells all who watch.
    pub(super) fn tell_all(&self, event: &Event) {
        self.lock().tell_all(event);
    }

    /// Somebody asked the API for frame statistics.
    pub(crate) fn ask_for_stats(&self) {
        self.tell_all(&Event::StatsAsked);
    }

    /// How many watch, and how many ever connected.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let inner = self.lock();
        let watching = inner.connections.values().filter(|c| c.name.is_some());
        (watching.count(), inner.connected)
    }

    /// Cuts all connections.
    pub(crate) fn hang_up(&self) {
        for connection in self.lock().connections.values() {
            if let Some(task) = &connection.task {
                task.abort();
            }
        }
    }
}

impl Inner {
    fn tell_all(&self, event: &Event) {
        for connection in self.connections.values().filter(|c| c.name.is_some()) {
            // Who has gone meanwhile does not mind.
            let _ = connection.events.send(event.clone());
        }
    }
}
