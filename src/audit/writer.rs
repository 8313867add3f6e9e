//! The writer thread. It owns the file, so the lines have one order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use tokio::sync::{mpsc, oneshot};

use super::chain::{self, ChainHead, NOTHING};
use super::line::WriterNote;
use super::{AuditSettings, AuditUnwritable, line_hash};

/// The most lines in one write.
const BATCH_MAX: usize = 256;

/// Receives the result of writing a line.
type WriteConfirmation = Option<oneshot::Sender<Result<(), AuditUnwritable>>>;

/// A message to the writer.
#[derive(Debug)]
pub(super) enum WriterMessage {
    /// A line, and the sender that reports the result of writing it.
    Line(Vec<u8>, WriteConfirmation),
    /// Close the log.
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct AuditWriter {
    settings: AuditSettings,
    file: File,
    head_file: File,
    /// The length of the file up to its last complete line.
    length: u64,
    /// The number of the first line of this file.
    begins: u64,
    head: ChainHead,
    /// Lines lost since the last successful write.
    missed: u64,
}

impl AuditWriter {
    pub(super) fn open(settings: &AuditSettings) -> Result<Self, AuditUnwritable> {
        let mut writer = Self::open_at_end(settings)
            .map_err(|error| AuditUnwritable(format!("{}: {error}", settings.file.display())))?;
        let note = writer.inspect_files()?;
        writer.append_lines(&[note.as_line()])?;
        Ok(writer)
    }

    fn open_at_end(settings: &AuditSettings) -> io::Result<Self> {
        let file = open_for_append(&settings.file)?;
        // Two writers would each continue after the same line, and the chain would fork.
        file.try_lock()
            .map_err(|_| io::Error::other("another process is writing it"))?;
        Ok(Self {
            settings: settings.clone(),
            file,
            head_file: open_for_append(&chain::head_path(&settings.file))?,
            length: 0,
            begins: 1,
            head: ChainHead {
                first: 1,
                last: 0,
                sha256: NOTHING.to_owned(),
            },
            missed: 0,
        })
    }

    /// Finds the newest line, and defects that the last process left.
    fn inspect_files(&mut self) -> Result<WriterNote, AuditUnwritable> {
        let mut note = WriterNote::new("start");
        let failed = |error: io::Error| AuditUnwritable(error.to_string());
        let (line, length) = chain::last_line(&mut self.file).map_err(failed)?;
        let all = self.file.metadata().map_err(failed)?.len();
        note.torn_bytes = all - length;
        // A crash can cut a line. The next one would continue it, so the rest is removed and counted.
        if note.torn_bytes > 0 {
            self.file.set_len(length).map_err(failed)?;
        }
        self.length = length;
        let full = chain::full_files(&self.settings.file).map_err(failed)?;
        let line = match (line, full.last()) {
            (Some(line), _) => Some(line),
            // The last process ended while it switched files.
            (None, Some((_, path))) => {
                chain::last_line(&mut open_for_append(path).map_err(failed)?)
                    .map_err(failed)?
                    .0
            }
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
        self.begins = first_sequence_number(&self.file, self.length).unwrap_or(self.head.last + 1);
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

    /// Writes until the log is closed or no sender is left.
    pub(super) fn write_messages(mut self, mut messages: mpsc::Receiver<WriterMessage>) {
        let mut batch = Vec::new();
        while let Some(first) = messages.blocking_recv() {
            // Lines that came meanwhile share one write, so many calls at once need few writes.
            let mut next = Some(first);
            let closed = loop {
                match next {
                    Some(WriterMessage::Line(object, done)) => batch.push((object, done)),
                    Some(WriterMessage::Close(done)) => break Some(done),
                    None => break None,
                }
                next = (batch.len() < BATCH_MAX)
                    .then(|| messages.try_recv().ok())
                    .flatten();
            };
            self.write_batch(&mut batch);
            if let Some(done) = closed {
                // The drop brings the file to the disk before `close` returns.
                drop(self);
                let _gone_is_fine = done.send(());
                return;
            }
        }
    }

    fn write_batch(&mut self, batch: &mut Vec<(Vec<u8>, WriteConfirmation)>) {
        let (mut objects, mut waiting) = (Vec::new(), Vec::new());
        if self.missed > 0 {
            let mut note = WriterNote::new("missed");
            note.missed = self.missed;
            objects.push(note.as_line());
        }
        let mut unheard = 0;
        for (object, done) in batch.drain(..) {
            // A call that is refused because its line could not be written did not happen.
            unheard += u64::from(done.is_none());
            objects.push(object);
            waiting.extend(done);
        }
        let written = if objects.is_empty() {
            Ok(())
        } else {
            self.append_lines(&objects)
        };
        match &written {
            Ok(()) => self.missed = 0,
            Err(problem) => {
                if self.missed == 0 {
                    tracing::error!(%problem, "calls are missing in the audit log");
                }
                self.missed += unheard;
            }
        }
        for done in waiting {
            let _gone_is_fine = done.send(written.clone());
        }
    }

    /// Appends lines to the chain: all of them or none.
    fn append_lines(&mut self, objects: &[Vec<u8>]) -> Result<(), AuditUnwritable> {
        let failed = |error: io::Error| AuditUnwritable(error.to_string());
        // A file without a line is never full, however small the limit is.
        if self.length >= self.settings.bytes_max && self.head.last >= self.begins {
            self.rotate_file().map_err(failed)?;
        }
        let mut head = self.head.clone();
        let mut bytes = Vec::new();
        for object in objects {
            let line = chain::link_line(head.last + 1, &head.sha256, object);
            head.last += 1;
            head.sha256 = line_hash(&line);
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        // `self.head` and `self.length` change only after the write, so a failure leaves the chain where it
        // was.
        if let Err(error) = self.file.write_all_at(&bytes, self.length) {
            // A partial line would break the chain. Truncating needs no disk space.
            self.file.set_len(self.length).map_err(failed)?;
            return Err(failed(error));
        }
        self.length += bytes.len() as u64;
        self.head = head;
        self.write_head().map_err(failed)
    }

    /// The head is shorter than a block and has a fixed length, so one write replaces it.
    fn write_head(&mut self) -> io::Result<()> {
        let text = serde_json::to_string(&self.head)?;
        let text = format!("{text:<200}\n");
        self.head_file.write_all_at(text.as_bytes(), 0)
    }

    /// Renames a full file and starts the next one.
    fn rotate_file(&mut self) -> io::Result<()> {
        let path = &self.settings.file;
        self.file.sync_all()?;
        let full = chain::full_path(path, self.begins);
        match fs::rename(path, &full) {
            // It was renamed before, but the next file could not be opened then.
            Err(error) if error.kind() == io::ErrorKind::NotFound && full.exists() => {}
            done => done?,
        }
        self.file = open_for_append(path)?;
        // No other process can hold the lock: we held it on the previous file.
        let _locked = self.file.try_lock();
        self.length = 0;
        self.begins = self.head.last + 1;
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
}

/// The number of the first line of a file of that length.
fn first_sequence_number(file: &File, length: u64) -> Option<u64> {
    let mut begin = vec![0; length.min(chain::LINE_BYTES_MAX as u64) as usize];
    file.read_exact_at(&mut begin, 0).ok()?;
    let line = begin.split(|byte| *byte == b'\n').next()?;
    chain::read_link(line).map(|(link, _)| link.seq)
}

/// A file that only this user can read.
fn open_for_append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

impl Drop for AuditWriter {
    fn drop(&mut self) {
        if let Err(error) = self.file.flush().and_then(|()| self.file.sync_all()) {
            tracing::error!(%error, "the audit log may not be on disk");
        }
    }
}
