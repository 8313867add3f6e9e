//! The writer thread. It owns the file, so the lines have one order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use tokio::sync::{mpsc, oneshot};

use super::chain::{self, Head, NOTHING};
use super::line::Note;
use super::{AuditSettings, Unwritable, hash};

/// The most lines in one write.
const BATCH_MAX: usize = 256;

/// Receives the result of writing a line.
type Told = Option<oneshot::Sender<Result<(), Unwritable>>>;

/// A message to the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// A line, and who waits until it is written.
    Line(Vec<u8>, Told),
    /// Close the log.
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Writer {
    settings: AuditSettings,
    file: File,
    head_file: File,
    /// The length of the file up to its last complete line.
    length: u64,
    /// The number of the first line of this file.
    begins: u64,
    head: Head,
    /// Lines lost since the last successful write.
    missed: u64,
}

impl Writer {
    pub(super) fn open(settings: &AuditSettings) -> Result<Self, Unwritable> {
        let mut writer = Self::at_the_end(settings)
            .map_err(|error| Unwritable(format!("{}: {error}", settings.file.display())))?;
        let note = writer.inspect()?;
        writer.append(&[note.line()])?;
        Ok(writer)
    }

    fn at_the_end(settings: &AuditSettings) -> io::Result<Self> {
        let file = open(&settings.file)?;
        file.try_lock()
            .map_err(|_| io::Error::other("another process is writing it"))?;
        Ok(Self {
            settings: settings.clone(),
            file,
            head_file: open(&chain::head_path(&settings.file))?,
            length: 0,
            begins: 1,
            head: Head {
                first: 1,
                last: 0,
                sha256: NOTHING.to_owned(),
            },
            missed: 0,
        })
    }

    /// Finds the newest line, and defects that the last process left.
    fn inspect(&mut self) -> Result<Note, Unwritable> {
        let mut note = Note::new("start");
        let failed = |error: io::Error| Unwritable(error.to_string());
        let (line, length) = chain::last_line(&mut self.file).map_err(failed)?;
        let all = self.file.metadata().map_err(failed)?.len();
        note.torn_bytes = all - length;
        if note.torn_bytes > 0 {
            self.file.set_len(length).map_err(failed)?;
        }
        self.length = length;
        let full = chain::full_files(&self.settings.file).map_err(failed)?;
        let line = match (line, full.last()) {
            (Some(line), _) => Some(line),
            // The last process ended while it switched files.
            (None, Some((_, path))) => {
                chain::last_line(&mut open(path).map_err(failed)?)
                    .map_err(failed)?
                    .0
            }
            (None, None) => None,
        };
        let known = fs::read(chain::head_path(&self.settings.file)).unwrap_or_default();
        let known: Option<Head> = serde_json::from_slice(&known).ok();
        if let Some(line) = line {
            match chain::read_link(&line) {
                Some((link, sha256)) => {
                    self.head.last = link.seq;
                    self.head.sha256 = sha256;
                }
                None => note.broken = Some("the last line cannot be read".to_owned()),
            }
        }
        self.begins = first_of(&self.file, self.length).unwrap_or(self.head.last + 1);
        let kept = full.first().map_or(self.begins, |(first, _)| *first);
        self.head.first = known.as_ref().map_or(kept, |known| known.first);
        // The head is written after the lines, so it may be behind them but never ahead.
        if let Some(known) = known
            && known.last > self.head.last
        {
            note.broken = Some(format!(
                "the log ended with line {}, but line {} (sha256 {}) existed",
                self.head.last, known.last, known.sha256
            ));
            self.head.last = known.last;
        }
        Ok(note)
    }

    /// Writes until the log is closed or no sender is left.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::new();
        while let Some(first) = messages.blocking_recv() {
            let mut next = Some(first);
            let closed = loop {
                match next {
                    Some(Message::Line(object, done)) => batch.push((object, done)),
                    Some(Message::Close(done)) => break Some(done),
                    None => break None,
                }
                next = (batch.len() < BATCH_MAX)
                    .then(|| messages.try_recv().ok())
                    .flatten();
            };
            self.write(&mut batch);
            if let Some(done) = closed {
                drop(self);
                let _gone_is_fine = done.send(());
                return;
            }
        }
    }

    fn write(&mut self, batch: &mut Vec<(Vec<u8>, Told)>) {
        let (mut objects, mut waiting) = (Vec::new(), Vec::new());
        if self.missed > 0 {
            let mut note = Note::new("missed");
            note.missed = self.missed;
            objects.push(note.line());
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
            self.append(&objects)
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
    fn append(&mut self, objects: &[Vec<u8>]) -> Result<(), Unwritable> {
        let failed = |error: io::Error| Unwritable(error.to_string());
        if self.length >= self.settings.bytes_max && self.head.last >= self.begins {
            self.turn_over().map_err(failed)?;
        }
        let mut head = self.head.clone();
        let mut bytes = Vec::new();
        for object in objects {
            let line = chain::linked(head.last + 1, &head.sha256, object);
            head.last += 1;
            head.sha256 = hash(&line);
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
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
    fn turn_over(&mut self) -> io::Result<()> {
        let path = &self.settings.file;
        self.file.sync_all()?;
        let full = chain::full_path(path, self.begins);
        match fs::rename(path, &full) {
            // It was renamed before, but the next file could not be opened then.
            Err(error) if error.kind() == io::ErrorKind::NotFound && full.exists() => {}
            done => done?,
        }
        self.file = open(path)?;
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
fn first_of(file: &File, length: u64) -> Option<u64> {
    let mut begin = vec![0; length.min(chain::LINE_BYTES_MAX as u64) as usize];
    file.read_exact_at(&mut begin, 0).ok()?;
    let line = begin.split(|byte| *byte == b'\n').next()?;
    chain::read_link(line).map(|(link, _)| link.seq)
}

/// A file that only this user can read.
fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.file.flush().and_then(|()| self.file.sync_all()) {
            tracing::error!(%error, "the audit log may not be on disk");
        }
    }
}
