//! The pieces that a job publishes: one line that says what follows, then the bytes.
//!
//! Anything that runs in the workspace can write there, so a piece is read strictly and believed only as
//! far as it goes.

/// The longest first line that our wrapper can write, with room to spare.
const HEAD_BYTES_MAX: usize = 200;

/// An output stream of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where the output of a job goes.
pub trait OutputSink: Send {
    /// Takes some of the bytes and says how many. Fewer than given: it is full, and the rest stays
    /// where it is.
    fn write_bytes(&mut self, stream: OutputStream, bytes: &[u8]) -> usize;

    /// How much it will certainly take.
    fn room_left(&self) -> u64 {
        u64::MAX
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// Why.
    pub why: EndReason,
    /// What the shell reported: the command's status, or 128 + n for signal n.
    pub exit_code: Option<i32>,
    /// From its start to its end, in the workspace's own time.
    pub duration_ms: u64,
    /// The command wrote more to standard output than is kept.
    pub stdout_cut: bool,
    /// The same of standard error.
    pub stderr_cut: bool,
}

/// Why a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// By itself.
    Exited,
    /// At its time limit.
    TimeLimit,
    /// By `stop_command`.
    Stopped,
    /// It never began: the folder it was to run in is missing or not allowed.
    Folder,
}

/// What a piece says about its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// More may come.
    Running,
    /// This was the last.
    Ended(JobEnd),
    /// The wrapper ended without writing an end, so how the command ended is unknown.
    Lost,
}

/// The piece is not what our wrapper writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job's output file is damaged: {0}")]
pub struct BadRecord(pub &'static str);

/// The first line of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PieceHead {
    /// Where the piece begins in all that was published.
    pub offset: u64,
    stdout_bytes: u64,
    stderr_bytes: u64,
    /// What it says about the job.
    pub state: JobState,
}

impl PieceHead {
    /// The bytes that follow.
    #[must_use]
    pub(super) fn piece_length(&self) -> u64 {
        self.stdout_bytes + self.stderr_bytes
    }

    fn parse_line(line: &[u8]) -> Result<Self, BadRecord> {
        let line = std::str::from_utf8(line).map_err(|_| BadRecord("the header is not text"))?;
        let mut words = line.split(' ');
        if words.next() != Some("kmcp1") {
            return Err(BadRecord("another kind of file"));
        }
        let mut number = || -> Option<u64> { words.next()?.parse().ok() };
        let (Some(offset), Some(stdout_bytes), Some(stderr_bytes)) = (number(), number(), number())
        else {
            return Err(BadRecord("its sizes"));
        };
        // Any process of the session can write these numbers. `piece_length` and the readers add them
        // unchecked later.
        if stdout_bytes
            .checked_add(stderr_bytes)
            .and_then(|sum| sum.checked_add(offset))
            .is_none()
        {
            return Err(BadRecord("its sizes"));
        }
        let state = match words.next() {
            Some("running") => JobState::Running,
            Some("lost") => JobState::Lost,
            Some("ended") => JobState::Ended(parse_end(words).ok_or(BadRecord("its end"))?),
            _ => return Err(BadRecord("its state")),
        };
        Ok(Self {
            offset,
            stdout_bytes,
            stderr_bytes,
            state,
        })
    }
}

fn parse_end<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<JobEnd> {
    let why = match words.next()? {
        "exited" => EndReason::Exited,
        "time" => EndReason::TimeLimit,
        "stopped" => EndReason::Stopped,
        "folder" => EndReason::Folder,
        _ => return None,
    };
    let exit_code = match words.next()? {
        "-" => None,
        // A shell reports 0 to 255 only.
        code => Some(code.parse().ok().filter(|code| (0..=255).contains(code))?),
    };
    let duration_ms = words.next()?.parse().ok()?;
    let mut flag = || match words.next()? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    Some(JobEnd {
        why,
        exit_code,
        duration_ms,
        stdout_cut: flag()?,
        stderr_cut: flag()?,
    })
}

/// Reads a piece as its bytes arrive.
#[derive(Debug, Default)]
pub(super) struct PieceReader {
    line: Vec<u8>,
    head: Option<PieceHead>,
    /// Bytes after the head that went to the sink, or were there before.
    taken: u64,
    /// Bytes that an earlier try delivered already.
    skip: u64,
    full: bool,
}

impl PieceReader {
    /// A reader that leaves out the first `skip` bytes after the head.
    pub(super) fn after_skipping(skip: u64) -> Self {
        Self {
            skip,
            ..Self::default()
        }
    }

    /// Takes the next bytes of the piece.
    pub(super) fn feed_bytes(
        &mut self,
        mut bytes: &[u8],
        sink: &mut dyn OutputSink,
    ) -> Result<(), BadRecord> {
        if self.head.is_none() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            self.line.extend_from_slice(line);
            // Checked at each chunk, so a file without a line end is given up at once and not collected.
            if self.line.len() > HEAD_BYTES_MAX {
                return Err(BadRecord("no head"));
            }
            if end.is_none() {
                return Ok(());
            }
            self.head = Some(PieceHead::parse_line(&self.line)?);
            bytes = rest.get(1..).unwrap_or_default();
        }
        let Some(head) = &self.head else {
            return Ok(());
        };
        let (out, length) = (head.stdout_bytes, head.piece_length());
        while !bytes.is_empty() && !self.full {
            if self.taken >= length {
                return Err(BadRecord("more bytes than announced"));
            }
            let (stream, left) = if self.taken < out {
                (OutputStream::Stdout, out - self.taken)
            } else {
                (OutputStream::Stderr, length - self.taken)
            };
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let (mine, rest) = bytes.split_at(left.min(bytes.len()));
            // Bytes before `skip` were delivered by an earlier try: they count as taken and are not written
            // again.
            let old = usize::try_from(self.skip.saturating_sub(self.taken)).unwrap_or(usize::MAX);
            let old = old.min(mine.len());
            let fresh = &mine[old..];
            let accepted = if fresh.is_empty() {
                0
            } else {
                sink.write_bytes(stream, fresh)
            };
            self.taken += (old + accepted) as u64;
            self.full = accepted < fresh.len();
            bytes = rest;
        }
        Ok(())
    }

    /// How far into the piece the sink has got.
    pub(super) fn bytes_taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The head, if all announced bytes have come.
    pub(super) fn into_head(self) -> Result<PieceHead, BadRecord> {
        let taken = self.taken;
        let head = self.head.ok_or(BadRecord("no head"))?;
        // After a full sink the rest was left unread on purpose. Otherwise the transfer was cut.
        if self.full || taken == head.piece_length() {
            Ok(head)
        } else {
            Err(BadRecord("fewer bytes than announced"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Both(Vec<u8>, Vec<u8>);

    impl OutputSink for Both {
        fn write_bytes(&mut self, stream: OutputStream, bytes: &[u8]) -> usize {
            match stream {
                OutputStream::Stdout => self.0.extend_from_slice(bytes),
                OutputStream::Stderr => self.1.extend_from_slice(bytes),
            }
            bytes.len()
        }
    }

    #[test]
    fn output_piece_reads_the_same_however_it_is_split() {
        let piece = b"kmcp1 7 3 4 ended exited 3 12 0 1\nouterr\0";
        for size in 1..piece.len() {
            let (mut reader, mut both) = (PieceReader::default(), Both::default());
            for chunk in piece.chunks(size) {
                reader.feed_bytes(chunk, &mut both).unwrap();
            }
            let head = reader.into_head().unwrap();
            assert_eq!(
                (both.0.as_slice(), both.1.as_slice()),
                (&b"out"[..], &b"err\0"[..])
            );
            assert_eq!(head.offset, 7);
        }
    }

    #[test]
    fn output_before_the_offset_is_left_out() {
        let (mut reader, mut both) = (PieceReader::after_skipping(4), Both::default());
        reader
            .feed_bytes(b"kmcp1 0 3 4 running\nouterr\0", &mut both)
            .unwrap();
        assert_eq!(reader.into_head().unwrap().state, JobState::Running);
        assert_eq!(
            (both.0.as_slice(), both.1.as_slice()),
            (&b""[..], &b"rr\0"[..])
        );
    }

    #[test]
    fn damaged_output_pieces_are_refused() {
        let pieces: [&[u8]; 10] = [
            b"",
            b"kmcp1 0 3 0 running\nou",
            b"kmcp1 0 3 0 running\nout+",
            b"kmcp1 0 -3 0 running\n",
            b"kmcp1 0 18446744073709551615 1 running\n",
            b"kmcp1 0 0 0 ended exited 300 1 0 0\n",
            b"kmcp1 0 0 0 ended exited 0 1 0 2\n",
            b"kmcp1 0 0 0 ended happily 0 1 0 0\n",
            b"kmcp2 0 0 0 running\n",
            &[b'k'; 5_000],
        ];
        for piece in pieces {
            let (mut reader, mut both) = (PieceReader::default(), Both::default());
            let read = reader
                .feed_bytes(piece, &mut both)
                .and_then(|()| reader.into_head().map(drop));
            assert!(read.is_err(), "{}", String::from_utf8_lossy(piece));
        }
    }
}
