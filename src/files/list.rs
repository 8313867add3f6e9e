//! Listing a folder.

use super::{CheckedTarget, FileError, ScriptRun, SessionFiles, parse_number};
use crate::kasm::session_proxy::RunningSession;

const LIST: &str = include_str!("scripts/list.sh");
/// The size at which a listing is cut.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// The content of a folder.
#[derive(Debug)]
pub struct FolderListing {
    /// Its entries, sorted by name.
    pub entries: Vec<FolderEntry>,
    /// Whether there are more entries than fit.
    pub cut: bool,
}

/// One entry of a folder.
#[derive(Debug)]
pub struct FolderEntry {
    /// Its path below the folder. Names are bytes in Linux.
    pub name: Vec<u8>,
    /// Its type.
    pub kind: EntryKind,
    /// Its size in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub modified: u64,
    /// Its permissions, octal.
    pub mode: String,
    /// The target of a link.
    pub target: Vec<u8>,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

impl SessionFiles {
    /// Lists a folder, `depth` levels of it. Links are not followed.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn list_folder(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        depth: u32,
    ) -> Result<FolderListing, FileError> {
        let args = [u64::from(depth), LIST_BYTES_MAX].map(|number| number.to_string());
        let mut run = ScriptRun::new(LIST, target.script_args(args));
        run.output = LIST_BYTES_MAX;
        let done = self.run_file_script(place, run).await?;
        let cut = done.stdout.len() as u64 >= LIST_BYTES_MAX;
        let mut fields: Vec<_> = done.stdout.split(|byte| *byte == 0).collect();
        // After the last NUL there is nothing, or an entry that was cut.
        fields.pop();
        let mut entries = Vec::with_capacity(fields.len() / 2);
        // An odd field at the end is the name of an entry whose link target was cut.
        for pair in fields.chunks_exact(2) {
            let entry = parse_entry(pair[0], pair[1])?;
            if !is_ours(&entry.name) {
                entries.push(entry);
            }
        }
        entries.sort_unstable_by(|a: &FolderEntry, b: &FolderEntry| a.name.cmp(&b.name));
        Ok(FolderListing { entries, cut })
    }
}

/// Whether it is a job's folder, something in one, or a file that is being written.
fn is_ours(name: &[u8]) -> bool {
    let mut parts = name.split(|byte| *byte == b'/');
    parts.any(|part| part.starts_with(b".kmcp-"))
}

/// `TYPE SIZE MTIME MODE NAME`; the name may have spaces.
fn parse_entry(facts: &[u8], target: &[u8]) -> Result<FolderEntry, FileError> {
    let mut fields = facts.splitn(5, |byte| *byte == b' ');
    let mut next = || fields.next().ok_or(FileError::Mangled);
    let mut word = || std::str::from_utf8(next()?).map_err(|_| FileError::Mangled);
    let kind = match word()? {
        "f" => EntryKind::File,
        "d" => EntryKind::Folder,
        "l" => EntryKind::Link,
        _ => EntryKind::Other,
    };
    let size = parse_number(word()?)?;
    // find prints fractions of a second, and times before 1970.
    let modified = word()?.split('.').next().unwrap_or_default();
    let modified = modified.parse().unwrap_or(0);
    let mode = word()?.to_owned();
    Ok(FolderEntry {
        name: next()?.to_vec(),
        kind,
        size,
        modified,
        mode,
        target: target.to_vec(),
    })
}
