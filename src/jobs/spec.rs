//! What is to be run, and how it is handed to Kasm: a constant command line, everything else in the
//! environment.

use std::time::Duration;

use serde_json::{Map, Value};

use super::id::JobId;
use crate::kasm::model::Exec;

/// The only command line that Kasm is ever given. Right whether Kasm splits words or asks a shell.
const CMD: &str = r#"bash -c 'eval "$(printf %s "$KMCP_BOOT" | base64 -d)"'"#;
const RUN: &str = include_str!("scripts/run.sh");
const PART: &str = include_str!("scripts/part.sh");
const SWEEP: &str = include_str!("scripts/sweep.sh");

/// The home folder of the session's user in stock images.
pub(crate) const HOME: &str = "/home/kasm-user";
/// Raw bytes that fit one dispatch beside the wrapper: Linux caps one variable at 128 KiB, and the
/// largest body that Kasm's proxy takes is unknown, so a request stays near 128 KiB.
pub const INPUT_BYTES_MAX: usize = 90 * 1024;

/// A command to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// A bash script.
    pub script: String,
    /// Its positional parameters. No NUL.
    pub args: Vec<String>,
    /// Its standard input, at most [`INPUT_BYTES_MAX`].
    pub stdin: Vec<u8>,
    /// Added to its environment. No NUL.
    pub environment: Vec<(String, String)>,
    /// Where it runs, if not at home.
    pub folder: Option<Folder>,
    /// When it is ended.
    pub time_limit: Duration,
    /// How much of each stream is kept.
    pub keep_bytes: u64,
    /// Run as root.
    pub as_root: bool,
}

/// A folder to run in. It is checked where it is: links may lead anywhere.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder.
    pub path: String,
    /// Folders that it must lie in.
    pub roots: Vec<String>,
    /// Folders that it must not lie in.
    pub barred: Vec<String>,
}

impl Spec {
    /// A script of ours: runs at home, for a short time.
    #[must_use]
    pub fn of_ours(script: String, args: Vec<String>) -> Self {
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

    /// The dispatch that starts it as `id`. `sweep` names folders to remove, `relay` where to post.
    pub(super) fn dispatch(&self, id: JobId, sweep: &[JobId], relay: Option<&str>) -> Exec {
        let mut environment = Map::new();
        let mut set = |name: &str, value: String| {
            environment.insert(format!("KMCP_{name}"), Value::String(value));
        };
        set("BOOT", base64(RUN.as_bytes()));
        set("ID", id.to_string());
        set("CMD", base64(self.script.as_bytes()));
        set("HOME", HOME.to_owned());
        set("SECONDS", self.time_limit.as_secs().max(1).to_string());
        set("KEEP", self.keep_bytes.to_string());
        if !self.args.is_empty() {
            set("ARGS", list(&self.args));
        }
        if !self.stdin.is_empty() {
            set("STDIN", base64(&self.stdin));
        }
        if !self.environment.is_empty() {
            let entries = self.environment.iter();
            let entries: Vec<_> = entries
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            set("ENV", list(&entries));
        }
        if let Some(folder) = &self.folder {
            set("CWD", base64(folder.path.as_bytes()));
            set("ROOTS", list(&folder.roots));
            set("BARRED", list(&folder.barred));
        }
        if !sweep.is_empty() {
            set("SWEEP", words(sweep));
        }
        if let Some(relay) = relay {
            set("RELAY", relay.to_owned());
        }
        // X programs look for the display here.
        environment.insert("DISPLAY".to_owned(), ":1".into());
        exec(environment, self.as_root)
    }
}

/// The dispatch that puts a part of something large into the folder of `id`.
pub(super) fn part(id: JobId, index: usize, bytes: &[u8]) -> Exec {
    let values = [
        ("KMCP_BOOT", base64(PART.as_bytes())),
        ("KMCP_ID", id.to_string()),
        ("KMCP_HOME", HOME.to_owned()),
        ("KMCP_PART", index.to_string()),
        ("KMCP_STDIN", base64(bytes)),
    ];
    exec(object(values), false)
}

/// The dispatch that removes the folders of `ids`.
pub(super) fn sweep(ids: &[JobId], as_root: bool) -> Exec {
    let values = [
        ("KMCP_BOOT", base64(SWEEP.as_bytes())),
        ("KMCP_HOME", HOME.to_owned()),
        ("KMCP_SWEEP", words(ids)),
    ];
    exec(object(values), as_root)
}

fn object<const N: usize>(values: [(&str, String); N]) -> Map<String, Value> {
    let pairs = values.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

fn exec(environment: Map<String, Value>, as_root: bool) -> Exec {
    Exec {
        cmd: CMD.to_owned(),
        environment,
        as_root,
    }
}

fn words(ids: &[JobId]) -> String {
    let ids: Vec<_> = ids.iter().map(JobId::to_string).collect();
    ids.join(" ")
}

/// Each entry ended by NUL.
fn list(entries: &[String]) -> String {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(entry.as_bytes());
        bytes.push(0);
    }
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
