//! The processes of one container: a shell that starts whatever it is told to,
//! and everything it started.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use super::RunError;
use super::confine::{self, Plan};
use super::process::{family, signal};

/// Starts scripts by their number, each in a session of its own. It ends with
/// its input, which is the emulator.
const SHELL: &str = r#"
[ ! -d /run/home ] || cp -a /run/home/. /home/
echo ready
exec >/dev/null 2>&1
while read -r n; do
    setsid -f sh "$1/$n" "$1/$n" </dev/null || (sh "$1/$n" "$1/$n" </dev/null &)
done
"#;

/// How often processes are looked for that appear while others are killed.
const ROUNDS: usize = 50;

/// The processes of a container.
#[derive(Debug)]
pub(super) struct Agent {
    pid: u32,
    /// What is in the environment of every process, unless they have a
    /// namespace of their own.
    mark: Option<Vec<u8>>,
    scripts: PathBuf,
    count: usize,
    input: Option<ChildStdin>,
    keeper: Option<JoinHandle<()>>,
}

impl Agent {
    /// Starts the shell and waits until it listens.
    pub(super) fn start(plan: &Plan<'_>) -> Result<Self, RunError> {
        let mut command = confine::command(plan)?;
        command
            .args(["sh", "-c", SHELL, "sh"])
            .arg(plan.scripts_inside())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (send, started) = mpsc::channel();
        let keeper = thread::spawn(move || keep(command, &send));
        let mut child = match started.recv() {
            Ok(Ok(child)) => child,
            Ok(Err(error)) => return Err(confine::refused(plan, &error.to_string())),
            Err(_) => return Err(RunError::Dead),
        };
        let mut said = String::new();
        let listens = child.output.read_line(&mut said).is_ok_and(|n| n > 0);
        if !listens {
            let mut complaint = String::new();
            let _ = child.errors.read_to_string(&mut complaint);
            let _ = keeper.join();
            return Err(confine::refused(plan, complaint.trim()));
        }
        let disk = plan.disk;
        let mark = (!disk.confined).then(|| disk.root.as_os_str().as_encoded_bytes().to_vec());
        Ok(Self {
            pid: child.pid,
            mark,
            scripts: disk.root.join("run/exec"),
            count: 0,
            input: Some(child.input),
            keeper: Some(keeper),
        })
    }

    /// Starts a script.
    pub(super) fn run(&mut self, script: &str) -> Result<(), RunError> {
        self.count += 1;
        let name = self.count.to_string();
        write(&self.scripts.join(&name), script)?;
        let input = self.input.as_mut().ok_or(RunError::Dead)?;
        writeln!(input, "{name}").map_err(|_| RunError::Dead)
    }

    /// The root directory as the processes see it.
    pub(super) fn root(&self) -> Option<PathBuf> {
        // The first is outside, and waits for the others.
        let inside = *family(self.pid, None).get(1)?;
        Some(PathBuf::from(format!("/proc/{inside}/root")))
    }

    pub(super) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    pub(super) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn signal_all(&self, what: Signal) {
        for pid in family(self.pid, self.mark.as_deref()) {
            signal(pid, what);
        }
    }

    fn kill(&mut self) {
        self.input = None;
        if self.mark.is_some() {
            for _ in 0..ROUNDS {
                let others = family(self.pid, self.mark.as_deref());
                let others: Vec<u32> = others.into_iter().filter(|p| *p != self.pid).collect();
                if others.is_empty() {
                    break;
                }
                for pid in others {
                    signal(pid, Signal::KILL);
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        let Some(keeper) = self.keeper.take() else {
            return;
        };
        // While the keeper waits, the number is still this process's.
        if !keeper.is_finished() {
            signal(self.pid, Signal::KILL);
        }
        let _ = keeper.join();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shell that was started.
struct Started {
    pid: u32,
    input: ChildStdin,
    output: Box<dyn BufRead + Send>,
    errors: Box<dyn Read + Send>,
}

/// Starts the process and stays until it ends: a process that is to die with
/// its parent dies with the thread that started it.
fn keep(mut command: Command, send: &mpsc::Sender<std::io::Result<Started>>) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = send.send(Err(error));
            return;
        }
    };
    if let Some(started) = pipes(&mut child) {
        let _ = send.send(Ok(started));
    }
    let _ = child.wait();
}

fn pipes(child: &mut Child) -> Option<Started> {
    Some(Started {
        pid: child.id(),
        input: child.stdin.take()?,
        output: Box::new(BufReader::new(child.stdout.take()?)),
        errors: Box::new(child.stderr.take()?),
    })
}

fn write(path: &Path, script: &str) -> Result<(), RunError> {
    // Never through a link that a command put there.
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(script.as_bytes()))
        .map_err(|e| RunError::Disk(e.to_string()))
}
