//! Containers: for each session a private directory and, once a command was
//! run, real processes. They follow the session wherever it goes.

mod agent;
mod confine;
mod disk;
mod process;
mod tools;
mod uploads;
mod words;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::id::Id;
use crate::profile::Profile;
use crate::state::session::{Phase, Rest};

use agent::Agent;
use confine::Plan;
use tools::Tools;
use uploads::Uploads;

pub(crate) use confine::works as confinement_works;
pub(crate) use disk::{Disk, HOME};
pub(crate) use uploads::Chunk;

/// Tries at removing a directory that a dying process may still write to.
const REMOVALS: usize = 20;

/// A command was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    /// It cannot be confined, and running it bare was not asked for.
    #[error(
        "This emulator runs commands inside bubblewrap only, which does not work here ({0}): \
         install bwrap, or start the emulator unconfined"
    )]
    NoConfinement(String),
    /// The container died.
    #[error("The container is dead")]
    Dead,
    /// Nothing can be made of the command line.
    #[error("The command line or its environment cannot be passed on")]
    Unusable,
    /// The private directory cannot be used.
    #[error("The container cannot be made: {0}")]
    Disk(String),
}

/// A command as it is to be run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) cmd: &'a str,
    pub(crate) workdir: Option<&'a str>,
    pub(crate) root: bool,
    /// All of it, the container's own included.
    pub(crate) environment: BTreeMap<String, String>,
}

/// One container.
#[derive(Debug)]
struct Container {
    disk: Disk,
    agent: Option<Agent>,
    frozen: bool,
    dead: bool,
    uploads: Uploads,
}

/// All containers.
#[derive(Debug)]
pub(crate) struct Containers {
    base: PathBuf,
    unconfined: bool,
    open: bool,
    by_session: BTreeMap<Id, Container>,
}

impl Containers {
    /// None yet; `name` is for their directory.
    pub(crate) fn new(name: &str, unconfined: bool) -> Self {
        Self {
            base: std::env::temp_dir().join(format!("kasm-emulator-{name}")),
            unconfined,
            open: true,
            by_session: BTreeMap::new(),
        }
    }

    /// The disk of a session, made when first asked for.
    pub(crate) fn disk(&mut self, id: Id, profile: &Profile) -> io::Result<&Disk> {
        let container = self.container(id)?;
        if profile.disk_bytes.is_some() && !container.dead {
            container.start(profile).map_err(io::Error::other)?;
        }
        Ok(&container.disk)
    }

    /// Starts a command.
    pub(crate) fn run(&mut self, id: Id, job: &Job<'_>, profile: &Profile) -> Result<(), RunError> {
        let container = self
            .container(id)
            .map_err(|e| RunError::Disk(e.to_string()))?;
        if container.dead {
            return Err(RunError::Dead);
        }
        let script = script(job, &container.plan(profile)).ok_or(RunError::Unusable)?;
        if profile.exec_fails {
            return Ok(());
        }
        container.start(profile)?.run(&script)
    }

    /// Lets a container follow its session, which is gone if it has no phase.
    pub(crate) fn follow(&mut self, phase: impl Fn(Id) -> Option<Phase>) {
        let mut gone = Vec::new();
        for (id, container) in &mut self.by_session {
            match phase(*id) {
                Some(Phase::Running) => container.freeze(false),
                Some(
                    Phase::Paused
                    | Phase::Leaving {
                        to: Rest::Paused, ..
                    },
                ) => {
                    container.freeze(true);
                }
                Some(
                    Phase::Stopped
                    | Phase::Leaving {
                        to: Rest::Stopped | Rest::Gone,
                        ..
                    },
                ) => container.stop(),
                Some(Phase::Starting { .. }) => {}
                Some(Phase::Gone) | None => gone.push(*id),
            }
        }
        for container in gone.iter().filter_map(|id| self.by_session.remove(id)) {
            container.remove();
        }
    }

    /// Ends all processes of a container, which does not come back before its
    /// session was stopped. False if it has died already.
    pub(crate) fn kill(&mut self, id: Id) -> bool {
        let Ok(container) = self.container(id) else {
            return false;
        };
        let lived = !container.dead;
        container.stop();
        container.dead = true;
        lived
    }

    /// Ends all processes of a container, which is there again at once.
    pub(crate) fn restart(&mut self, id: Id) -> bool {
        let living = self.container(id).ok().filter(|it| !it.dead);
        living.map(Container::stop).is_some()
    }

    /// Takes all the room on a disk, or gives it back. False if it has no end.
    pub(crate) fn fill(&mut self, id: Id, profile: &Profile, full: bool) -> bool {
        let Ok(disk) = self.disk(id, profile) else {
            return false;
        };
        if full {
            disk.fill().unwrap_or(false)
        } else {
            disk.is_limited() && disk.empty().is_ok()
        }
    }

    /// Whether a container was killed.
    pub(crate) fn is_dead(&self, id: Id) -> bool {
        self.by_session.get(&id).is_some_and(|c| c.dead)
    }

    /// Takes a part of a file that comes in.
    pub(crate) fn receive(&mut self, id: Id, chunk: &Chunk<'_>) -> io::Result<()> {
        let container = self.container(id)?;
        container.uploads.receive(&container.disk, chunk)
    }

    /// Ends everything for good.
    pub(crate) fn close(&mut self) {
        self.open = false;
        for container in std::mem::take(&mut self.by_session).into_values() {
            container.remove();
        }
        // It is not there unless some session had a disk.
        let _ = fs::remove_dir_all(&self.base);
    }

    fn container(&mut self, id: Id) -> io::Result<&mut Container> {
        if !self.open {
            return Err(io::Error::other("the emulator is going down"));
        }
        let root = self.base.join(id.to_string());
        let confined = !self.unconfined;
        match self.by_session.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                fs::create_dir_all(&self.base)?;
                fs::set_permissions(&self.base, Permissions::from_mode(0o711))?;
                Ok(entry.insert(Container {
                    disk: Disk::make(root, confined)?,
                    agent: None,
                    frozen: false,
                    dead: false,
                    uploads: Uploads::default(),
                }))
            }
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Container {
    fn plan(&self, profile: &Profile) -> Plan<'_> {
        Plan {
            disk: &self.disk,
            tools: Tools {
                curl: profile.curl,
                wget: profile.wget,
                owners: self.disk.two_users,
            },
            egress: profile.egress,
            room: profile.disk_bytes,
        }
    }

    /// Starts the shell, unless it runs.
    fn start(&mut self, profile: &Profile) -> Result<&mut Agent, RunError> {
        if self.agent.is_none() {
            let lost = || RunError::Disk("a disk with little room takes bubblewrap".to_owned());
            if profile.disk_bytes.is_some() && !self.disk.confined {
                return Err(lost());
            }
            let agent = Agent::start(&self.plan(profile))?;
            if profile.disk_bytes.is_some() {
                self.disk.home_root = agent.root().ok_or_else(lost)?;
            }
            self.agent = Some(agent);
        }
        self.agent.as_mut().ok_or(RunError::Dead)
    }

    fn freeze(&mut self, frozen: bool) {
        if self.frozen == frozen {
            return;
        }
        self.frozen = frozen;
        match &self.agent {
            Some(agent) if frozen => agent.freeze(),
            Some(agent) => agent.thaw(),
            None => {}
        }
    }

    /// The processes end, the disk stays.
    fn stop(&mut self) {
        self.agent = None;
        self.disk.home_root.clone_from(&self.disk.root);
        self.frozen = false;
        self.dead = false;
    }

    fn remove(mut self) {
        self.stop();
        for _ in 0..REMOVALS {
            if fs::remove_dir_all(&self.disk.root).is_ok() || !self.disk.root.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What the shell of the container is given to run.
fn script(job: &Job<'_>, plan: &Plan<'_>) -> Option<String> {
    let words = words::split(job.cmd)?;
    let disk = plan.disk;
    let dir = disk.inside(job.workdir.unwrap_or(HOME));
    let dir = dir.to_str()?;
    let mut environment = job.environment.clone();
    let path = || plan.path();
    environment.entry("PATH".to_owned()).or_insert_with(path);
    if !disk.confined {
        let home = disk.home_inside().to_str()?.to_owned();
        environment.insert("HOME".to_owned(), home);
    }
    let sound = |(name, value): (&String, &String)| {
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
    };
    if !environment.iter().all(sound) || words.iter().any(|w| w.contains('\0')) {
        return None;
    }
    // The first word is a program and nothing else; `env` would set a variable.
    if words.first()?.contains('=') {
        return Some("rm -f -- \"$1\"\n".to_owned());
    }
    let mut script = format!(
        "rm -f -- \"$1\"\ncd -- {} || exit 126\nexec",
        words::quote(dir)
    );
    if disk.two_users && !job.root {
        script.push_str(" setpriv --reuid=1000 --regid=1000 --clear-groups");
    }
    script.push_str(" env -i --");
    let pairs = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    for word in pairs.chain(words) {
        script.push(' ');
        script.push_str(&words::quote(&word));
    }
    script.push('\n');
    Some(script)
}
