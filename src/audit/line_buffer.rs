//! The lines between the calls and the writer's thread.
//!
//! A call copies its line into the buffer and goes on. The writer takes all lines together. It is woken for the first
//! line after a pause, for a line that a call waits for, and when many lines wait; not for each line, because a
//! wake-up of a thread costs more than all else that a line costs its call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::AuditUnwritable;

/// The most lines that wait for the disk. Beyond that, calls wait too.
const LINES_MAX: usize = 1_024;
/// The most bytes of these lines.
const BYTES_MAX: usize = 4 << 20;
/// How long lines are gathered that no call waits for.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// So many lines, or bytes, are written without a further wait.
const GATHER_LINES: usize = 256;
const GATHER_BYTES: usize = 256 << 10;

/// Receives the result of writing a line.
pub(super) type WriteResult = oneshot::Sender<Result<(), AuditUnwritable>>;

/// Lines that are written together.
#[derive(Debug, Default)]
pub(super) struct LineGroup {
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`.
    ends: Vec<usize>,
    /// The calls that wait, by the index of their line, in ascending order.
    pub(super) waiting: Vec<(usize, WriteResult)>,
    /// Lines for which there was no room.
    pub(super) lost: u64,
}

impl LineGroup {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The line with this index.
    pub(super) fn line(&self, index: usize) -> &[u8] {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[index]]
    }

    fn has_room(&self, line: &[u8]) -> bool {
        // A line longer than the limit is taken alone; it would wait forever otherwise.
        self.ends.is_empty()
            || (self.ends.len() < LINES_MAX && self.bytes.len() + line.len() <= BYTES_MAX)
    }

    fn add_line(&mut self, line: &[u8], waiting: Option<WriteResult>) {
        if let Some(waiting) = waiting {
            self.waiting.push((self.ends.len(), waiting));
        }
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    /// Empties the group for the next lines, and returns the memory of a group that was unusually large.
    pub(super) fn clear_lines(&mut self) {
        if self.bytes.capacity() > 2 * GATHER_BYTES {
            *self = Self::default();
            return;
        }
        self.bytes.clear();
        self.ends.clear();
        self.waiting.clear();
        self.lost = 0;
    }
}

/// What the writer's thread does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WriterActivity {
    /// It writes, or was woken: it looks at the buffer before it waits again.
    #[default]
    Busy,
    /// It waits for a first line.
    Idle,
    /// It waits for more lines, up to the gather time.
    Gathering,
    /// It has ended. Nothing is written any more.
    Ended,
}

#[derive(Debug, Default)]
struct BufferState {
    group: LineGroup,
    writer: WriterActivity,
    /// No line comes any more, or the log is to be closed.
    is_ending: bool,
    /// They wait until the file is closed.
    closers: Vec<oneshot::Sender<()>>,
}

impl BufferState {
    /// Whether the lines are to be written at once.
    fn is_pressing(&self) -> bool {
        let group = &self.group;
        self.is_ending
            || !group.waiting.is_empty()
            || group.len() >= GATHER_LINES
            || group.bytes.len() >= GATHER_BYTES
    }

    /// Whether the writer has to be woken, after the state has changed. It is woken once.
    fn take_wake_up(&mut self) -> bool {
        let wakes = match self.writer {
            WriterActivity::Idle => true,
            WriterActivity::Gathering => self.is_pressing(),
            WriterActivity::Busy | WriterActivity::Ended => false,
        };
        if wakes {
            self.writer = WriterActivity::Busy;
        }
        wakes
    }
}

/// Why a line was not added.
enum NotAdded {
    /// There is no room. The sender comes back.
    Full(Option<WriteResult>),
    /// The writer has ended.
    Ended,
}

/// The buffer. It has a limit: beyond it, calls wait for room.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    // Held for as long as it takes to copy a line or to exchange the group, never while something is written.
    state: Mutex<BufferState>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes the calls that wait for room.
    room: Notify,
}

impl LineBuffer {
    /// Adds a line. Waits only for room.
    ///
    /// # Errors
    /// The log is closed.
    pub(super) async fn add_line(&self, line: &[u8]) -> Result<(), AuditUnwritable> {
        self.add_when_possible(line, None).await
    }

    /// Adds a line, and waits until it is in the file.
    ///
    /// # Errors
    /// It cannot be written, or the log is closed.
    pub(super) async fn write_now(&self, line: &[u8]) -> Result<(), AuditUnwritable> {
        let (told, heard) = oneshot::channel();
        self.add_when_possible(line, Some(told)).await?;
        heard.await.unwrap_or_else(|_| Err(writer_has_ended()))
    }

    /// Adds a line if there is room. Otherwise it counts as lost, and the result is false.
    pub(super) fn add_or_lose(&self, line: &[u8]) -> bool {
        match self.try_add(line, None) {
            Ok(()) => true,
            Err(NotAdded::Full(_)) => {
                self.state.lock().group.lost += 1;
                false
            }
            Err(NotAdded::Ended) => false,
        }
    }

    /// Closes the log after the lines so far, and waits until that is done.
    pub(super) async fn close_log(&self) {
        let (told, heard) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.writer == WriterActivity::Ended {
                return;
            }
            state.closers.push(told);
        }
        self.end_input();
        let _ended = heard.await;
    }

    /// Lets the writer end after the lines so far.
    pub(super) fn end_input(&self) {
        let wakes = {
            let mut state = self.state.lock();
            state.is_ending = true;
            state.take_wake_up()
        };
        if wakes {
            self.work.notify_one();
        }
    }

    async fn add_when_possible(
        &self,
        line: &[u8],
        mut waiting: Option<WriteResult>,
    ) -> Result<(), AuditUnwritable> {
        loop {
            // Made before the look at the buffer: room that is made in between wakes it.
            let room = self.room.notified();
            match self.try_add(line, waiting) {
                Ok(()) => return Ok(()),
                Err(NotAdded::Full(back)) => waiting = back,
                Err(NotAdded::Ended) => return Err(writer_has_ended()),
            }
            room.await;
        }
    }

    fn try_add(&self, line: &[u8], waiting: Option<WriteResult>) -> Result<(), NotAdded> {
        let wakes = {
            let mut state = self.state.lock();
            if state.writer == WriterActivity::Ended {
                return Err(NotAdded::Ended);
            }
            if !state.group.has_room(line) {
                return Err(NotAdded::Full(waiting));
            }
            state.group.add_line(line, waiting);
            state.take_wake_up()
        };
        // After the lock is free, so that the writer does not wake up to wait for it.
        if wakes {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Waits for lines and takes them into `group`, which is empty. Returns who waits for the end if these are the
    /// last lines.
    pub(super) fn take_group(&self, group: &mut LineGroup) -> Option<Vec<oneshot::Sender<()>>> {
        let mut state = self.state.lock();
        while state.group.len() == 0 && !state.is_ending {
            state.writer = WriterActivity::Idle;
            self.work.wait(&mut state);
        }
        let until = Instant::now() + GATHER_TIME;
        while !state.is_pressing() {
            state.writer = WriterActivity::Gathering;
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.writer = WriterActivity::Busy;
        std::mem::swap(&mut state.group, group);
        let closers = state.is_ending.then(|| {
            // Under the lock that took the last lines: a later line is refused, and not lost.
            state.writer = WriterActivity::Ended;
            std::mem::take(&mut state.closers)
        });
        drop(state);
        self.room.notify_waiters();
        closers
    }

    /// Ends the buffer when dropped, also if the writer panics: no call waits for a thread that is gone.
    pub(super) fn end_with_writer(self: &Arc<Self>) -> WriterEnd {
        WriterEnd(self.clone())
    }
}

/// See [`LineBuffer::end_with_writer`].
#[derive(Debug)]
pub(super) struct WriterEnd(Arc<LineBuffer>);

impl Drop for WriterEnd {
    fn drop(&mut self) {
        let left = {
            let mut state = self.0.state.lock();
            state.writer = WriterActivity::Ended;
            (
                std::mem::take(&mut state.group),
                std::mem::take(&mut state.closers),
            )
        };
        // The senders are dropped, which ends the wait of their calls.
        drop(left);
        self.0.room.notify_waiters();
    }
}

fn writer_has_ended() -> AuditUnwritable {
    AuditUnwritable("the writer has ended".to_owned())
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn buffer_is_bounded_by_lines_and_a_full_one_makes_calls_wait() {
        let buffer = LineBuffer::default();
        for _ in 0..LINES_MAX {
            buffer.add_line(b"{}").await.unwrap();
        }
        let mut next = pin!(buffer.add_line(b"{\"next\":1}"));
        assert!(next.as_mut().now_or_never().is_none(), "it waits for room");
        assert!(!buffer.add_or_lose(b"{}"));
        let mut group = LineGroup::default();
        assert!(buffer.take_group(&mut group).is_none());
        assert_eq!((group.len(), group.lost), (LINES_MAX, 1));
        next.await.unwrap();
        group.clear_lines();
        assert!(buffer.take_group(&mut group).is_none());
        assert_eq!((group.len(), group.lost), (1, 0));
        assert_eq!(group.line(0), b"{\"next\":1}");
    }

    #[tokio::test]
    async fn buffer_is_bounded_by_bytes_but_takes_one_line_of_any_length() {
        let buffer = LineBuffer::default();
        let long = vec![b' '; BYTES_MAX + 1];
        buffer.add_line(&long).await.unwrap();
        assert!(!buffer.add_or_lose(b"{}"));
        let mut group = LineGroup::default();
        assert!(buffer.take_group(&mut group).is_none());
        assert_eq!(group.line(0), long);
        assert!(buffer.add_or_lose(&long[..BYTES_MAX]));
        assert!(!buffer.add_or_lose(b"{}"));
    }

    #[tokio::test]
    async fn waiting_call_ends_its_wait_when_the_writer_is_gone() {
        let buffer = Arc::new(LineBuffer::default());
        let writer = buffer.end_with_writer();
        let mut call = pin!(buffer.write_now(b"{}"));
        assert!(call.as_mut().now_or_never().is_none());
        drop(writer);
        call.await.unwrap_err();
        buffer.add_line(b"{}").await.unwrap_err();
        buffer.close_log().await;
    }
}
