//! The file of the chain and its head: opening, inspecting, appending, rotating.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread::JoinHandle;

use super::chain::{self, ChainHead, NOTHING};
use super::line::WriterNote;
use super::{AuditSettings, AuditUnwritable};

/// The length of the head. Numbers and hash take at most 144 bytes of it.
const HEAD_BYTES: usize = 201;

/// The file that is written, with the state of the chain at its end.
#[derive(Debug)]
pub(super) struct ChainFile {
    settings: AuditSettings,
    file: File,
    head_file: File,
    /// The length of the file up to its last complete line.
    length: u64,
    /// The number of the first line of this file.
    begins: u64,
    head: ChainHead,
    /// Lines on their way to the file. Kept, so that not each write allocates.
    bytes: Vec<u8>,
    /// The thread that brings the last full file to the disk.
    syncing: Option<JoinHandle<()>>,
}

impl ChainFile {
    /// Opens and locks the file, and repairs its end.
    ///
    /// # Errors
    /// It cannot be opened or read, or another process has it.
    pub(super) fn open(settings: &AuditSettings) -> Result<(Self, WriterNote), AuditUnwritable> {
        let mut chain = Self::open_at_end(settings)
            .map_err(|error| AuditUnwritable(format!("{}: {error}", settings.file.display())))?;
        let note = chain
            .inspect_files()
            .map_err(|error| AuditUnwritable(error.to_string()))?;
        Ok((chain, note))
    }

    fn open_at_end(settings: &AuditSettings) -> io::Result<Self> {
        let file = open_for_append(&settings.file)?;
        let head_file = open_for_append(&chain::head_path(&settings.file))?;
        // Two writers would each continue after the same line, and the chain would fork. Both files, because a
        // writer that switches files has a new one for a moment that it has not locked yet.
        for mine in [&file, &head_file] {
            mine.try_lock()
                .map_err(|_| io::Error::other("another process is writing it"))?;
        }
        Ok(Self {
            settings: settings.clone(),
            file,
            head_file,
            length: 0,
            begins: 1,
            head: ChainHead {
                first: 1,
                last: 0,
                sha256: NOTHING.to_owned(),
            },
            bytes: Vec::new(),
            syncing: None,
        })
    }

    /// Finds the newest line, and defects that the last process left.
    fn inspect_files(&mut self) -> io::Result<WriterNote> {
        let mut note = WriterNote::new("start");
        let (line, length) = chain::last_line(&mut self.file)?;
        let all = self.file.metadata()?.len();
        note.torn_bytes = all - length;
        // A crash can cut a line. The next one would continue it, so the rest is removed and counted.
        if note.torn_bytes > 0 {
            self.file.set_len(length)?;
        }
        self.length = length;
        let full = chain::full_files(&self.settings.file)?;
        let line = match (line, full.last()) {
            (Some(line), _) => Some(line),
            // The last process ended while it switched files.
            (None, Some((_, path))) => chain::last_line(&mut open_for_append(path)?)?.0,
            (None, None) => None,
        };
        let known = fs::read(chain::head_path(&self.settings.file)).unwrap_or_default();
        let known: Option<ChainHead> = serde_json::from_slice(&known).ok();
        if let Some(line) = line {
            match chain::read_link(&line) {
                Some((link, sha256)) => {
                    self.head.last = link.seq;
                    self.head.sha256 = sha256;
                }
                None => note.broken = Some("the last line cannot be read".to_owned()),
            }
        }
        self.begins = first_sequence_number(&self.file).unwrap_or(self.head.last + 1);
        let kept = full.first().map_or(self.begins, |(first, _)| *first);
        // The head knows which lines were deleted as configured; without it, the oldest file is the
        // beginning.
        self.head.first = known.as_ref().map_or(kept, |known| known.first);
        // The head is written after the lines, so it may be behind them but never ahead.
        if let Some(known) = known
            && known.last > self.head.last
        {
            note.broken = Some(format!(
                "the log ended with line {}, but line {} (sha256 {}) existed",
                self.head.last, known.last, known.sha256
            ));
            // Numbers continue after the lost lines, so verification shows the gap.
            self.head.last = known.last;
        }
        Ok(note)
    }

    /// Appends lines to the chain, at least one and at most as many as this file takes: all of these or none. Returns
    /// how many.
    pub(super) fn append_lines<'a>(
        &mut self,
        objects: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<usize> {
        // A file without a line is never full, however small the limit is.
        if self.length >= self.settings.bytes_max && self.head.last >= self.begins {
            self.rotate_file()?;
        }
        let mut head = self.head.clone();
        let mut count = 0;
        self.bytes.clear();
        for object in objects {
            chain::link_line(&mut self.bytes, &mut head, object);
            count += 1;
            if self.length + self.bytes.len() as u64 >= self.settings.bytes_max {
                break;
            }
        }
        // `self.head` and `self.length` change only after the write, so a failure leaves the chain where it
        // was.
        if let Err(error) = self.file.write_all_at(&self.bytes, self.length) {
            // A partial line would break the chain. Truncating needs no disk space.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += self.bytes.len() as u64;
        self.head = head;
        self.write_head()?;
        Ok(count)
    }

    /// The head is shorter than a block and has a fixed length, so one write replaces it.
    fn write_head(&mut self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.head)?;
        text.resize(HEAD_BYTES - 1, b' ');
        text.push(b'\n');
        self.head_file.write_all_at(&text, 0)
    }

    /// Renames a full file and starts the next one.
    fn rotate_file(&mut self) -> io::Result<()> {
        let path = &self.settings.file;
        let full = chain::full_path(path, self.begins);
        match fs::rename(path, &full) {
            // It was renamed before, but the next file could not be opened then.
            Err(error) if error.kind() == io::ErrorKind::NotFound && full.exists() => {}
            done => done?,
        }
        let next = open_for_append(path)?;
        // No other process can hold the lock: we hold that of the head.
        let _locked = next.try_lock();
        let full_file = std::mem::replace(&mut self.file, next);
        self.length = 0;
        self.begins = self.head.last + 1;
        self.sync_full_file(full_file);
        let path = &self.settings.file;
        let mut full = chain::full_files(path)?;
        if self.settings.keep > 0 && full.len() > self.settings.keep {
            let surplus = full.len() - self.settings.keep;
            for (_, old) in full.drain(..surplus) {
                fs::remove_file(old)?;
            }
        }
        self.head.first = full.first().map_or(self.begins, |(first, _)| *first);
        Ok(())
    }

    /// Brings a full file to the disk beside the writing: that can take seconds, in which the lines of all calls would
    /// wait.
    fn sync_full_file(&mut self, full: File) {
        // One at a time. A disk that is slower than the lines come slows them down.
        self.wait_for_sync();
        let thread = std::thread::Builder::new().name("audit-sync".to_owned());
        match thread.spawn(move || log_failed_sync(full.sync_all())) {
            Ok(syncing) => self.syncing = Some(syncing),
            // The lines are with the operating system, which writes them in its own time.
            Err(error) => log_failed_sync(Err(error)),
        }
    }

    fn wait_for_sync(&mut self) {
        if let Some(syncing) = self.syncing.take() {
            let _panicked = syncing.join();
        }
    }
}

fn log_failed_sync(synced: io::Result<()>) {
    if let Err(error) = synced {
        tracing::error!(%error, "the audit log may not be on disk");
    }
}

/// The number of the first line of a file.
fn first_sequence_number(mut file: &File) -> Option<u64> {
    file.rewind().ok()?;
    let mut line = Vec::new();
    // Only as far as the line goes: a full file is long, and the start of the server waits for this.
    let mut begin = BufReader::new(file.take(chain::LINE_BYTES_MAX as u64));
    begin.read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    chain::read_link(line).map(|(link, _)| link.seq)
}

/// A file that only this user can read.
fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

impl Drop for ChainFile {
    fn drop(&mut self) {
        self.wait_for_sync();
        log_failed_sync(self.file.sync_all());
    }
}
