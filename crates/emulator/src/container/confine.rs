//! How the shell of a container is started: inside bubblewrap, or bare.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::RunError;
use super::disk::Disk;
use super::tools::{PROGRAMS, Tools};

/// Where programs are looked for inside.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What makes up the system, beside `/usr`. Usually links into it.
const SYSTEM: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix"];

/// What is taken over from the host's settings.
const SETTINGS: [&str; 9] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/ssl",
];

/// What `root` of a container may do.
const RIGHTS: [&str; 6] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
];

/// What a container is to be like.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) disk: &'a Disk,
    pub(super) tools: Tools,
    pub(super) egress: bool,
    /// Room in the home, in bytes.
    pub(super) room: Option<u64>,
}

impl Plan<'_> {
    /// Where the shell finds its scripts.
    pub(super) fn scripts_inside(&self) -> PathBuf {
        if self.disk.confined {
            PathBuf::from("/run/exec")
        } else {
            self.disk.root.join("run/exec")
        }
    }

    fn programs(&self) -> PathBuf {
        self.disk.root.join("run/programs")
    }

    /// The search path of the commands.
    pub(super) fn path(&self) -> String {
        if self.disk.confined || self.tools.are_all() {
            PATH.to_owned()
        } else {
            self.programs().display().to_string()
        }
    }
}

/// Whether bubblewrap is there and may do what it is for.
pub(crate) fn works() -> bool {
    let mut command = Command::new("bwrap");
    command
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"])
        .args([
            "--unshare-pid",
            "--unshare-net",
            "--die-with-parent",
            "true",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The program and everything before the name of what it runs.
pub(super) fn command(plan: &Plan<'_>) -> Result<Command, RunError> {
    if !plan.tools.are_all() {
        let linked = plan.tools.link(&plan.programs(), plan.disk.confined);
        linked.map_err(|e| RunError::Disk(e.to_string()))?;
    }
    let environment = BTreeMap::from([
        ("PATH", plan.path()),
        ("HOME", plan.disk.home_inside().display().to_string()),
    ]);
    let mut command = if plan.disk.confined {
        bubblewrap(plan)
    } else {
        let mut command = Command::new("/usr/bin/env");
        command.current_dir(plan.disk.home());
        command
    };
    command.env_clear().envs(environment);
    Ok(command)
}

/// Why it did not start, for whoever set the emulator up.
pub(super) fn refused(plan: &Plan<'_>, reason: &str) -> RunError {
    if plan.disk.confined {
        RunError::NoConfinement(reason.to_owned())
    } else {
        RunError::Disk(reason.to_owned())
    }
}

fn bubblewrap(plan: &Plan<'_>) -> Command {
    let disk = plan.disk;
    let host_path = find("bwrap").unwrap_or_else(|| PathBuf::from("bwrap"));
    let mut command = Command::new(host_path);
    command.args(["--unshare-pid", "--unshare-ipc", "--unshare-uts"]);
    command.args(["--hostname", "kasm", "--die-with-parent", "--new-session"]);
    if !plan.egress {
        command.arg("--unshare-net");
    }
    if disk.two_users {
        command.args(["--cap-drop", "ALL"]);
        command.args(RIGHTS.iter().flat_map(|right| ["--cap-add", right]));
    } else {
        command.args(["--unshare-user", "--uid", "1000", "--gid", "1000"]);
    }
    command.args(["--ro-bind", "/usr", "/usr"]);
    for path in SYSTEM {
        match fs::read_link(path) {
            Ok(target) => command.arg("--symlink").arg(target).arg(path),
            Err(_) => command.args(["--ro-bind-try", path, path]),
        };
    }
    command.args(["--perms", "0755", "--dir", "/run"]);
    for name in ["home", "tmp", "etc", "run/exec"] {
        let inside = Path::new("/").join(name);
        match plan.room.filter(|_| name == "home") {
            None => command.arg("--bind").arg(disk.root.join(name)).arg(inside),
            Some(room) => {
                command.arg("--size").arg(room.to_string());
                command.args(["--perms", "0755", "--tmpfs", "/home"]);
                // What the shell fills it from.
                let made = disk.root.join(name);
                command.arg("--ro-bind").arg(made).arg("/run/home")
            }
        };
    }
    for path in SETTINGS {
        command.args(["--ro-bind-try", path, path]);
    }
    if !plan.tools.are_all() {
        command.args(["--ro-bind", "/usr/bin", PROGRAMS]);
        command
            .arg("--ro-bind")
            .arg(plan.programs())
            .arg("/usr/bin");
        command.args(["--tmpfs", "/usr/local/bin"]);
    }
    command.args(["--proc", "/proc", "--dev", "/dev"]);
    command.args(["--remount-ro", "/etc", "--remount-ro", "/"]);
    // The home is not there before the shell has filled it.
    let dir = plan.room.map_or(super::disk::HOME, |_| "/home");
    command.args(["--chdir", dir]);
    command
}

/// A program of the host, looked up here since the search path of what is
/// started is not the emulator's own.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| is_file(file).unwrap_or(false))
}

fn is_file(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_file())
}
