//! The links of the chain: line numbers, hashes, the head and the names of the files.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// The `previous` of the very first line.
pub(super) const NOTHING: &str = "";
/// The longest line. Arguments are shortened long before.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;
/// How much of the end of a file is read first. It holds the last line of nearly every log; a window for the longest
/// lines (two of them, because a crash may have cut the last one) is read only where it does not.
const TAIL_BYTES: u64 = 32 << 10;

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

/// Adds a line to `bytes` as it is written: its number, the hash of the line before it, then the members of `object`.
/// `head` names it afterwards.
pub(super) fn link_line(bytes: &mut Vec<u8>, head: &mut ChainHead, object: &[u8]) {
    let begin = bytes.len();
    head.last += 1;
    for part in [
        "{\"seq\":",
        &head.last.to_string(),
        ",\"previous\":\"",
        &head.sha256,
        "\",",
    ] {
        bytes.extend_from_slice(part.as_bytes());
    }
    // The members stay byte for byte as they are: the hash covers the written bytes, not a parsed form of
    // them.
    bytes.extend_from_slice(object.strip_prefix(b"{").unwrap_or(object));
    head.sha256.clear();
    let hash = digest::digest(&digest::SHA256, &bytes[begin..]);
    HEXLOWER.encode_append(hash.as_ref(), &mut head.sha256);
    bytes.push(b'\n');
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
    let mut window = TAIL_BYTES;
    loop {
        let begin = length.saturating_sub(window);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(begin))?;
        file.take(length - begin).read_to_end(&mut tail)?;
        let is_whole = begin == 0 || window >= 2 * LINE_BYTES_MAX as u64;
        if let Some(found) = last_line_of_tail(&tail, begin, is_whole) {
            return Ok(found);
        }
        window *= 8;
    }
}

/// The last whole line of the end of a file that begins at `begin`. None: more of the file is needed to know it.
fn last_line_of_tail(tail: &[u8], begin: u64, is_whole: bool) -> Option<(Option<Vec<u8>>, u64)> {
    let is_break = |byte: &u8| *byte == b'\n';
    let Some(end) = tail.iter().rposition(is_break) else {
        return is_whole.then_some((None, begin));
    };
    let whole = &tail[..end];
    let line = match whole.iter().rposition(is_break) {
        Some(before) => &whole[before + 1..],
        None if is_whole => whole,
        None => return None,
    };
    Some((Some(line.to_vec()), begin + end as u64 + 1))
}

/// The number of a line and its hash. None: it is not an audit line.
pub(super) fn read_link(line: &[u8]) -> Option<(ChainLink, String)> {
    Some((serde_json::from_slice(line).ok()?, line_hash(line)))
}

/// The hash of a line: SHA-256 of its bytes without the line break.
fn line_hash(line: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, line).as_ref())
}
