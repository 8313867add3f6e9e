//! Verifies that a log is intact: every hash, every number, and the head.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::chain::{self, ChainHead, LINE_BYTES_MAX, NOTHING};

/// The result for an intact log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChain {
    /// The number of the oldest line. Older ones were deleted as configured.
    pub first: u64,
    /// The number of the newest line.
    pub last: u64,
    /// How many files the log has.
    pub files: usize,
    /// Lines that are newer than the head file: the server is writing, or crashed.
    pub beyond_the_head: u64,
}

/// A defect of a log.
#[derive(Debug, thiserror::Error)]
pub enum BrokenChain {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// A line does not belong to this log.
    #[error("{file}, line {line}: {what}")]
    Line {
        /// The file.
        file: PathBuf,
        /// The number of the line in the file, from 1.
        line: u64,
        /// The defect.
        what: String,
    },
    /// Lines are missing at the end or at the beginning.
    #[error("{0}")]
    Missing(String),
}

/// The files of a log, oldest first.
///
/// # Errors
/// The directory cannot be read.
pub fn chain_files(file: &Path) -> io::Result<Vec<PathBuf>> {
    let full = chain::full_files(file)?.into_iter().map(|(_, path)| path);
    Ok(full.chain([file.to_owned()]).collect())
}

/// Reads a log from its oldest line to its newest.
///
/// # Errors
/// The first defect: a line that was changed, removed, added or moved, a missing end, or a defect that the
/// server itself found at its start.
pub fn verify_chain(file: &Path) -> Result<VerifiedChain, BrokenChain> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| BrokenChain::File(path, error)
    };
    let head_path = chain::head_path(file);
    // The head is read before the lines. A server that writes meanwhile only adds lines beyond it.
    let head = fs::read(&head_path).map_err(failed(&head_path))?;
    let head: ChainHead = serde_json::from_slice(&head)
        .map_err(|_| BrokenChain::Missing(format!("{} cannot be read", head_path.display())))?;
    let paths = chain_files(file).map_err(failed(file))?;
    let mut walk = ChainWalk {
        head: &head,
        last: None,
        first: 0,
        head_seen: false,
    };
    for path in &paths {
        let mut reader = BufReader::new(File::open(path).map_err(failed(path))?);
        let mut number = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            // A file without line breaks must not fill the memory.
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = io::Read::take(&mut reader, limit).read_until(b'\n', &mut line);
            if read.map_err(failed(path))? == 0 {
                break;
            }
            number += 1;
            walk.verify_line(&line).map_err(|what| BrokenChain::Line {
                file: path.clone(),
                line: number,
                what,
            })?;
        }
    }
    walk.finish_walk(paths.len())
}

struct ChainWalk<'a> {
    head: &'a ChainHead,
    /// Number and hash of the previous line.
    last: Option<(u64, String)>,
    first: u64,
    head_seen: bool,
}

impl ChainWalk<'_> {
    fn verify_line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line
            .strip_suffix(b"\n")
            .ok_or("the line is incomplete: a write was cut off, or the server is writing")?;
        let (link, name) = chain::read_link(line).ok_or("this is not an audit line")?;
        match &self.last {
            None if link.seq != self.head.first => {
                return Err(format!(
                    "the log should begin with line {} but begins with {}",
                    self.head.first, link.seq
                ));
            }
            None if link.seq == 1 && link.previous != NOTHING => {
                return Err(
                    "the first line must not follow another line, but it names one".to_owned(),
                );
            }
            None => self.first = link.seq,
            Some((seq, _)) if link.seq != seq + 1 => {
                return Err(format!(
                    "line {} should be here, but {} is",
                    seq + 1,
                    link.seq
                ));
            }
            Some((seq, name)) if link.previous != *name => {
                return Err(format!("line {seq} or this one was changed"));
            }
            Some(_) => {}
        }
        // The chain goes on correctly here, but at its start the server found that lines before it were
        // missing.
        if let Some(broken) = link.broken {
            return Err(format!("found by the server at its start: {broken}"));
        }
        if link.seq == self.head.last {
            if name != self.head.sha256 {
                return Err("this line differs from the one that the head file names".to_owned());
            }
            self.head_seen = true;
        }
        self.last = Some((link.seq, name));
        Ok(())
    }

    fn finish_walk(self, files: usize) -> Result<VerifiedChain, BrokenChain> {
        let last = self.last.map_or(0, |(seq, _)| seq);
        if !self.head_seen {
            return Err(BrokenChain::Missing(format!(
                "the log ends with line {last}, but line {} existed",
                self.head.last
            )));
        }
        Ok(VerifiedChain {
            first: self.first,
            last,
            files,
            // `head_seen` means that `last` is at least the head's number.
            beyond_the_head: last - self.head.last,
        })
    }
}
