//! The writer's thread. It owns the file, so the lines have one order.

use std::ops::Range;
use std::sync::Arc;

use super::chain_file::ChainFile;
use super::line::WriterNote;
use super::line_buffer::{LineBuffer, LineGroup};
use super::{AuditSettings, AuditUnwritable};

/// The most lines in one write. On a disk that becomes full, a smaller write may still find room.
const WRITE_LINES_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct AuditWriter {
    chain: ChainFile,
    /// Lines lost since the last successful write.
    missed: u64,
}

impl AuditWriter {
    /// Opens the file, and writes that the server has started.
    ///
    /// # Errors
    /// The file cannot be opened, read, locked or written.
    pub(super) fn open(settings: &AuditSettings) -> Result<Self, AuditUnwritable> {
        let (chain, note) = ChainFile::open(settings)?;
        let mut writer = Self { chain, missed: 0 };
        let line = note.as_line();
        match writer.chain.append_lines([line.as_slice()]) {
            Ok(_) => Ok(writer),
            Err(error) => Err(AuditUnwritable(error.to_string())),
        }
    }

    /// Writes until the log is closed or no call is left.
    pub(super) fn write_lines(mut self, buffer: &Arc<LineBuffer>) {
        // Declared before the group: it is dropped last.
        let _end = buffer.end_with_writer();
        let mut group = LineGroup::default();
        loop {
            let closers = buffer.take_group(&mut group);
            self.write_group(&mut group);
            group.clear_lines();
            if let Some(closers) = closers {
                // The drop brings the file to the disk before `close` returns.
                drop(self);
                for done in closers {
                    let _gone_is_fine = done.send(());
                }
                return;
            }
        }
    }

    fn write_group(&mut self, group: &mut LineGroup) {
        self.missed += group.lost;
        let mut waiting = std::mem::take(&mut group.waiting).into_iter().peekable();
        let mut next = 0;
        while next < group.len() {
            let lines = next..group.len().min(next + WRITE_LINES_MAX);
            let written = self.write_part(group, lines.clone());
            next = match &written {
                Ok(count) => next + count,
                Err(_) => lines.end,
            };
            let result = written.map(drop);
            let mut heard = 0;
            while let Some((_, call)) = waiting.next_if(|(line, _)| *line < next) {
                heard += 1;
                let _gone_is_fine = call.send(result.clone());
            }
            if let Err(problem) = result {
                if self.missed == 0 {
                    tracing::error!(%problem, "calls are missing in the audit log");
                }
                // A call that is refused because its line could not be written did not happen.
                self.missed += lines.len() as u64 - heard;
            }
        }
    }

    /// Writes the first of these lines, as many as the file takes, and returns how many.
    fn write_part(
        &mut self,
        group: &LineGroup,
        lines: Range<usize>,
    ) -> Result<usize, AuditUnwritable> {
        let note = (self.missed > 0).then(|| {
            let mut note = WriterNote::new("missed");
            note.missed = self.missed;
            note.as_line()
        });
        let objects = note.as_deref().into_iter();
        let objects = objects.chain(lines.map(|index| group.line(index)));
        let written = self.chain.append_lines(objects);
        let count = written.map_err(|error| AuditUnwritable(error.to_string()))?;
        self.missed = 0;
        Ok(count - usize::from(note.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::audit::verify_chain;

    #[tokio::test]
    async fn lines_without_room_are_counted_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let settings = AuditSettings {
            file: directory.path().join("audit.jsonl"),
            bytes_max: 4_096,
            keep: 0,
            fail_open: false,
        };
        let buffer = Arc::new(LineBuffer::default());
        let line = br#"{"event":"end"}"#;
        let mut added = 0;
        while buffer.add_or_lose(line) {
            added += 1;
        }
        buffer.add_or_lose(line);
        let writer = AuditWriter::open(&settings).unwrap();
        buffer.end_input();
        let input = buffer.clone();
        std::thread::spawn(move || writer.write_lines(&input))
            .join()
            .unwrap();
        // The start, the note, and all that had room. One group fills many files.
        let chain = verify_chain(&settings.file).unwrap();
        assert_eq!(chain.last, added + 2);
        assert!(chain.files > 10, "{chain:?}");
        let oldest = &crate::audit::chain_files(&settings.file).unwrap()[0];
        let text = std::fs::read_to_string(oldest).unwrap();
        assert!(text.len() < 4_096 + 200, "{}", text.len());
        let note: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(note["event"], "missed");
        assert_eq!(note["missed"], 2);
    }
}
