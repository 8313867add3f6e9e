//! What is to be run, and how it is handed to Kasm: a constant command line, everything else in the
//! environment.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::id::JobId;
use crate::kasm::model::ExecRequest;
use crate::policy::{CommandRequest, Permit};

/// The only command line that Kasm is ever given. Right whether Kasm splits words or asks a shell.
const CMD: &str = r#"bash -c 'eval "$(printf %s "$KMCP_BOOT" | base64 -d)"'"#;
/// The wrapper, which ends what a command started when its time is over.
const RUN: &str = concat!(
    include_str!("scripts/members.sh"),
    include_str!("scripts/run.sh")
);
pub(super) const MEMBERS: &str = include_str!("scripts/members.sh");
const PART: &str = include_str!("scripts/part.sh");
const SWEEP: &str = include_str!("scripts/sweep.sh");

/// The home folder of the session's user in stock images.
pub(crate) const HOME: &str = "/home/kasm-user";
/// Raw bytes that fit one dispatch beside the wrapper: Linux caps one variable at 128 KiB, and the
/// largest body that Kasm's proxy takes is unknown, so a request stays near 128 KiB.
pub const INPUT_BYTES_MAX: usize = 90 * 1024;

/// A script to run as a job. A script of a caller needs the permit of the policy, so there is no other way
/// for one to get here; all others are constants of this program.
#[derive(Clone, Debug)]
pub struct JobSpec {
    script: String,
    args: Vec<String>,
    stdin: Vec<u8>,
    environment: Vec<(String, String)>,
    folder: Option<WorkingFolder>,
    pub(super) time_limit: Duration,
    pub(super) keep_bytes: u64,
    pub(super) as_root: bool,
}

/// A folder to run in. It is checked where it is: links may lead anywhere.
#[derive(Clone, Debug)]
pub struct WorkingFolder {
    /// The folder.
    pub path: String,
    /// Folders that it must lie in.
    pub roots: Vec<String>,
    /// Folders that it must not lie in.
    pub barred: Vec<String>,
}

impl JobSpec {
    /// A caller's command, as the policy permitted it. It runs in the home folder unless
    /// [`Self::in_folder`] names another.
    #[must_use]
    pub fn of_permitted_command(command: Permit<CommandRequest>) -> Self {
        let CommandRequest {
            script,
            environment,
            ..
        } = command.into_inner();
        Self {
            environment: environment.into_iter().collect(),
            ..Self::with_script(script, Vec::new())
        }
    }

    /// A constant script of this program, in parts that are joined by line feeds. `args` are its positional
    /// parameters, without NUL.
    #[must_use]
    pub fn of_internal_script(parts: &[&'static str], args: Vec<String>) -> Self {
        Self::with_script(parts.join("\n"), args)
    }

    fn with_script(script: String, args: Vec<String>) -> Self {
        Self {
            script,
            args,
            stdin: Vec::new(),
            environment: Vec::new(),
            folder: None,
            time_limit: Duration::from_secs(60),
            keep_bytes: 64 * 1024,
            as_root: false,
        }
    }

    /// Gives it standard input, at most [`INPUT_BYTES_MAX`].
    #[must_use]
    pub fn with_stdin(mut self, stdin: Vec<u8>) -> Self {
        self.stdin = stdin;
        self
    }

    /// Starts it in a folder.
    #[must_use]
    pub fn in_folder(mut self, folder: Option<WorkingFolder>) -> Self {
        self.folder = folder;
        self
    }

    /// Ends it after `time_limit` and keeps at most `keep_bytes` of each output stream.
    #[must_use]
    pub fn with_limits(mut self, time_limit: Duration, keep_bytes: u64) -> Self {
        self.time_limit = time_limit;
        self.keep_bytes = keep_bytes;
        self
    }

    /// Runs it as root.
    #[must_use]
    pub fn as_root(mut self, as_root: bool) -> Self {
        self.as_root = as_root;
        self
    }

    /// The dispatch that starts it as `id`. `sweep` names folders to remove, `relay` where to post.
    pub(super) fn dispatch_job(
        &self,
        id: JobId,
        sweep: &[JobId],
        relay: Option<&str>,
    ) -> ExecRequest {
        let mut environment = Map::new();
        let mut set = |name: &str, value: String| {
            environment.insert(format!("KMCP_{name}"), Value::String(value));
        };
        set("BOOT", to_base64(RUN.as_bytes()));
        set("ID", id.to_string());
        set("CMD", to_base64(self.script.as_bytes()));
        // The pieces lie in the home of the session's user, and `$HOME` of a script that runs as root is
        // another one.
        set("HOME", HOME.to_owned());
        set("SECONDS", self.time_limit.as_secs().max(1).to_string());
        set("KEEP", self.keep_bytes.to_string());
        if !self.args.is_empty() {
            set("ARGS", nul_list(&self.args));
        }
        if !self.stdin.is_empty() {
            set("STDIN", to_base64(&self.stdin));
        }
        if !self.environment.is_empty() {
            let entries = self.environment.iter();
            let entries: Vec<_> = entries
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            set("ENV", nul_list(&entries));
        }
        if let Some(folder) = &self.folder {
            set("CWD", to_base64(folder.path.as_bytes()));
            set("ROOTS", nul_list(&folder.roots));
            set("BARRED", nul_list(&folder.barred));
        }
        if !sweep.is_empty() {
            set("SWEEP", joined_ids(sweep));
        }
        if let Some(relay) = relay {
            set("RELAY", relay.to_owned());
        }
        // X programs look for the display here.
        environment.insert("DISPLAY".to_owned(), ":1".into());
        constant_exec(environment, self.as_root)
    }
}

/// The dispatch that puts a part of something large into the folder of `id`.
pub(super) fn dispatch_part(id: JobId, index: usize, bytes: &[u8]) -> ExecRequest {
    let values = [
        ("KMCP_BOOT", to_base64(PART.as_bytes())),
        ("KMCP_ID", id.to_string()),
        ("KMCP_HOME", HOME.to_owned()),
        ("KMCP_PART", index.to_string()),
        ("KMCP_STDIN", to_base64(bytes)),
    ];
    constant_exec(string_map(values), false)
}

/// The dispatch that removes the folders of `ids`.
pub(super) fn dispatch_sweep(ids: &[JobId], as_root: bool) -> ExecRequest {
    let values = [
        ("KMCP_BOOT", to_base64(SWEEP.as_bytes())),
        ("KMCP_HOME", HOME.to_owned()),
        ("KMCP_SWEEP", joined_ids(ids)),
    ];
    constant_exec(string_map(values), as_root)
}

fn string_map<const N: usize>(values: [(&str, String); N]) -> Map<String, Value> {
    let pairs = values.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

fn constant_exec(environment: Map<String, Value>, as_root: bool) -> ExecRequest {
    ExecRequest {
        cmd: CMD.to_owned(),
        environment,
        as_root,
    }
}

fn joined_ids(ids: &[JobId]) -> String {
    let ids: Vec<_> = ids.iter().map(JobId::to_string).collect();
    ids.join(" ")
}

/// Each entry ended by NUL.
fn nul_list(entries: &[String]) -> String {
    // Linux allows NUL in no path, argument or variable, so it separates entries without escapes.
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(entry.as_bytes());
        bytes.push(0);
    }
    to_base64(&bytes)
}

fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}
