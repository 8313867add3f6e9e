//! The links of the chain: line numbers, hashes, the head and the names of the files.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::line_hash;

/// The `previous` of the very first line.
pub(super) const NOTHING: &str = "";
/// The longest line. Arguments are shortened long before.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// The newest line, and the oldest one that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainHead {
    /// The number of the oldest line that is kept.
    pub(super) first: u64,
    /// The number of the newest line.
    pub(super) last: u64,
    /// Its SHA-256.
    pub(super) sha256: String,
}

/// The members that every line begins with.
#[derive(Debug, Deserialize)]
pub(super) struct ChainLink {
    pub(super) seq: u64,
    pub(super) previous: String,
    #[serde(default)]
    pub(super) broken: Option<String>,
}

/// A line as it is written: its number, the hash of the line before it, then the members of `object`.
pub(super) fn link_line(seq: u64, previous: &str, object: &[u8]) -> Vec<u8> {
    let head = format!("{{\"seq\":{seq},\"previous\":\"{previous}\",");
    // The members stay byte for byte as they are: the hash covers the written bytes, not a parsed form of
    // them.
    let members = object.strip_prefix(b"{").unwrap_or(object);
    [head.as_bytes(), members].concat()
}

/// The file that names the newest line.
pub(super) fn head_path(file: &Path) -> PathBuf {
    with_suffix(file, ".head")
}

/// The path of a full file, named after the number of its first line.
pub(super) fn full_path(file: &Path, first: u64) -> PathBuf {
    with_suffix(file, &format!(".{first:012}"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The full files, the oldest first, with the numbers of their first lines.
pub(super) fn full_files(file: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let entry_name = entry.file_name();
        let number = entry_name.to_str().and_then(|entry| {
            let digits = entry.strip_prefix(&*name)?.strip_prefix('.')?;
            // Other files beside the log, such as its head, are not taken for parts of it.
            let plain = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok())?
        });
        if let Some(first) = number {
            found.push((first, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The last whole line of a file, and how long the file is up to its end.
pub(super) fn last_line(file: &mut File) -> io::Result<(Option<Vec<u8>>, u64)> {
    let length = file.metadata()?.len();
    // Two lines: if a crash has cut the last one, the whole line before it is in the window too.
    let window = (2 * LINE_BYTES_MAX as u64).min(length);
    file.seek(SeekFrom::Start(length - window))?;
    let mut tail = Vec::new();
    file.take(window).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        return Ok((None, length - window));
    };
    let whole = &tail[..end];
    let begin = whole.iter().rposition(|byte| *byte == b'\n');
    let line = &whole[begin.map_or(0, |at| at + 1)..];
    let after = tail.len() - end - 1;
    Ok((Some(line.to_vec()), length - after as u64))
}

/// The number of a line and its hash. None: it is not an audit line.
pub(super) fn read_link(line: &[u8]) -> Option<(ChainLink, String)> {
    Some((serde_json::from_slice(line).ok()?, line_hash(line)))
}
