//! A path of a container, walked as the session's user would: links lead where
//! they lead inside, and what that user may not pass is not there.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

use crate::container::Disk;

/// Links followed before giving up.
const LINKS_MAX: usize = 40;

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Found {
    /// Where the host has it.
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// Walks an absolute path of the container.
pub(super) fn look_up(disk: &Disk, path: &Path) -> Option<Found> {
    let mut ahead: VecDeque<OsString> = parts(path).collect();
    let mut behind: Vec<OsString> = Vec::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            behind.pop();
            continue;
        }
        behind.push(part);
        let here = on_host(disk, &behind);
        let metadata = fs::symlink_metadata(&here).ok()?;
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            let target = fs::read_link(&here).ok()?;
            behind.pop();
            let target = match target.strip_prefix(&disk.root) {
                Ok(inside) if !disk.confined => Path::new("/").join(inside),
                Ok(_) | Err(_) => target,
            };
            if target.is_absolute() {
                behind.clear();
            }
            let mut rest: VecDeque<OsString> = parts(&target).collect();
            rest.append(&mut ahead);
            ahead = rest;
        } else if !ahead.is_empty() {
            let passes = metadata.is_dir() && disk.allows(&metadata, 1);
            if !passes {
                return None;
            }
        }
    }
    let path = on_host(disk, &behind);
    let metadata = fs::symlink_metadata(&path).ok()?;
    disk.allows(&metadata, 4)
        .then_some(Found { path, metadata })
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

/// The host's path. Programs are the host's own; the rest is private, as far
/// as the commands see it so.
fn on_host(disk: &Disk, parts: &[OsString]) -> PathBuf {
    let is_home = |first: &OsStr| first == "home";
    let is_host = |first: &OsStr| {
        let system = ["usr", "bin", "sbin", "lib", "lib64"];
        system.iter().any(|name| first == *name) || !disk.confined && !is_home(first)
    };
    let base = match parts.first() {
        Some(first) if is_host(first) => Path::new("/"),
        Some(first) if is_home(first) => disk.home_root.as_path(),
        Some(_) | None => disk.root.as_path(),
    };
    base.join(parts.iter().collect::<PathBuf>())
}
