//! Processes as the host sees them, found through `/proc`.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process, everything it started, and everything whose environment contains
/// `mark`, which finds those that no longer have their parent.
pub(super) fn family(first: u32, mark: Option<&[u8]>) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    let mut found = vec![first];
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        parents.insert(pid, parent(pid));
        if pid != first && mark.is_some_and(|mark| is_marked(pid, mark)) {
            found.push(pid);
        }
    }
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = parents.iter().filter(|(_, p)| **p == Some(parent));
        for (child, _) in children {
            if !found.contains(child) {
                found.push(*child);
            }
        }
        at += 1;
    }
    found
}

/// Sends a signal; a process that is gone does not mind.
pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// The parent, unless the process is dead and only not yet buried.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

fn is_marked(pid: u32, mark: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.windows(mark.len()).any(|w| w == mark)
}
