//! What Kasm would keep in its database. One value behind one mutex; time comes
//! in as an argument and moves the sessions whenever somebody looks.

pub(crate) mod environment;
pub(crate) mod group;
pub(crate) mod image;
pub(crate) mod key;
pub(crate) mod recording;
pub(crate) mod seed;
pub(crate) mod session;
pub(crate) mod session_json;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod visitor;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::answer::Refusal;
use crate::container::Containers;
use crate::date;
use crate::desktop::Desktops;
use crate::fault::FaultPlan;
use crate::id::Id;
use crate::profile::Profile;
use crate::random::Random;
use crate::record::{CommandRecord, RequestLog};
use crate::wording::{Topic, Wording};

use group::Group;
use image::Image;
use key::Keys;
use recording::Recording;
use session::{Phase, Session};
use token::Tokens;
use user::User;

/// The command log keeps this many commands.
const COMMANDS_MAX: usize = 5_000;

/// Everything the server remembers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) profile: Profile,
    pub(crate) random: Random,
    pub(crate) wording: Wording,
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) keys: Keys,
    pub(crate) users: Vec<User>,
    pub(crate) groups: Vec<Group>,
    pub(crate) images: Vec<Image>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) tokens: Tokens,
    pub(crate) recordings: BTreeMap<Id, Vec<Recording>>,
    pub(crate) commands: VecDeque<CommandRecord>,
    pub(crate) faults: FaultPlan,
    pub(crate) requests: RequestLog,
    pub(crate) containers: Containers,
    pub(crate) desktops: Desktops,
    pub(crate) plane_requests: BTreeMap<Id, usize>,
}

impl State {
    /// A server with nothing in it.
    pub(crate) fn new(profile: Profile, mut random: Random, unconfined: bool) -> Self {
        let wording = Wording::new(random.next());
        let containers = Containers::new(&random.hex(1), unconfined);
        Self {
            profile,
            random,
            wording,
            url: String::new(),
            port: 0,
            keys: Keys::default(),
            users: Vec::new(),
            groups: Vec::new(),
            images: Vec::new(),
            sessions: Vec::new(),
            tokens: Tokens::default(),
            recordings: BTreeMap::new(),
            commands: VecDeque::new(),
            faults: FaultPlan::default(),
            requests: RequestLog::default(),
            containers,
            desktops: Desktops::new(),
            plane_requests: BTreeMap::new(),
        }
    }

    /// Moves every session to where it is at this time, and its processes with
    /// it.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        let transition = self.profile.transition_time;
        for session in &mut self.sessions {
            session.watched(now, &self.profile);
            session.settle(now, transition);
        }
        self.sessions.retain(|s| s.phase != Phase::Gone);
        let sessions = &self.sessions;
        let phase = |id| sessions.iter().find(|s| s.id == id).map(|s| s.phase);
        self.containers.follow(phase);
        let containers = &self.containers;
        self.desktops
            .follow(|id| phase(id).filter(|_| !containers.is_dead(id)));
    }

    /// A business failure in the words of this run.
    pub(crate) fn failure(&self, topic: Topic) -> Refusal {
        Refusal::Business(self.wording.say(topic))
    }

    pub(crate) fn user(&self, id: Id) -> Option<&User> {
        self.users.iter().find(|u| u.id == id)
    }

    pub(crate) fn user_mut(&mut self, id: Id) -> Option<&mut User> {
        self.users.iter_mut().find(|u| u.id == id)
    }

    pub(crate) fn username(&self, id: Id) -> &str {
        self.user(id).map_or("", |u| u.username.as_str())
    }

    pub(crate) fn image(&self, id: Id) -> Option<&Image> {
        self.images.iter().find(|i| i.id == id)
    }

    pub(crate) fn group_mut(&mut self, id: Id) -> Option<&mut Group> {
        self.groups.iter_mut().find(|g| g.id == id)
    }

    pub(crate) fn session(&self, id: Id) -> Option<&Session> {
        self.sessions.iter().find(|s| s.id == id)
    }

    pub(crate) fn session_mut(&mut self, id: Id) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|s| s.id == id)
    }

    /// Whether the session runs in a container, so that it can be paused and
    /// can run commands.
    pub(crate) fn is_container(&self, session: &Session) -> bool {
        self.image(session.image_id)
            .is_some_and(Image::is_container)
    }

    /// The session of this id, if it is there and has a container.
    pub(crate) fn container_id(&mut self, kasm_id: &str) -> Option<Id> {
        self.settle(Timestamp::now());
        let session = Id::parse(kasm_id).and_then(|id| self.session(id))?;
        self.is_container(session).then_some(session.id)
    }

    pub(crate) fn log_command(&mut self, record: CommandRecord) {
        if self.commands.len() == COMMANDS_MAX {
            self.commands.pop_front();
        }
        self.commands.push_back(record);
    }

    /// The server's clock as it prints it.
    pub(crate) fn current_time(&self, now: Timestamp) -> String {
        date::current(now, self.profile.time_style)
    }
}
