//! Files that arrive in chunks, in any order, and are there when all are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// One chunk.
#[derive(Debug)]
pub(crate) struct Chunk<'a> {
    /// The sender's name for the whole.
    pub(crate) upload: String,
    /// The name of the file.
    pub(crate) name: String,
    pub(crate) index: u64,
    pub(crate) count: u64,
    pub(crate) offset: u64,
    pub(crate) total: u64,
    pub(crate) data: &'a [u8],
}

/// The chunks that are there, by upload.
#[derive(Debug, Default)]
pub(super) struct Uploads(BTreeMap<String, BTreeSet<u64>>);

impl Uploads {
    /// Keeps a chunk, and moves the file to its place with the last one.
    pub(super) fn receive(&mut self, disk: &Disk, chunk: &Chunk<'_>) -> io::Result<()> {
        let path = check(disk, chunk).ok_or(io::ErrorKind::InvalidInput)?;
        let part = disk
            .root
            .join("run")
            .join(format!("upload-{}", chunk.upload));
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)?;
        file.write_all_at(chunk.data, chunk.offset)?;
        let received = self.0.entry(chunk.upload.clone()).or_default();
        received.insert(chunk.index);
        if u64::try_from(received.len()).is_ok_and(|n| n < chunk.count) {
            return Ok(());
        }
        self.0.remove(&chunk.upload);
        if file.metadata()?.len() != chunk.total {
            fs::remove_file(&part)?;
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let done = place(disk, &part, &path);
        if done.is_err() {
            fs::remove_file(&part)?;
        }
        done
    }
}

/// Moves a whole file to where it belongs.
fn place(disk: &Disk, part: &Path, path: &Path) -> io::Result<()> {
    if !disk.is_limited() {
        disk.give(part);
        return fs::rename(part, path);
    }
    let near = path.with_extension("part");
    // Never through a link that a command put there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&near)?;
    let copied = io::copy(&mut fs::File::open(part)?, &mut file);
    if let Err(error) = copied {
        fs::remove_file(&near)?;
        return Err(error);
    }
    disk.give(&near);
    fs::rename(&near, path)?;
    fs::remove_file(part)
}

/// Where the file goes, if the chunk makes sense.
fn check(disk: &Disk, chunk: &Chunk<'_>) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let known =
        !chunk.upload.is_empty() && chunk.upload.len() <= 64 && chunk.upload.chars().all(plain);
    let length = u64::try_from(chunk.data.len()).ok()?;
    let fits = chunk.offset.checked_add(length)? <= chunk.total;
    let name = Path::new(&chunk.name);
    let is_name = name.file_name() == Some(name.as_os_str()) && !chunk.name.ends_with('/');
    // The commands may have put something else in its place.
    let home = disk.home();
    let dir = home.join("Uploads");
    let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    let sound = known && fits && is_name && chunk.index < chunk.count;
    (sound && is_dir(&home) && is_dir(&dir)).then(|| dir.join(name))
}
